/** Runs one batch over the lake of LAKE_HOME, and prints what it took of this process. `--full`; `--delta`: silver and gold alone. */

import { runRecordedBatch } from '../src/pipeline/batch/recorded.ts'
import { goldMetrics } from '../src/pipeline/model/gold.ts'
import { openPlatform } from '../src/pipeline/platform/compose.ts'
import { readConfig } from '../src/pipeline/platform/config.ts'
import { batchContextOf } from '../src/pipeline/platform/stages.ts'
import { printUsage } from './usage.ts'

const isFull = process.argv.includes('--full')
const isDelta = process.argv.includes('--delta')
await printUsage(async () => {
  const platform = openPlatform(readConfig(process.env))
  try {
    const { kind } = await runRecordedBatch(await batchContextOf(platform), await platform.runs(), {
      scope: { kind: isFull ? 'full' : 'changed' },
      trigger: 'manual',
      ...(isDelta && { tasks: ['bronze_to_silver', ...goldMetrics.map(({ task }) => task)] }),
    })
    if (kind === 'failed' || kind === 'cancelled') throw new Error(`The batch has ${kind}`)
  } finally {
    await platform[Symbol.asyncDispose]()
  }
})
