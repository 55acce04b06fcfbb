/** Rows that break a check: seen by no reader of Delta, ClickHouse or the API, and shown by the command that the error names. */
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type CliHome, openCliHome } from '../cli/cli.fixture.ts'
import { createConsole } from '../console/console.ts'
import { unaudited } from '../console/readings/books.ts'
import { openPlatform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'

let home: CliHome
beforeAll(async () => {
  home = await openCliHome()
  const history = ['--seed', '5', '--count', '300', '--history-days', '2', '--until', '2026-11-22']
  const rates = ['--malformed', '0', '--duplicate', '0', '--late', '0']
  for (const command of [['produce', ...history, ...rates], ['land', '--drain'], ['batch']]) {
    expect(await home.lake(...command)).toMatchObject({ exitCode: 0 })
  }
})
afterAll(() => home[Symbol.asyncDispose]())

async function answer(...argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await home.lake(...argv)
  expect(exitCode, stderr).toBe(0)
  return stdout
}

/** What the API says of a metric. */
async function inApi(metric: string): Promise<string> {
  await using platform = openPlatform(readConfig({ LAKE_HOME: home.path }))
  const { runs } = await platform.runs()
  const app = createConsole(
    {
      clickhouse: await platform.clickhouse(),
      tables: async () => [],
      runs,
      books: async () => unaudited,
      hintOf: () => '',
    },
    { host: '127.0.0.1', port: 8080 },
  )
  const headers = { host: 'localhost:8080' }
  const { body, statusCode } = await app.inject({ method: 'GET', url: `/api/metrics/${metric}`, headers })
  await app.close()
  expect(statusCode).toBe(200)
  return body
}

async function fileOf(rows: string): Promise<string> {
  const path = join(home.path, 'rows.ndjson')
  await writeFile(path, rows)
  return path
}

/** Of each reader a digest: whole tables would drown what is different. */
async function seen(): Promise<Readonly<Record<string, string>>> {
  const serving = 'select * from serving.daily_active_users'
  const answers = {
    'silver by SQL': await answer('sql', 'select * from silver.events', '--json'),
    'gold by SQL': await answer('sql', 'select * from gold.daily_active_users', '--json'),
    'silver in Delta': await answer('table', 'read', 'silver/events', '--json'),
    ClickHouse: await answer('sql', '--engine', 'clickhouse', serving, '--json'),
    'the API': await inApi('daily_active_users'),
  }
  return Object.fromEntries(Object.entries(answers).map(([name, rows]) => [name, digestOf(rows)]))
}

const digestOf = (rows: string): string =>
  createHash('sha256').update(rows.split('\n').toSorted().join('\n')).digest('hex')

const runShown = z.object({
  candidates: z.array(
    z.object({
      run: z.number(),
      table: z.string(),
      rows: z.number(),
      vacuumedAt: z.string().nullable(),
      checks: z.array(z.object({ check: z.string(), date: z.string(), violations: z.number() })),
    }),
  ),
})

describe('a run whose rows break a check', () => {
  it('is red, and the command that it names shows what nobody else sees, until vacuum', async () => {
    const good = await seen()
    const where = "event_date = '2026-11-21'"
    const set = '"timestamp" = "timestamp" - interval 1 day'
    await answer('table', 'update', 'bronze/events', '--set', set, '--where', where, '--force')

    const failed = await home.lake('batch')

    expect(failed.exitCode).toBe(1)
    const command = /`lake (table read silver\/events --candidate 2)` shows/.exec(failed.stderr)?.[1] ?? ''
    expect(await seen()).toEqual(good)
    const refused = await answer(...command.split(' '), '--json')
    const bronze = await answer('table', 'read', 'bronze/events', '--where', where, '--json')
    expect(digestOf(refused)).toBe(digestOf(bronze))
    expect((await home.lake(...command.split(' '), '--limit', '2')).stderr).toContain('refused by run 2')

    const { candidates } = runShown.parse(JSON.parse(await answer('runs', 'show', '2', '--json')))
    const rows = refused.trim().split('\n').length
    expect(candidates).toEqual([
      {
        run: 2,
        table: 'silver/events',
        rows,
        vacuumedAt: null,
        checks: [{ check: 'event_date is the UTC day of timestamp', date: '2026-11-21', violations: rows }],
      },
    ])
    for (const told of [
      await answer('runs', 'show', '2'),
      (await home.lake('check', 'silver/events')).stdout,
    ]) {
      expect(told).toContain(`\`lake ${command}\``)
    }
    const other = await home.lake('table', 'read', 'silver/events', '--candidate', '99')
    expect(other).toMatchObject({ exitCode: 1 })
    expect(other.stderr).toContain('Runs with a candidate of silver/events: 2.')

    await answer('table', 'vacuum', 'silver/events', '--retain-hours', '0', '--force')
    const gone = await home.lake(...command.split(' '))

    expect(gone.exitCode).toBe(1)
    expect(gone.stderr).toMatch(
      /Candidate of run 2 for silver\/events: vacuum has removed its files at 20\d\d-/,
    )
    expect(await answer('runs', 'show', '2')).toContain('vacuum has removed them at')
    expect(await answer('check', 'silver/events')).not.toContain('--candidate')
    expect(await seen()).toEqual(good)
  })

  it.each([
    [['silver/events', '--candidate', '2', '--version', '1'], '--candidate is in no version'],
    [['silver/events', '--candidate', '2', '--changes', '0..1'], '--candidate is in no version'],
    [['silver/events', '--candidate', '0'], 'Expected a whole number of 1 or more'],
  ])('is not read by %j', async (argv, words) => {
    const { exitCode, stderr } = await home.lake('table', 'read', ...argv)

    expect(stderr).toContain(words)
    expect(exitCode).toBe(2)
  })

  it('has no candidate of a table that no batch makes', async () => {
    await answer('table', 'append', 'people', '--from', await fileOf('{"name": "a"}'))

    const { exitCode, stderr } = await home.lake('table', 'read', 'people', '--candidate', '2')

    expect(stderr).toContain('expected a table that the batch makes')
    expect(exitCode).toBe(2)
  })
})
