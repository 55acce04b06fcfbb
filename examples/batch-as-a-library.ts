/**
 * Runs the batch from a program of your own, and reads a metric that it made.
 *
 *     npx tsx examples/batch-as-a-library.ts /tmp/lake
 */
import { readRows } from '../src/lib/delta/index.ts'
import { runRecordedBatch } from '../src/pipeline/batch/recorded.ts'
import { lakeTables } from '../src/pipeline/model/tables.ts'
import { openPlatform } from '../src/pipeline/platform/compose.ts'
import { readConfig } from '../src/pipeline/platform/config.ts'
import { batchContextOf, runLandingStage } from '../src/pipeline/platform/stages.ts'
import { produce } from '../src/pipeline/producer/produce.ts'

const [home = '.lake'] = process.argv.slice(2)

await using platform = openPlatform(readConfig({ LAKE_HOME: home }))
const untilMs = Date.parse('2026-02-01T00:00:00Z')
await produce(await platform.log(), { seed: 1, plan: { kind: 'history', count: 1_000, days: 2, untilMs } })
await runLandingStage(platform, { drain: true })

const outcome = await runRecordedBatch(await batchContextOf(platform), await platform.runs(), {
  trigger: 'manual',
  tasks: ['bronze_to_silver', 'silver_to_gold_dau'],
})
console.log(`batch ${outcome.kind}`)

const dau = await platform.table('gold/daily_active_users')
for await (const rows of readRows(dau, lakeTables['gold/daily_active_users'].schema)) {
  for (const row of rows) console.log(`${row['event_date']}: ${row['dau_count']} users`)
}
