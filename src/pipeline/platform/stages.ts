/** The stages, bound to the parts of a platform: what a command, a schedule and a notebook call alike. */

import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { DeltaTable } from '../../lib/delta/index.ts'
import { createLineageClient } from '../../lib/lineage/lineage-client.ts'
import type { PauseSwitch } from '../../lib/stream/pause-switch.ts'
import type { BatchContext } from '../batch/batch.ts'
import { type LandingReport, land } from '../landing/landing.ts'
import { describeBurst, type RejectBurst } from '../landing/reject-burst.ts'
import type { Lineage } from '../lineage/recording.ts'
import { originsOfTables } from '../lineage/task-datasets.ts'
import { type LakeTable, lakeTableNames } from '../model/tables.ts'
import { type RealtimeReport, runRealtime } from '../realtime/realtime.ts'
import type { BooksContext } from '../reconcile/books.ts'
import type { StageSettings } from '../streaming/stage.ts'
import type { Platform } from './compose.ts'
import { isWithinHome } from './config.ts'

export interface StageOptions<Report>
  extends IoOptions,
    Pick<StageSettings, 'drain' | 'acceptGap' | 'acceptNewLog' | 'observer' | 'pause'> {
  readonly onProgress?: (report: Report) => void
}

export async function runLandingStage(
  platform: Platform,
  { signal, ...options }: StageOptions<LandingReport> = {},
): Promise<LandingReport> {
  const { config, clock, logger } = platform
  const { rejectLimit, ...landing } = config.landing
  const { pause, drain = false } = options
  if (isWithinHome(config, config.lakeUri)) await platform.home()
  return land(
    {
      ...options,
      ...landing,
      // A run with an end is somebody's command, who sees the number of rejects.
      ...(pause !== undefined &&
        !drain && {
          rejects: { limit: rejectLimit, onBurst: (burst) => void pauseForRejects(platform, pause, burst) },
        }),
      log: await platform.log(),
      tables: {
        events: await platform.table('bronze/events'),
        rejected: await platform.table('bronze/rejected'),
      },
      duckdb: await platform.streamingDuckdb(),
      clock,
      logger,
    },
    { signal },
  )
}

/** Never throws: what was landed is landed, and the stage in this process pauses also if the store does not answer. */
async function pauseForRejects(platform: Platform, pause: PauseSwitch, burst: RejectBurst): Promise<void> {
  const { logger } = platform
  const reason = describeBurst(burst)
  pause.set(reason)
  logger.error({ stage: 'landing', ...burst }, `landing is paused: ${reason}`)
  try {
    await (await platform.runs()).stages.pause('landing', reason)
    // A report that was on its way has been told that nothing is paused.
    pause.set(reason)
  } catch (error) {
    logger.error({ stage: 'landing', err: error }, 'The pause of landing could not be recorded')
  }
}

export async function runRealtimeStage(
  platform: Platform,
  { signal, ...options }: StageOptions<RealtimeReport> = {},
): Promise<RealtimeReport> {
  const { config, clock, logger } = platform
  return runRealtime(
    {
      ...options,
      ...config.realtime,
      log: await platform.log(),
      clickhouse: await platform.clickhouse(),
      duckdb: await platform.streamingDuckdb(),
      clock,
      logger,
    },
    { signal },
  )
}

/** What the batch and the books work with. ClickHouse, the log and the ledger are opened when they are asked for. */
export async function batchContextOf(platform: Platform): Promise<BatchContext & BooksContext> {
  const tables = new Map<LakeTable, DeltaTable>()
  for (const name of lakeTableNames) tables.set(name, await platform.table(name))
  await platform.home()
  const { batchTasks } = platform.config
  return {
    table: (name) => {
      const table = tables.get(name)
      if (table === undefined) throw new LakeError('BUG', `No table ${name}`)
      return table
    },
    duckdb: await platform.duckdb(),
    compute: await platform.compute(),
    clickhouse: () => platform.clickhouse(),
    // Runs in a database may be those of another machine, with a ClickHouse of its own.
    ...(platform.config.metadata.url.startsWith('sqlite:') && {
      isClickHouseAtRest: (options: IoOptions) => platform.isClickHouseAtRest(options),
      ...(platform.config.clickhouse === undefined && { clickhouseMark: platform.clickhouseMark }),
    }),
    log: () => platform.log(),
    ledger: async () => (await platform.runs()).ledger,
    replays: async () => (await platform.runs()).replays,
    ...(platform.gates && { gates: platform.gates }),
    ...lineageTo(platform),
    attempts: {
      mostAttempts: batchTasks.mostAttempts,
      ...(batchTasks.timeoutMs !== undefined && { timeoutMs: batchTasks.timeoutMs }),
    },
    temporaryDirectory: platform.temporaryDirectory,
    clock: platform.clock,
    logger: platform.logger,
  }
}

function lineageTo({ config, clock, logger, duckdb }: Platform): Pick<BatchContext, 'lineage'> {
  if (config.lineage === undefined) return {}
  const { namespace, ...receiver } = config.lineage
  let origins: ReturnType<Lineage['origins']> | undefined
  return {
    lineage: {
      client: createLineageClient({ ...receiver, clock, logger }),
      config,
      namespace,
      origins: () => {
        origins ??= duckdb()
          .then((engine) => originsOfTables(engine))
          .catch((error: unknown) => {
            logger.warn(
              { err: error },
              'The lineage of columns could not be told; runs are told of without it',
            )
            return new Map()
          })
        return origins
      },
    },
  }
}
