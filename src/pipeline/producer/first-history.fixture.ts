/**
 * A process of its own that makes the first history of a home. Arguments: the home, how many messages, and
 * optionally the append that it does not live beyond: it says so before it begins it, and is killed then.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { openPlatform } from '../platform/compose.ts'
import { readConfig } from '../platform/config.ts'
import { makeFirstHistory } from './first-history.ts'
import { ProducerState } from './producer-state.ts'

const [home = '', count = '', fatalAppend = '0'] = process.argv.slice(2)

await using platform = openPlatform(readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1' }))
const log = await platform.log()
const append = log.append.bind(log)
let appends = 0
log.append = async (messages, options) => {
  appends++
  if (appends !== Number(fatalAppend)) return append(messages, options)
  writeSync(1, 'fatal\n')
  await append(messages, options)
  await new Promise((resolve) => setTimeout(resolve, 60_000))
}
await makeFirstHistory({
  log,
  state: await ProducerState.open(join(home, 'producer.json')),
  history: { count: Number(count), days: 3, untilMs: Date.now() },
  isEmpty: (await log.partitions()).every(({ end }) => end === 0n),
  landedIds: async () => [],
})
