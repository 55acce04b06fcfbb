/** The whole DAG over three days of events, beside one SELECT of DuckDB that computes the same four metrics. */

import { runRecordedBatch } from '../src/pipeline/batch/recorded.ts'
import { goldMetrics } from '../src/pipeline/model/gold.ts'
import { batchContextOf, runLandingStage } from '../src/pipeline/platform/stages.ts'
import { type Case, measurement, onPlatform, secondsOf, sendHistory } from './case.ts'

const count = 200_000

export const batchCase: Case = {
  name: 'batch',
  run: () =>
    onPlatform(async (platform) => {
      await sendHistory(platform, count)
      await runLandingStage(platform, { drain: true })
      const context = await batchContextOf(platform)
      const batch = (): Promise<unknown> =>
        platform.runs().then((store) => runRecordedBatch(context, store, { trigger: 'manual' }))
      const first = await secondsOf(batch)
      const again = await secondsOf(batch)
      const silver = context.table('silver/events')
      const bare = await secondsOf(() =>
        context.duckdb.use(async (session) => {
          const scan = await silver.scan(session, await silver.snapshot())
          await session.run(`create temporary view silver_events as ${scan}`)
          for (const { sql } of goldMetrics) await session.rows(sql)
        }),
      )
      return [
        measurement('batch', 's', first, count, { name: 'the four SELECTs alone', value: bare }),
        measurement('batch again, nothing new', 's', again, count),
      ]
    }),
}
