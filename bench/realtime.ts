/** A micro-batch of the speed layer where `realtime.*` already has many rows, beside one where it has none. */
import type { Platform } from '../src/pipeline/platform/compose.ts'
import { produce } from '../src/pipeline/producer/produce.ts'
import { type RealtimeReport, runRealtime } from '../src/pipeline/realtime/realtime.ts'
import { realtimeTableNames } from '../src/pipeline/serving/tables.ts'
import { type Case, measurement, onPlatform, secondsOf } from './case.ts'

const earlierRows = 10_000_000
const events = 6_000
const eventsPerBatch = 100

export const realtimeCase: Case = {
  name: 'realtime',
  run: () =>
    onPlatform(async (platform) => {
      await drain(platform)
      const without = await millisecondsPerBatch(platform)
      await fill(platform)
      const withEarlier = await millisecondsPerBatch(platform)
      return [
        measurement('realtime micro-batch', 'ms', withEarlier, earlierRows, {
          name: 'on empty tables',
          value: without,
        }),
      ]
    }),
}

async function drain(platform: Platform): Promise<RealtimeReport> {
  return runRealtime({
    log: await platform.log(),
    clickhouse: await platform.clickhouse(),
    duckdb: await platform.duckdb(),
    triggerMs: 1_000,
    maxRows: eventsPerBatch,
    drain: true,
  })
}

async function millisecondsPerBatch(platform: Platform): Promise<number> {
  const untilMs = Date.now()
  await produce(await platform.log(), {
    seed: 7,
    plan: { kind: 'history', count: events, days: 1, untilMs },
  })
  let batches = 0
  const seconds = await secondsOf(async () => ({ batches } = await drain(platform)))
  return (seconds * 1000) / batches
}

/** As many rows of another log in each table, a hundred a minute. */
async function fill(platform: Platform): Promise<void> {
  const clickhouse = await platform.clickhouse()
  for (const table of realtimeTableNames) {
    await clickhouse.command(
      `INSERT INTO realtime.${table}
         (window_start, window_end, log_id, kafka_partition, offset_from, offset_to, newest_event_time, inserted_at)
       SELECT toDateTime('2026-01-01 00:00:00', 'UTC') + intDiv(number, 100) * 60 AS start, start + 60,
         'earlier', number % 3, number, number + 1, start, start
       FROM numbers(${earlierRows})`,
    )
  }
}
