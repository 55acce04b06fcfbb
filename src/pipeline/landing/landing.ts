/** Raw landing: event log → Delta bronze, in micro-batches, exactly once. */
import { systemClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { silentLogger } from '../../lib/base/log.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { consumerGroups } from '../streaming/consumer-groups.ts'
import { runStage, type StageEnd, type StageSettings } from '../streaming/stage.ts'
import { Bronze, type BronzeTables } from './bronze.ts'
import { Compaction } from './compaction.ts'
import { type RejectBurst, RejectRate } from './reject-burst.ts'

export interface LandingOptions extends StageSettings {
  readonly tables: BronzeTables
  readonly duckdb: DuckDb
  /** Keep the fields of events that are not known in the column `_rescued` of `bronze/events`. */
  readonly rescue?: boolean
  /** Files of one day are compacted, beside the landing, once so many of them are small. Default 50. */
  readonly compactFrom?: number
  readonly onProgress?: (progress: LandingReport) => void
  /** The share of a minute's messages that may be rejected, and what is done if more are. */
  readonly rejects?: { readonly limit: number; readonly onBurst: (burst: RejectBurst) => void }
}

export interface LandingReport extends StageEnd {
  readonly events: number
  readonly rejected: number
  readonly commits: number
}

export const landingGroup = consumerGroups.landing

/**
 * Runs until aborted, and then returns what was done.
 *
 * @throws LakeError `EVENTLOG_GAP`, `EVENTLOG_RESET`, `LOG_CORRUPT` and whatever else does not pass by itself.
 */
export async function land(options: LandingOptions, { signal }: IoOptions = {}): Promise<LandingReport> {
  const { log, tables, duckdb, clock = systemClock, logger = silentLogger, onProgress } = options
  const report = { events: 0, rejected: 0, commits: 0 }
  const rejectRate = options.rejects && new RejectRate(options.rejects.limit)
  const clusterId = await log.clusterId({ signal })
  const bronze = await Bronze.open(
    { tables, duckdb, clock, topic: log.topic, clusterId, ...(options.rescue === true && { rescue: true }) },
    { signal },
  )
  const rejects = await bronze.checkRejects({ signal })
  if (rejects.kind === 'lost') {
    if (options.acceptGap !== true) throw rejectsLost(tables, rejects.reason)
    logger.warn({ reason: rejects.reason }, 'Rejects that were landed are lost, and that is accepted')
  }
  await using compaction = new Compaction([tables.events, tables.rejected], {
    minFiles: options.compactFrom ?? 50,
    shutdownDeadlineMs: 1_000,
    logger,
    signal,
  })
  const end = await runStage(
    {
      name: 'landing',
      group: landingGroup,
      sink: bronze,
      onWritten: ({ events, rejected }) => {
        report.events += events
        report.rejected += rejected
        report.commits += 1
        compaction.begin()
        const burst = rejectRate?.landed({ events, rejected }, clock.now())
        if (burst !== undefined) options.rejects?.onBurst(burst)
        onProgress?.({ ...report })
      },
    },
    options,
    { signal },
  )
  return { ...report, ...end }
}

function rejectsLost({ rejected }: BronzeTables, what: string): LakeError {
  return new LakeError('LOG_CORRUPT', `${rejected.uri}: ${what}`, {
    details: { uri: rejected.uri, fault: 'rejects-lost' },
  })
}
