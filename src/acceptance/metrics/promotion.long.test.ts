/** From a cell to production and back, in a clone of the project: the same numbers everywhere, and then no trace. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { embeddedEnvironment } from '../../pipeline/platform/environment.fixture.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..', '..')
const [lesson, metric] = ['08-prototype-a-metric', 'logins_per_source_daily']

let folder = ''
let console_: ChildProcess | undefined
const environment = () => embeddedEnvironment(join(folder, '.lake'))

async function said(...words: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...words, '--json'], {
    cwd: folder,
    env: environment(),
    maxBuffer: 2 ** 26,
  })
  return stdout
}

const lake = async (...words: readonly string[]): Promise<unknown> => JSON.parse(await said(...words))

/** Rows, a line each. */
async function sql(...words: readonly string[]): Promise<readonly unknown[]> {
  const lines = (await said('sql', ...words)).trim().split('\n')
  return lines.map((line) => JSON.parse(line) as unknown)
}

async function git(...words: readonly string[]): Promise<string> {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.org']
  const { stdout } = await run('git', [...identity, ...words], { cwd: folder, maxBuffer: 2 ** 26 })
  return stdout
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-promotion-test-'))
  for (const name of [
    'src',
    'scripts',
    'docs',
    'dashboards',
    'deploy',
    'examples',
    'notebooks',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'vitest.config.ts',
    'biome.json',
    '.gitignore',
  ])
    await cp(join(root, name), join(folder, name), {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await git('init', '--quiet')
  await git('add', '--all', '--', ':!node_modules')
  await git('commit', '--quiet', '--message', 'as it is')
  await lake('produce', '--count', '3000', '--history-days', '2', '--seed', '5')
  await lake('land', '--drain')
  await lake('batch')
}, 300_000)

afterAll(async () => {
  console_?.kill('SIGTERM')
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

const changedFiles = async (): Promise<readonly string[]> =>
  (await git('status', '--porcelain', '--', ':!node_modules')).split('\n').filter((line) => line !== '')

it('takes the metric of the lesson to production and back', { timeout: 900_000 }, async () => {
  const dryRun = await lake('notebook', 'promote', lesson, '--metric', metric, '--dry-run')
  expect(dryRun).toMatchObject({
    metric,
    isDryRun: true,
    diff: expect.stringContaining(`+  name: '${metric}'`),
  })
  expect(await changedFiles()).toEqual([])

  const promoted = await lake('notebook', 'promote', lesson, '--metric', metric)

  expect(promoted).toMatchObject({ isStaged: true, proof: { differences: [] } })
  expect((await changedFiles()).every((line) => /^[AM] {2}/.test(line))).toBe(true)
  expect(await changedFiles()).toContain('A  src/pipeline/model/metrics/logins-per-source-daily.ts')
  const columns = 'event_date::varchar as day, source, login_count::integer as logins'
  const expected = await sql(
    "select event_date::varchar as day, source, count(*)::integer as logins from silver.events where event_type = 'login' group by all order by all",
  )
  expect(await sql(`select ${columns} from gold.${metric} order by all`)).toEqual(expected)
  expect(
    await sql(
      '--engine',
      'clickhouse',
      `select toString(event_date) as day, source, toInt32(login_count) as logins from serving.${metric} order by day, source`,
    ),
  ).toEqual(expected)
  expect(await figuresOfPanel('logins')).toEqual(sumByDay(expected))
  expect(await lake('batch')).toMatchObject({ state: 'unchanged' })

  await lake('notebook', 'demote', metric)

  expect(await changedFiles()).toEqual([])
  expect(await lake('batch')).toMatchObject({ state: expect.stringMatching(/succeeded|unchanged/) })
  expect(await lake('ledger')).toMatchObject({ balanced: true })
})

/** What the API of the console answers with for a panel: day → figure. */
async function figuresOfPanel(id: string): Promise<Readonly<Record<string, number>>> {
  const words = ['--import', 'tsx', 'src/cli/main.ts', 'console', '--port', '0', '--json']
  console_ = spawn(process.execPath, words, {
    cwd: folder,
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (console_.stdout === null) throw new Error('The console says nothing')
  let first = ''
  for await (const line of createInterface({ input: console_.stdout })) {
    first = line
    break
  }
  const { url } = JSON.parse(first) as { readonly url: string }
  const answer = (await (await fetch(`${url}/api/panels/${id}`)).json()) as {
    readonly figures: { readonly days: readonly { readonly day: string; readonly value: number }[] }
  }
  console_.kill('SIGTERM')
  return Object.fromEntries(answer.figures.days.map(({ day, value }) => [day, value]))
}

function sumByDay(rows: readonly unknown[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const { day, logins } of rows as readonly { readonly day: string; readonly logins: number }[])
    sums[day] = (sums[day] ?? 0) + logins
  return sums
}
