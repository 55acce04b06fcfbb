/**
 * For tests: the embedded server as JavaScript, which starts in half the time, and one server that all test files of a
 * worker share.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildModules } from '../base/built.fixture.ts'
import { atProcessEnd } from '../base/process-end.fixture.ts'
import { type Home, temporaryHome } from './home.fixture.ts'

type Embedded = Pick<typeof import('./embedded.ts'), 'openEmbeddedClickHouse'>
type Launch = typeof import('./launch.ts')

interface BuiltServer extends Embedded, Launch {
  /** The URL of a built module of this folder. */
  moduleOf(name: string): string
}

/** The modules of this folder that start a server, built: what they start is built too. */
export async function builtServer(): Promise<BuiltServer> {
  const modules = await buildModules(
    ['embedded.ts', 'launch.ts', 'server.main.ts'].map((name) => `lib/clickhouse-server/${name}`),
  )
  const moduleOf = (name: string): string =>
    pathToFileURL(modules.fileOf(`lib/clickhouse-server/${name}`)).href
  const embedded: Embedded = await import(moduleOf('embedded.ts'))
  const launch: Launch = await import(moduleOf('launch.ts'))
  return { ...embedded, ...launch, moduleOf }
}

/** Longer than any file works without a server. */
const idleMs = 300_000

let shared: Promise<Home> | undefined

/**
 * The home of the worker's server, which runs, and has no tables, databases and functions of its users. It outlives
 * the file: a test that kills the server, or changes its folders, needs a home of its own.
 */
export async function sharedHome(): Promise<Home> {
  shared ??= temporaryHome().then((home) => {
    atProcessEnd(() => removeNow(home.path))
    return home
  })
  const home = await shared
  const { findOrStart } = await builtServer()
  await findOrStart(home.path, { deadlineMs: 60_000, idleMs })
  await empty(home)
  return { ...home, [Symbol.asyncDispose]: async () => undefined }
}

async function empty(home: Home): Promise<void> {
  const run = async (sql: string): Promise<readonly string[]> => {
    const answer = await home.ask('/', { method: 'POST', body: sql })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${sql}: ${text}`)
    return text.split('\n').filter((line) => line !== '')
  }
  const statements = await run(`
    SELECT concat('DROP DATABASE \`', name, '\` SYNC') FROM system.databases
    WHERE name NOT IN ('default', 'system', 'information_schema', 'INFORMATION_SCHEMA')
    UNION ALL SELECT concat('DROP TABLE default.\`', name, '\` SYNC') FROM system.tables WHERE database = 'default'
    UNION ALL SELECT concat('DROP FUNCTION \`', name, '\`') FROM system.functions WHERE origin = 'SQLUserDefined'
    FORMAT TSVRaw`)
  for (const statement of statements) await run(statement)
}

function removeNow(path: string): void {
  try {
    process.kill(Number(JSON.parse(readFileSync(join(path, 'clickhouse.json'), 'utf8'))['pid']), 'SIGKILL')
  } catch {
    // It never started, or has ended.
  }
  rmSync(path, { recursive: true, force: true, maxRetries: 5 })
}
