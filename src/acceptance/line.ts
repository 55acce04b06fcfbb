/** How the stages of an end-to-end test are run: by calls in this process, or as the commands that a user types. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readEndpoint } from '../lib/clickhouse-server/endpoint.ts'
import { makeDatabase } from '../lib/runs/mysql-database.fixture.ts'
import { runRecordedBatch } from '../pipeline/batch/recorded.ts'
import { openPlatform, type Platform } from '../pipeline/platform/compose.ts'
import { type Environment, readConfig } from '../pipeline/platform/config.ts'
import { batchContextOf, runLandingStage, runRealtimeStage } from '../pipeline/platform/stages.ts'
import { produce } from '../pipeline/producer/produce.ts'

export interface SentHistory {
  readonly seed: number
  readonly count: number
  readonly days: number
  readonly untilMs: number
  readonly late: number
  readonly duplicate: number
  readonly malformed: number
}

export interface Line extends AsyncDisposable {
  /** To look at what the stages have made. */
  readonly platform: Platform
  readonly lake: string
  produce(history: SentHistory, ledgerPath: string): Promise<void>
  land(): Promise<{ readonly commits: number }>
  realtime(): Promise<{ readonly batches: number }>
  /** @returns how the run ended. */
  batch(): Promise<string>
  /** Names of what embedded parts keep in the LAKE_HOME of the stages. */
  embeddedParts(): Promise<readonly string[]>
}

const partNames = ['clickhouse.json', 'eventlog', 'runs.db']

const embeddedIn = async (home: string): Promise<readonly string[]> =>
  (await readdir(home)).filter((name) => partNames.includes(name)).sort()

/** Stages as calls, on embedded parts. */
export async function openLine(environment: Environment): Promise<Line> {
  const home = await mkdtemp(join(tmpdir(), 'lakeshore-e2e-'))
  const platform = openPlatform(readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1', ...environment }))
  platform.endClickHouseAtClose()
  return {
    platform,
    lake: join(home, 'tables'),
    produce: async ({ seed, late, duplicate, malformed, ...history }, ledgerPath) => {
      const plan = { kind: 'history', ...history } as const
      await produce(await platform.log(), { seed, plan, late, duplicate, malformed, ledgerPath })
    },
    land: () => runLandingStage(platform, { drain: true }),
    realtime: () => runRealtimeStage(platform, { drain: true }),
    batch: async () =>
      (await runRecordedBatch(await batchContextOf(platform), await platform.runs(), { trigger: 'manual' }))
        .kind,
    embeddedParts: () => embeddedIn(home),
    [Symbol.asyncDispose]: async () => {
      await platform[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export interface Servers {
  readonly brokers: string
  readonly topic: string
  /** A MySQL server, with the password, which the commands are given in a file. The test has a database of its own. */
  readonly metadataUrl: string
}

/**
 * Stages as `lake …` processes, set up by variables and secret files alone, as docker-compose.yml does it. A
 * ClickHouse of this test's own is their server.
 */
export async function openLineOfCommands(
  { brokers, topic, metadataUrl }: Servers,
  environment: Environment,
): Promise<Line> {
  const root = await mkdtemp(join(tmpdir(), 'lakeshore-e2e-'))
  const [home, lake] = [join(root, 'home'), join(root, 'tables')]
  const database = await makeDatabase(metadataUrl)
  const metadata = new URL(database.url)
  const platform = openPlatform(
    readConfig({
      LAKE_HOME: join(root, 'servers'),
      LAKE_URI: lake,
      KAFKA_BROKERS: brokers,
      KAFKA_TOPIC: topic,
      METADATA_URL: database.url,
    }),
  )
  platform.endClickHouseAtClose()
  await platform.clickhouse()
  const endpoint = await readEndpoint(join(root, 'servers'))
  if (endpoint === undefined) throw new Error('Expected an embedded ClickHouse, got none')
  const secret = async (name: string, text: string): Promise<string> => {
    await writeFile(join(root, name), `${text}\n`, { mode: 0o600 })
    return join(root, name)
  }
  const metadataPassword = await secret('metadata_password', decodeURIComponent(metadata.password))
  metadata.password = ''
  const settings = {
    PATH: '/usr/bin:/bin',
    LAKE_HOME: home,
    LAKE_URI: lake,
    KAFKA_BROKERS: brokers,
    KAFKA_TOPIC: topic,
    CLICKHOUSE_URL: endpoint.url,
    CLICKHOUSE_USERNAME: endpoint.username,
    CLICKHOUSE_PASSWORD_FILE: await secret('clickhouse_password', endpoint.password),
    METADATA_URL: metadata.href,
    METADATA_PASSWORD_FILE: metadataPassword,
    ...environment,
  }
  const lakeCommand = async (...words: readonly string[]): Promise<Readonly<Record<string, unknown>>> => {
    const main = join(import.meta.dirname, '..', 'cli', 'main.ts')
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', main, ...words, '--json'],
      { env: settings },
    )
    return JSON.parse(stdout) as Readonly<Record<string, unknown>>
  }
  return {
    platform,
    lake,
    produce: async ({ seed, count, days, untilMs, late, duplicate, malformed }, ledgerPath) => {
      const words = Object.entries({
        seed,
        count,
        'history-days': days,
        until: new Date(untilMs).toISOString(),
        late,
        duplicate,
        malformed,
        ledger: ledgerPath,
      }).flatMap(([name, value]) => [`--${name}`, String(value)])
      await lakeCommand('produce', ...words)
    },
    land: async () => ({ commits: Number((await lakeCommand('land', '--drain'))['commits']) }),
    realtime: async () => ({ batches: Number((await lakeCommand('realtime', '--drain'))['batches']) }),
    batch: async () => String((await lakeCommand('batch'))['state']),
    embeddedParts: () => embeddedIn(home),
    [Symbol.asyncDispose]: async () => {
      await platform[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
      await rm(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
