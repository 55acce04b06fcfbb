/**
 * Measures, never asserts: `npm run -s bench -- [NAME] --json` prints one object per case.
 *
 * A figure means something beside its peer of the same run; machines differ and are noisy.
 */
import { batchCase } from './batch.ts'
import { booksCase } from './books.ts'
import type { Case, Measurement } from './case.ts'
import { appendCase, commitCase } from './delta/append.ts'
import { diffCase, mergeCase, optimizeCase } from './delta/change.ts'
import { openCase } from './delta/open.ts'
import { lookupCase, scanCase } from './delta/read.ts'
import { landingCase } from './landing.ts'
import { latencyCase } from './latency.ts'
import { realtimeCase } from './realtime.ts'
import { streamCase } from './stream.ts'

const cases: readonly Case[] = [
  landingCase,
  latencyCase,
  realtimeCase,
  streamCase,
  batchCase,
  booksCase,
  appendCase,
  commitCase,
  openCase,
  scanCase,
  lookupCase,
  mergeCase,
  optimizeCase,
  diffCase,
]

const words = process.argv.slice(2)
const asJson = words.includes('--json')
const [wanted] = words.filter((word) => !word.startsWith('--'))
const chosen = cases.filter(({ name }) => wanted === undefined || name.startsWith(wanted))
if (chosen.length === 0) {
  console.error(`bench: there is no case ${wanted}; there are ${cases.map(({ name }) => name).join(', ')}`)
  process.exitCode = 2
}
for (const { name, run } of chosen) {
  console.error(`measuring ${name} …`)
  for (const measurement of await run()) print(measurement)
}

function print(measurement: Measurement): void {
  const { name, unit, value, peer, peerValue, ratio, cpuSeconds, rssBytes, rows } = measurement
  if (asJson) {
    console.log(JSON.stringify({ name, unit, value, peer, peerValue, ratio, cpuSeconds, rssBytes, rows }))
    return
  }
  const beside = peer === null ? '' : `, ${peer} ${peerValue} (ratio ${ratio})`
  console.log(`${name}: ${value} ${unit}${beside}, ${Math.round(rssBytes / 1e6)} MB, ${rows} rows`)
}
