/**
 * The whole platform in one process: `lake up` starts it, keeps it running, and ends it in order.
 *
 * A stage that fails for good stops alone and reports it; the others go on. It may be ended at any time without loss:
 * each stage reads on from its own sink.
 */
import type { StoppedStage } from '../console/answers.ts'
import { ensureWebBuilt } from '../console/build-web.ts'
import { type ConsoleParts, type RunningConsole, startConsole } from '../console/console.ts'
import { problemOf } from '../console/problem.ts'
import { createBooksReader } from '../console/readings/books.ts'
import { createTablesReader } from '../console/readings/tables.ts'
import { hintOf } from '../hints/hints.ts'
import type { IoOptions } from '../lib/base/io.ts'
import { watchAlerts } from '../pipeline/alerts/watch.ts'
import { lakeTableNames } from '../pipeline/model/tables.ts'
import { createExposition } from '../pipeline/monitoring/exposition.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { firstLook } from '../pipeline/platform/first-look.ts'
import { liveStages } from '../pipeline/platform/live-stages.ts'
import { type Progress, progressText } from '../pipeline/platform/progress.ts'
import { cronOf } from '../pipeline/platform/schedule-settings.ts'
import { readStreamStatus, type StageStatus } from '../pipeline/platform/stream-status.ts'
import { type FailedStage, Supervisor } from '../pipeline/platform/supervisor.ts'
import { ensureServingSchema } from '../pipeline/serving/schema.ts'

export interface BringUpOptions extends IoOptions {
  readonly hasProducer: boolean
  /** Of events to make on an empty lake. */
  readonly historyDays: number
  readonly host: string
  readonly port: number
}

/** A step of coming up, in words; `note` says how far it is. */
export interface Step {
  readonly title: string
  readonly run: (note: (text: string) => void) => Promise<void>
}

export interface Upcoming {
  /** To be run one after the other; the last one leaves everything running. */
  readonly steps: readonly Step[]
  /** Where the console is, once its step is done. */
  url(): string | undefined
  /** Resolves when all has ended after an abort. */
  ended(): Promise<void>
}

export function bringUp(platform: Platform, options: BringUpOptions): Upcoming {
  const { hasProducer, historyDays, signal } = options
  const running: Promise<void>[] = []
  const supervisor = new Supervisor({ clock: platform.clock, logger: platform.logger, signal })
  let console: RunningConsole | undefined
  let progress: Progress | undefined = { step: 'Coming up' }

  const startConsoleStep: Step['run'] = async (note) => {
    const comingUp = (): Progress | undefined => progress
    const stoppedStages = (): readonly StoppedStage[] => supervisor.failed.map(stoppedStageOf)
    console = await openConsole(platform, { ...options, comingUp, stoppedStages })
    running.push(closeOnAbort(console, signal))
    note(console.url)
  }
  const firstLookStep: Step['run'] = async (note) => {
    const onProgress = (latest: Progress): void => {
      progress = latest
      note(progressText(latest))
    }
    const seen = await firstLook(platform, { historyDays: hasProducer ? historyDays : 0, signal, onProgress })
    progress = undefined
    note(seen)
  }
  const startStagesStep: Step['run'] = async (note) => {
    const stages = liveStages(platform, options)
    for (const [name, run] of Object.entries(stages)) running.push(supervisor.run(name, run))
    const watch = { hintOf, failedStages: () => supervisor.failed, signal }
    running.push(supervisor.run('alerts', () => watchAlerts(platform, watch)))
    note(Object.keys(stages).join(', '))
  }
  return {
    steps: [
      { title: 'ClickHouse', run: (note) => openClickHouseStep(platform, note, { signal }) },
      { title: 'Console', run: startConsoleStep },
      { title: 'First look', run: firstLookStep },
      { title: 'Stages', run: startStagesStep },
    ],
    url: () => console?.url,
    ended: async () => {
      await Promise.all(running)
    },
  }
}

async function openClickHouseStep(
  platform: Platform,
  note: (text: string) => void,
  { signal }: IoOptions,
): Promise<void> {
  // The page is built meanwhile: both take seconds, and neither needs the other.
  const [clickhouse] = await Promise.all([platform.clickhouse(), ensureWebBuilt()])
  // The console reads the tables from its first second on.
  await ensureServingSchema(clickhouse, { signal })
  const kind = platform.config.clickhouse === undefined ? ', embedded' : ''
  note(`${await clickhouse.version({ signal })}${kind}`)
}

function stoppedStageOf({ stage, stoppedMs, error }: FailedStage): StoppedStage {
  return { stage, stoppedAt: new Date(stoppedMs).toISOString(), problem: problemOf(error, hintOf) }
}

interface OpenConsoleOptions extends IoOptions, Pick<ConsoleParts, 'stoppedStages' | 'comingUp'> {
  readonly host: string
  readonly port: number
}

/** The console over this platform's parts, its page built where a source is newer. The caller closes it. */
export async function openConsole(
  platform: Platform,
  { host, port, stoppedStages, comingUp, signal }: OpenConsoleOptions,
): Promise<RunningConsole> {
  const webRoot = await ensureWebBuilt()
  const { allowedHosts, token } = platform.config.console
  const tables = await Promise.all(
    lakeTableNames.map(async (name) => ({ name, table: await platform.table(name) })),
  )
  const store = await platform.runs()
  const stages = async (io: IoOptions): Promise<readonly StageStatus[]> =>
    (await readStreamStatus(store, io)).stages
  return startConsole(
    {
      clickhouse: await platform.clickhouse(),
      tables: createTablesReader(tables, { hintOf, logger: platform.logger }),
      runs: store.runs,
      books: createBooksReader(store, store.runs),
      hintOf,
      schedule: cronOf(platform.config),
      stages,
      metrics: createExposition({
        stages: platform.stagesHere.readings,
        platform: () => stages({ signal }),
      }),
      ...(stoppedStages !== undefined && { stoppedStages }),
      ...(comingUp !== undefined && { comingUp }),
      logger: platform.logger,
      clock: platform.clock,
    },
    { host, port, webRoot, allowedHosts, ...(token !== undefined && { token }) },
    { signal },
  )
}

async function closeOnAbort(open: AsyncDisposable, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted !== true) {
    await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
  }
  await open[Symbol.asyncDispose]()
}
