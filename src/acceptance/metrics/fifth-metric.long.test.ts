/**
 * A metric is one file: in a copy of the project a fifth one is added, and found in Delta, in ClickHouse's gold and
 * serving, in the REST API, and with its types in a notebook's code.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddedEnvironment } from '../../pipeline/platform/environment.fixture.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..', '..')

const metric = `
import { goldMetric } from '../metric.ts'
import { eventDate } from '../metric-column.ts'

export const loginsPerSourceDaily = goldMetric({
  name: 'logins_per_source_daily',
  description: 'Logins of the UTC day from each source.',
  task: 'silver_to_gold_logins_source',
  position: 5,
  columns: {
    event_date: eventDate,
    source: { type: 'string', description: '\`web\` or \`mobile\`' },
    login_count: { type: 'long', description: 'Logins' },
  },
  grain: ['event_date', 'source'],
  sql: "SELECT event_date, source, COUNT(*) AS login_count FROM silver_events WHERE event_type = 'login' GROUP BY event_date, source",
  checks: [{ kind: 'between', column: 'login_count', min: 1 }],
  panels: [],
})
`

const cell = `
import { openLake } from '../src/notebook/index.ts'

const lake = await openLake()
const [row] = await lake.table('gold/logins_per_source_daily').rows()
const logins: number | undefined = row?.login_count
// @ts-expect-error a count is a number
const wrong: string | undefined = row?.login_count
void [logins, wrong]
`

let folder = ''
let console_: ChildProcess | undefined

/** A command of the copy, with its JSON. */
async function lake(...words: readonly string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...words, '--json'], {
    cwd: folder,
    env: embeddedEnvironment(join(folder, '.lake')),
    maxBuffer: 2 ** 26,
  })
  return JSON.parse(stdout)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-fifth-metric-'))
  for (const name of ['src', 'scripts', 'docs', 'dashboards', 'deploy', 'package.json', 'tsconfig.json']) {
    await cp(join(root, name), join(folder, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'src/pipeline/model/metrics/logins-per-source-daily.ts'), metric)
  await run(process.execPath, ['--import', 'tsx', 'scripts/generate.ts'], { cwd: folder })
  await lake('produce', '--count', '3000', '--history-days', '2', '--seed', '5')
  await lake('land', '--drain')
  await lake('batch')
}, 300_000)

afterAll(async () => {
  console_?.kill('SIGTERM')
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

describe('a fifth metric, added as one file', () => {
  const counted = 'select sum(login_count)::bigint as n, count(*) as days from gold.logins_per_source_daily'

  it('is in Delta, with the logins of silver', async () => {
    const expected =
      "select count(*) as n, count(distinct (event_date, source)) as days from silver.events where event_type = 'login'"

    expect(await lake('sql', counted)).toEqual(await lake('sql', expected))
  })

  it('is in ClickHouse, in gold and in serving', async () => {
    const sums = ['gold', 'serving'].map((schema) =>
      lake(
        'sql',
        '--engine',
        'clickhouse',
        `select toInt64(sum(login_count)) as n, count() as days from ${schema}.logins_per_source_daily`,
      ),
    )

    for (const sum of await Promise.all(sums)) expect(sum).toEqual(await lake('sql', counted))
  })

  it('is in the REST API, with its columns and rows', async () => {
    const words = ['--import', 'tsx', 'src/cli/main.ts', 'console', '--port', '0', '--json']
    console_ = spawn(process.execPath, words, {
      cwd: folder,
      env: embeddedEnvironment(join(folder, '.lake')),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (console_.stdout === null) throw new Error('The console says nothing')
    const said: unknown[] = []
    for await (const line of createInterface({ input: console_.stdout })) {
      said.push(line)
      break
    }
    const { url } = JSON.parse(said.join('')) as { readonly url: string }

    const answer = (await (await fetch(`${url}/api/metrics/logins_per_source_daily`)).json()) as object

    expect(answer).toMatchObject({
      name: 'logins_per_source_daily',
      columns: [{ name: 'event_date' }, { name: 'source' }, { name: 'login_count', type: 'long' }],
      rows: expect.arrayContaining([
        expect.objectContaining({ source: 'web', provisional: expect.any(Boolean) }),
      ]),
    })
  })

  it('has its types in the code of a notebook', async () => {
    await writeFile(join(folder, 'scripts/cell.ts'), cell)
    await writeFile(
      join(folder, 'tsconfig.cell.json'),
      JSON.stringify({ extends: './tsconfig.json', include: ['scripts/cell.ts'] }),
    )
    const tsc = join(folder, 'node_modules/typescript/bin/tsc')

    await expect(
      run(process.execPath, [tsc, '-p', 'tsconfig.cell.json'], { cwd: folder }),
    ).resolves.toMatchObject({ stdout: '' })
  })

  it('is in the reference of tables', async () => {
    const { stdout } = await run('grep', ['-c', 'logins_per_source_daily', 'docs/tables.md'], { cwd: folder })

    expect(Number(stdout)).toBeGreaterThan(2)
  })
})
