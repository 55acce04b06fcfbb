/**
 * Raw landing: event log → Delta bronze, in micro-batches, exactly once.
 *
 * The tables say where to read on, at every start and every assignment; the log's own group offsets are
 * telemetry, written after the commit and never read.
 */
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { isLakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { type EventLog, type Message, type Offset, offset } from '../../lib/eventlog/eventlog.ts'
import { microBatches, type StreamEvent } from '../../lib/stream/micro-batch.ts'
import { Bronze, type BronzeTables } from './bronze.ts'

export interface LandingOptions {
  readonly log: EventLog
  readonly tables: BronzeTables
  readonly duckdb: DuckDb
  readonly triggerMs: number
  readonly maxRows: number
  /** Land up to the end that the log has now, then return. */
  readonly drain?: boolean
  readonly clock?: Clock
  readonly logger?: Logger
  readonly onProgress?: (progress: LandingReport) => void
}

export interface LandingReport {
  readonly events: number
  readonly rejected: number
  readonly commits: number
}

export const landingGroup = 'lakeshore-landing'

/** Pause before reading goes on after a failure that may pass. */
const retryPauseMs = 1_000

/**
 * Runs until aborted, and then ends with what was done: the batch in hand is landed or dropped whole.
 *
 * @throws LakeError `EVENTLOG_GAP`, `EVENTLOG_RESET`, `LOG_CORRUPT` and whatever else does not pass by itself.
 */
export async function land(options: LandingOptions, { signal }: IoOptions = {}): Promise<LandingReport> {
  const { log, tables, duckdb, clock = systemClock, logger = silentLogger, onProgress } = options
  const report = { events: 0, rejected: 0, commits: 0 }
  const ends = options.drain === true ? await endsOf(log, { signal }) : undefined
  const bronze = await Bronze.open(
    { tables, duckdb, clock, topic: log.topic, clusterId: await log.clusterId({ signal }) },
    { signal },
  )
  for (const partition of await bronze.requireSameLog(log, { signal })) {
    logger.warn({ partition }, 'Retention has taken the last landed message: the log could not be checked')
  }

  for (;;) {
    const until = ends && remaining(ends, bronze)
    if (until?.size === 0) return report
    try {
      for await (const batch of microBatches(events(options, bronze, signal), {
        ...options,
        clock,
        ...(until && { until, landed: (partition: number) => bronze.next(partition) }),
      })) {
        // The signal stops the reading, not the landing: what was read is landed or not read at all.
        const outcome = await bronze.land(batch)
        if (outcome.kind === 'superseded') {
          logger.info({ reason: outcome.reason }, 'Another landing was faster; reading on from the tables')
          break
        }
        report.events += outcome.events
        report.rejected += outcome.rejected
        report.commits += 1
        onProgress?.({ ...report })
        await acknowledge(options, batch.next, logger)
        if (signal?.aborted) return report
      }
    } catch (error) {
      if (signal?.aborted && error === signal.reason) return report
      if (ends !== undefined || !isLakeError(error) || !error.retryable) throw error
      logger.error({ err: error, hint: error.hint }, 'Landing failed and will go on from the tables')
      await clock.sleep(retryPauseMs, { signal }).catch(() => undefined)
    }
    if (signal?.aborted) return report
    await bronze.refresh({ signal })
  }
}

function events(
  { log, drain }: LandingOptions,
  bronze: Bronze,
  signal: AbortSignal | undefined,
): AsyncIterable<StreamEvent<Message>> {
  return log.consume({
    group: landingGroup,
    membership: drain === true ? 'alone' : 'shared',
    positions: async (partitions) => {
      await bronze.refresh({ signal })
      return bronze.positions(partitions)
    },
    signal,
  })
}

async function endsOf(log: EventLog, options: IoOptions): Promise<ReadonlyMap<number, Offset>> {
  return new Map(
    (await log.partitions(options))
      .filter(({ start, end }) => end > start)
      .map(({ partition, end }) => [partition, end]),
  )
}

function remaining(ends: ReadonlyMap<number, Offset>, bronze: Bronze): ReadonlyMap<number, bigint> {
  return new Map([...ends].filter(([partition, end]) => (bronze.next(partition) ?? 0n) < end))
}

/** The group's offsets are telemetry: failing to write them costs a wrong lag on somebody's screen. */
async function acknowledge(
  { log }: LandingOptions,
  next: ReadonlyMap<number, bigint>,
  logger: Logger,
): Promise<void> {
  const positions = new Map([...next].map(([partition, at]) => [partition, offset(at)]))
  await log.acknowledge(landingGroup, positions).catch((error: unknown) => {
    logger.debug({ err: error }, 'The group’s offsets could not be written')
  })
}
