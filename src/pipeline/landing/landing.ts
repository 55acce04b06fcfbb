/** Raw landing: event log → Delta bronze, in micro-batches, exactly once. */
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { EventLog } from '../../lib/eventlog/eventlog.ts'
import type { OffsetRange } from '../offset-range.ts'
import { requireKnownLog, requireSameLog } from '../same-log.ts'
import { runStreamStage } from '../stream-stage.ts'
import { Bronze, type BronzeTables } from './bronze.ts'
import { Compaction } from './compaction.ts'

export interface LandingOptions {
  readonly log: EventLog
  readonly tables: BronzeTables
  readonly duckdb: DuckDb
  /** Longest time that a message waits for its commit. */
  readonly triggerMs: number
  /** Most messages in one commit. */
  readonly maxRows: number
  /** Land up to the end that the log has now, then return. */
  readonly drain?: boolean
  /** Go on after messages that retention took before they were landed, and record which. */
  readonly acceptGap?: boolean
  /** Read a log whose cluster id is unknown from its start, though another log of this topic was read before. */
  readonly acceptNewLog?: boolean
  /** So many small files of a day are made one, beside the landing. Default 50. */
  readonly compactFrom?: number
  /** How long the batch in hand may take once the stage is asked to end. Default 5 s. */
  readonly graceMs?: number
  readonly clock?: Clock
  readonly logger?: Logger
  readonly onProgress?: (progress: LandingReport) => void
}

export interface LandingReport {
  readonly events: number
  readonly rejected: number
  readonly commits: number
  /** What retention took, where that was accepted. */
  readonly skipped?: readonly OffsetRange[]
  /** Where the stage had to end without an answer: the next start reads what became of these. */
  readonly unconfirmed?: readonly OffsetRange[]
}

export const landingGroup = 'lakeshore-landing'

/**
 * Runs until aborted, and then returns what was done.
 *
 * @throws LakeError `EVENTLOG_GAP`, `EVENTLOG_RESET`, `LOG_CORRUPT` and whatever else does not pass by itself.
 */
export async function land(options: LandingOptions, { signal }: IoOptions = {}): Promise<LandingReport> {
  const {
    log,
    tables,
    duckdb,
    drain = false,
    acceptGap = false,
    acceptNewLog = false,
    clock = systemClock,
    logger = silentLogger,
    onProgress,
  } = options
  const report = { events: 0, rejected: 0, commits: 0 }
  const identity = { topic: log.topic, clusterId: await log.clusterId({ signal }) }
  const bronze = await Bronze.open({ tables, duckdb, clock, ...identity }, { signal })
  if (!acceptNewLog) requireKnownLog(identity, bronze.knownClusters(), 'lake land')
  const lost = await bronze.lostRejects({ signal })
  if (lost !== undefined && !acceptGap) throw rejectsLost(tables, lost)
  if (lost !== undefined)
    logger.warn({ reason: lost }, 'Rejects that were landed are lost, and that is accepted')
  const unchecked = await requireSameLog(log, (partition) => bronze.readUpTo(partition, { signal }), {
    signal,
  })
  for (const partition of unchecked) {
    logger.warn({ partition }, 'The last message landed is not there any more: the log could not be checked')
  }
  const skipped: OffsetRange[] = []
  await using compaction = new Compaction([tables.events, tables.rejected], {
    minFiles: options.compactFrom ?? 50,
    graceMs: 1_000,
    logger,
    signal,
  })
  const unconfirmed = await runStreamStage(
    {
      name: 'landing',
      group: landingGroup,
      log,
      sink: bronze,
      triggerMs: options.triggerMs,
      maxRows: options.maxRows,
      drain,
      acceptGap,
      clock,
      logger,
      ...(options.graceMs !== undefined && { graceMs: options.graceMs }),
      onSkipped: (gaps) => void skipped.push(...gaps),
      onWritten: ({ events, rejected }) => {
        report.events += events
        report.rejected += rejected
        report.commits += 1
        compaction.begin()
        onProgress?.({ ...report })
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

function rejectsLost({ rejected }: BronzeTables, what: string): LakeError {
  return new LakeError('LOG_CORRUPT', `${rejected.uri}: ${what}`, {
    details: { uri: rejected.uri },
    hint: 'Bring back the commits of bronze/rejected, or both bronze tables from one backup: landing reads on from where they stand. If these rejects are gone for good, `lake land --accept-gap` goes on without them.',
  })
}
