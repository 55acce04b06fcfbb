/**
 * The whole platform in one process: what `lake up` brings up, keeps running, and ends in order.
 *
 * A stage that fails for good stops alone and says so; the others go on. Nothing is lost by ending at any
 * moment: each stage reads on from its own sink.
 */
import { join } from 'node:path'
import { ensureWebBuilt } from '../console/build-web.ts'
import { type ConsoleParts, type RunningConsole, startConsole } from '../console/console.ts'
import { createTablesReader } from '../console/tables.ts'
import { allEnded } from '../lib/base/all-ended.ts'
import { LakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import { describeOwner } from '../lib/runs/owner.ts'
import { acquireProcessLock } from '../lib/runs/process-lock.ts'
import { runRecordedBatch } from '../pipeline/batch/recorded.ts'
import { runBatchSchedule } from '../pipeline/batch/schedule.ts'
import { lakeTableNames } from '../pipeline/model/tables.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { batchContextOf, runLandingStage, runRealtimeStage } from '../pipeline/platform/stages.ts'
import { makeFirstHistory } from '../pipeline/producer/first-history.ts'
import { produce } from '../pipeline/producer/produce.ts'
import { ProducerStanding } from '../pipeline/producer/standing.ts'
import { Supervisor } from './supervisor.ts'

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

const historyEvents = 100_000

/** @throws LakeError `HOME_LOCKED` when another `lake up` runs on the same home. */
export async function lockHome(platform: Platform): Promise<AsyncDisposable> {
  const home = await platform.home()
  const outcome = await acquireProcessLock(join(home, 'up.lock'))
  if (outcome.kind === 'acquired') return outcome.lock
  const holder = outcome.holder === undefined ? '' : ` (process ${outcome.holder.pid})`
  throw new LakeError('HOME_LOCKED', `LAKE_HOME ${home}: another lake up runs on it${holder}`, {
    details: { home },
  })
}

export function bringUp(platform: Platform, options: BringUpOptions): Upcoming {
  const { signal } = options
  const running: Promise<void>[] = []
  const supervisor = new Supervisor({ clock: platform.clock, logger: platform.logger, signal })
  let console: RunningConsole | undefined

  const steps: Step[] = [
    {
      title: 'ClickHouse',
      run: async (note) => {
        // The page is built meanwhile: both take seconds, and neither needs the other.
        const [clickhouse] = await Promise.all([platform.clickhouse(), ensureWebBuilt()])
        note(
          `${await clickhouse.version({ signal })}${platform.config.clickhouse === undefined ? ', embedded' : ''}`,
        )
      },
    },
    {
      title: 'Console',
      run: async (note) => {
        console = await openConsole(platform, { ...options, stoppedStages: () => supervisor.stopped })
        running.push(closeOnAbort(console, signal))
        note(console.url)
      },
    },
    { title: 'First look', run: (note) => firstLook(platform, options, note) },
    {
      title: 'Stages',
      run: async (note) => {
        const stages = stagesOf(platform, options)
        for (const [name, run] of Object.entries(stages)) running.push(supervisor.run(name, run))
        note(Object.keys(stages).join(', '))
      },
    },
  ]
  return {
    steps,
    url: () => console?.url,
    ended: async () => {
      await Promise.all(running)
    },
  }
}

interface OpenConsoleOptions extends IoOptions, Pick<ConsoleParts, 'stoppedStages'> {
  readonly host: string
  readonly port: number
}

/** The console over this platform's parts, its page built where a source is newer. The caller closes it. */
export async function openConsole(
  platform: Platform,
  { host, port, stoppedStages, signal }: OpenConsoleOptions,
): Promise<RunningConsole> {
  const webRoot = await ensureWebBuilt()
  const { allowedHosts, token } = platform.config.console
  const tables = await Promise.all(
    lakeTableNames.map(async (name) => ({ name, table: await platform.table(name) })),
  )
  return startConsole(
    {
      clickhouse: await platform.clickhouse(),
      tables: createTablesReader(tables, { logger: platform.logger }),
      runs: (await platform.runs()).runs,
      ...(stoppedStages !== undefined && { stoppedStages }),
      logger: platform.logger,
      clock: platform.clock,
    },
    { host, port, webRoot, allowedHosts, ...(token !== undefined && { token }) },
    { signal },
  )
}

/** On an empty lake a history is made, and one that was begun is completed; where no batch has ended well yet, one is run: so there is a picture. */
async function firstLook(
  platform: Platform,
  { hasProducer, historyDays, signal }: BringUpOptions,
  note: (text: string) => void,
): Promise<void> {
  const log = await platform.log()
  const ranges = await log.partitions({ signal })
  const isEmpty =
    ranges.every(({ end }) => end === 0n) &&
    !(await (await platform.table('bronze/events')).exists({ signal }))
  if (hasProducer && historyDays > 0) {
    await makeFirstHistory(
      {
        log,
        standing: await openStanding(platform),
        count: historyEvents,
        days: historyDays,
        untilMs: platform.clock.now(),
        isEmpty,
        landedIds: (fromMs, toMs, options) => landedIds(platform, fromMs, toMs, options),
      },
      {
        signal,
        clock: platform.clock,
        logger: platform.logger,
        onProgress: (sent, total) => note(`making a history of events: ${sent} of ${total}`),
      },
    )
    signal?.throwIfAborted()
  }
  const store = await platform.runs()
  const last = await store.runs.latest({}, { signal })
  if (last?.state === 'succeeded' || last?.state === 'unchanged') {
    note('the last batch ended well')
    return
  }
  await allEnded<unknown>([
    runLandingStage(platform, {
      drain: true,
      signal,
      onProgress: ({ events, rejected }) => note(`landing: ${events} events, ${rejected} rejected`),
    }),
    runRealtimeStage(platform, { drain: true, signal }),
  ])
  signal?.throwIfAborted()
  note('making silver and gold')
  const outcome = await runRecordedBatch(await batchContextOf(platform), store, {
    trigger: 'manual',
    signal,
    onWait: ({ owner }) => note(`waiting for a batch of ${describeOwner(owner)} to end`),
  })
  if (outcome.kind === 'failed') {
    const failed = outcome.nodes.find(({ kind }) => kind === 'failed')
    platform.logger.error(
      { run: outcome.runId, task: failed?.node },
      'The first batch failed; see lake runs show',
    )
  }
  note(`batch ${outcome.runId} ${outcome.kind}`)
}

async function openStanding(platform: Platform): Promise<ProducerStanding> {
  return ProducerStanding.open(join(await platform.home(), 'producer.json'))
}

async function landedIds(
  platform: Platform,
  fromMs: number,
  toMs: number,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const events = await platform.table('bronze/events')
  if (!(await events.exists({ signal }))) return []
  const [from, to] = [fromMs, toMs].map((ms) => `date '${new Date(ms).toISOString().slice(0, 10)}'`)
  const snapshot = await events.snapshot({ signal })
  const duckdb = await platform.duckdb()
  const rows = await duckdb.use(async (session) => {
    const scan = await events.scan(session, snapshot, { signal })
    const select = `select event_id from (${scan}) where event_date between ${from} and ${to}`
    return await session.rows(select, { signal })
  })
  return rows.map((row) => String(row['event_id']))
}

type Stage = () => Promise<unknown>

function stagesOf(
  platform: Platform,
  { hasProducer, signal }: BringUpOptions,
): Readonly<Record<string, Stage>> {
  const { clock, logger, config } = platform
  const producer: Stage = async () => {
    const standing = await openStanding(platform)
    await produce(
      standing.through(await platform.log()),
      {
        seed: clock.now() % 2 ** 32,
        users: standing.users,
        plan: { kind: 'live', eventsPerSecond: config.eventsPerSecond },
      },
      { signal, clock, logger },
    )
  }
  return {
    ...(hasProducer && { producer }),
    landing: () => runLandingStage(platform, { signal }),
    realtime: () => runRealtimeStage(platform, { signal }),
    schedule: async () =>
      runBatchSchedule(await batchContextOf(platform), await platform.runs(), {
        cron: config.batchCron,
        signal,
        clock,
        logger,
      }),
  }
}

async function closeOnAbort(open: AsyncDisposable, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted !== true) {
    await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
  }
  await open[Symbol.asyncDispose]()
}
