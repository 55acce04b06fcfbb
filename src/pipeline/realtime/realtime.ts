/** The speed layer: event log → one-minute windows in ClickHouse, within seconds. */
import { systemClock } from '../../lib/base/clock.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { silentLogger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { ensureServingSchema } from '../serving/schema.ts'
import { consumerGroups } from '../streaming/consumer-groups.ts'
import { runStage, type StageEnd, type StageSettings } from '../streaming/stage.ts'
import { closeHoles } from './close-holes.ts'
import { SpeedLayer } from './speed-layer.ts'

export interface RealtimeOptions extends StageSettings {
  readonly clickhouse: ClickHouse
  readonly duckdb: DuckDb
  readonly onProgress?: (progress: RealtimeReport) => void
}

export interface RealtimeReport extends StageEnd {
  readonly messages: number
  /** Valid events on time. */
  readonly events: number
  readonly late: number
  readonly batches: number
}

export const realtimeGroup = consumerGroups.realtime

/** A batch of any size is an insert for each table and partition, which cost ClickHouse the same: at rest the trigger ends it sooner. */
const defaultMaxRows = 100_000

/**
 * Runs until aborted, and then returns what was done.
 *
 * @throws LakeError `EVENTLOG_GAP`, `EVENTLOG_RESET`, `CHECK_FAILED` and whatever else does not pass by itself.
 */
export async function runRealtime(
  options: RealtimeOptions,
  { signal }: IoOptions = {},
): Promise<RealtimeReport> {
  const { log, clickhouse, duckdb, acceptGap = false, clock = systemClock, logger = silentLogger } = options
  const report = { messages: 0, events: 0, late: 0, batches: 0 }
  await ensureServingSchema(clickhouse, { signal })
  const clusterId = await log.clusterId({ signal })
  const sink = new SpeedLayer({ clickhouse, duckdb, clock, topic: log.topic, clusterId })
  await sink.refresh({ signal })
  const end = await runStage(
    {
      name: 'realtime',
      group: realtimeGroup,
      sink,
      prepare: () => closeHoles({ log, sink, acceptGap, clock, logger }, { signal }),
      onWritten: ({ messages, events, late }) => {
        report.messages += messages
        report.events += events
        report.late += late
        report.batches += 1
        options.onProgress?.({ ...report })
      },
    },
    { ...options, maxRows: options.maxRows ?? defaultMaxRows },
    { signal },
  )
  return { ...report, ...end }
}
