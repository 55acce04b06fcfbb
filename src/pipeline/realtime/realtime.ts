/** The speed layer: event log → one-minute windows in ClickHouse, within seconds. */
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { EventLog } from '../../lib/eventlog/eventlog.ts'
import type { OffsetRange } from '../offset-range.ts'
import { requireKnownLog, requireSameLog } from '../same-log.ts'
import { ensureServingSchema } from '../serving/schema.ts'
import { runStreamStage } from '../stream-stage.ts'
import { closeHoles } from './close-holes.ts'
import { SpeedLayer } from './speed-layer.ts'

export interface RealtimeOptions {
  readonly log: EventLog
  readonly clickhouse: ClickHouse
  readonly duckdb: DuckDb
  /** Longest time that a message waits for its insert. */
  readonly triggerMs: number
  readonly maxRows?: number
  /** Count up to the end that the log has now, then return. */
  readonly drain?: boolean
  /** Go on after messages that retention took before they were counted, and record which. */
  readonly acceptGap?: boolean
  /** Read a log whose cluster id is unknown from its start, though another log of this topic was read before. */
  readonly acceptNewLog?: boolean
  /** How long the batch in hand may take once the stage is asked to end. Default 5 s. */
  readonly graceMs?: number
  readonly clock?: Clock
  readonly logger?: Logger
  readonly onProgress?: (progress: RealtimeReport) => void
}

export interface RealtimeReport {
  readonly messages: number
  /** Valid events on time. */
  readonly events: number
  readonly late: number
  readonly batches: number
  /** What retention took, where that was accepted. */
  readonly skipped?: readonly OffsetRange[]
  /** Where the stage had to end without an answer: the next start reads what became of these. */
  readonly unconfirmed?: readonly OffsetRange[]
}

export const realtimeGroup = 'lakeshore-realtime'

const defaultMaxRows = 50_000

/**
 * Runs until aborted, and then returns what was done.
 *
 * @throws LakeError `EVENTLOG_GAP`, `EVENTLOG_RESET`, `CHECK_FAILED` and whatever else does not pass by itself.
 */
export async function runRealtime(
  options: RealtimeOptions,
  { signal }: IoOptions = {},
): Promise<RealtimeReport> {
  const {
    log,
    clickhouse,
    duckdb,
    drain = false,
    acceptGap = false,
    acceptNewLog = false,
    clock = systemClock,
    logger = silentLogger,
  } = options
  const report = { messages: 0, events: 0, late: 0, batches: 0 }
  await ensureServingSchema(clickhouse, { signal })
  const identity = { topic: log.topic, clusterId: await log.clusterId({ signal }) }
  const sink = new SpeedLayer({ clickhouse, duckdb, clock, ...identity })
  await sink.refresh({ signal })
  if (!acceptNewLog) requireKnownLog(identity, await sink.knownClusters({ signal }), 'lake realtime')
  for (const partition of await requireSameLog(log, async (each) => sink.readUpTo(each), { signal })) {
    logger.warn({ partition }, 'The last message counted is not there any more: the log could not be checked')
  }
  const maxRows = options.maxRows ?? defaultMaxRows
  const skipped = [...(await closeHoles({ log, sink, maxRows, acceptGap, clock, logger }, { signal }))]
  const unconfirmed = await runStreamStage(
    {
      name: 'realtime',
      group: realtimeGroup,
      log,
      sink,
      triggerMs: options.triggerMs,
      maxRows,
      drain,
      acceptGap,
      clock,
      logger,
      ...(options.graceMs !== undefined && { graceMs: options.graceMs }),
      onSkipped: (gaps) => void skipped.push(...gaps),
      onWritten: ({ messages, events, late }) => {
        report.messages += messages
        report.events += events
        report.late += late
        report.batches += 1
        options.onProgress?.({ ...report })
      },
    },
    { signal },
  )
  return {
    ...report,
    ...(skipped.length > 0 && { skipped }),
    ...(unconfirmed.length > 0 && { unconfirmed }),
  }
}
