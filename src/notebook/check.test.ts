import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeStagedVersion } from '../lib/delta/index.ts'
import type { Expectation } from '../lib/quality/expectation.ts'
import { type LakeTable, lakeTables } from '../pipeline/model/tables.ts'
import { openPlatform, type Platform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'
import { readShownTables, stagedSnapshots } from '../pipeline/query/staged-tables.ts'
import type { Checkable, Lake } from './lake.ts'
import { createLake } from './platform-lake.ts'

let home: string
let platform: Platform
let lake: Lake

async function write(name: LakeTable, select: string): Promise<void> {
  const table = await platform.table(name)
  await table.createIfMissing(lakeTables[name])
  const snapshot = await table.snapshot()
  const duckdb = await platform.duckdb()
  const staged = await duckdb.use((session) => table.stage(session, snapshot, select))
  await table.commit(snapshot, { add: staged.files, reads: { kind: 'none' }, operation: { name: 'WRITE' } })
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-cell-checks-'))
  platform = openPlatform(readConfig({ LAKE_HOME: home }))
  lake = createLake(platform)
  const days =
    "(values (date '2026-01-01', 'web', 3), (date '2026-01-02', 'web', 0)) t(event_date, source, event_count)"
  await write('gold/events_per_source_daily', `from ${days}`)
})
afterAll(async () => {
  await lake.close()
  await rm(home, { recursive: true, force: true })
})

const positive: Expectation = { kind: 'between', column: 'n', min: 1 }
const rows = [
  { name: 'a', n: 2 },
  { name: 'b', n: 3 },
]
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.fail('it holds'),
    (error: unknown) => error,
  )

const badRows: readonly [string, Checkable][] = [
  ['rows', [...rows, { name: 'c', n: 0 }]],
  [
    'a frame',
    {
      columns: ['name', 'n'],
      values: [
        ['a', 2],
        ['b', 3],
        ['c', 0],
      ],
    },
  ],
  ['a query', "select * from (values ('a', 2), ('b', 3), ('c', 0)) t(name, n) -- three"],
]

describe('lake.check(of, expectations)', () => {
  it('gives each result if all of them hold', async () => {
    const results = await lake.check(rows, [positive, { kind: 'unique', columns: ['name'] }])

    expect(results).toEqual([
      { expectation: 'n is between 1 and any', outcome: 'holds', rows: 2, violations: 0, sample: [] },
      { expectation: 'name is unique', outcome: 'holds', rows: 2, violations: 0, sample: [] },
    ])
  })

  it.each(badRows)('lets the cell fail where %s break one, and shows a row', async (_, of) => {
    const error = await failureOf(lake.check(of, [positive, { kind: 'notNull', column: 'name' }]))

    expect(inspect(error).split('\n')).toEqual([
      'CHECK_FAILED: expected n is between 1 and any, 1 row breaks it, such as name c, n 0',
      '  in lake.check',
      expect.stringMatching(/^ {2}→ .*error\.details\.failed/),
    ])
    expect(error).toMatchObject({ details: { failed: [{ violations: 1, sample: [{ name: 'c', n: 0 }] }] } })
  })

  it('asks a table of the platform day by day, by default what is declared for it', async () => {
    const error = await failureOf(lake.check('gold.events_per_source_daily'))

    expect(inspect(error)).toContain(
      '2026-01-02: expected event_count is between 1 and any, 1 row breaks it, such as event_date 2026-01-02, source web, event_count 0',
    )
    expect(
      await lake.check('gold/events_per_source_daily', [{ kind: 'notNull', column: 'source' }]),
    ).toMatchObject([
      { group: '2026-01-01', outcome: 'holds', rows: 1 },
      { group: '2026-01-02', outcome: 'holds', rows: 1 },
    ])
  })

  it('compares with the tables of the lake, and asks queries of the rows', async () => {
    const known: Expectation = {
      kind: 'references',
      columns: ['source'],
      relation: 'gold_events_per_source_daily',
    }
    const few: Expectation = {
      kind: 'query',
      name: 'few',
      sql: 'select count(*) as n from checked having n > 1',
    }

    expect(await lake.check([{ source: 'web' }], [known, few])).toMatchObject([
      { outcome: 'holds' },
      { outcome: 'holds' },
    ])
    expect(inspect(await failureOf(lake.check([{ source: 'web' }, { source: 'tv' }], [known, few])))).toMatch(
      /expected source is in gold_events_per_source_daily, 1 row breaks it, such as source tv; expected few, 1 row breaks it, such as n 2/,
    )
  })

  it('does not let the cell fail for what could not be decided, and says so', async () => {
    expect(await lake.check(rows, [{ kind: 'drift', within: 0.1 }])).toMatchObject([
      { outcome: 'unknown', problem: 'its rows are not grouped by day' },
    ])
  })

  it.each<[string, Checkable, readonly Expectation[] | undefined, RegExp]>([
    ['nothing is expected', rows, undefined, /USAGE: lake\.check: expected at least one expectation/],
    ['there is no row', [], [positive], /USAGE: expected at least one row/],
    ['a column is not there', rows, [{ kind: 'notNull', column: 'm' }], /SQL_INVALID: .*"m" not found/],
    ['the query names no table', 'from gold.nothing', [positive], /SQL_INVALID: .*nothing does not exist/],
  ])('says what is wrong where %s', async (_, of, expectations, words) => {
    expect(inspect(await failureOf(lake.check(of, expectations)))).toMatch(words)
  })
})

describe('in a gate', () => {
  const name = 'gold/events_per_source_daily'
  const sql = 'select * from gold.events_per_source_daily order by event_date'
  /** What a batch has staged in place of both days: nothing of it is committed. */
  const staged = [
    { event_date: '2026-01-02', source: 'mobile', event_count: 5 },
    { event_date: '2026-01-03', source: 'web', event_count: 7 },
  ]
  let gate: Lake
  beforeAll(async () => {
    const table = await platform.table(name)
    const snapshot = await table.snapshot()
    const duckdb = await platform.duckdb()
    const values = staged.map((row) => `(date '${row.event_date}', '${row.source}', ${row.event_count})`)
    const select = `from (values ${values.join(', ')}) t(event_date, source, event_count)`
    const { files } = await duckdb.use((session) => table.stage(session, snapshot, select))
    const path = join(home, 'staged-tables.json')
    const days = ['2026-01-02', '2026-01-03']
    const shown = { run: 7, task: 'silver_to_gold_events_source', gate: 'team/quality' }
    const version = encodeStagedVersion(snapshot, files)
    await writeFile(path, JSON.stringify({ ...shown, tables: { [name]: { days, version } }, madeFrom: {} }))
    const read = await readShownTables(path)
    gate = createLake({
      ...platform,
      staged: async () => read,
      overlay: () => stagedSnapshots(platform, read),
    })
  })

  it('all ways to read the table show what is staged, and its versions what was committed', async () => {
    const table = gate.table(name)

    expect(await gate.staged()).toEqual({
      run: 7,
      task: 'silver_to_gold_events_source',
      days: { [name]: ['2026-01-02', '2026-01-03'] },
    })
    expect(await table.rows({ orderBy: 'event_date' })).toEqual(staged)
    expect(await gate.sql(sql)).toEqual(staged)
    const newest = (await table.history())[0]?.version ?? -1
    expect(await table.at(newest).rows({ columns: ['event_count'], orderBy: 'event_count' })).toEqual([
      { event_count: 0 },
      { event_count: 3 },
    ])
    expect(await table.diff(newest)).toMatchObject({ added: 2, removed: 2 })
  })

  it('another process sees nothing of it', async () => {
    expect(await lake.staged()).toBeNull()
    expect(await lake.sql(sql)).not.toEqual(staged)
  })

  it('no task can be tried: it would not read what is staged', async () => {
    await expect(gate.stage('silver_to_gold_events_source')).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('a gate judges what is staged'),
    })
  })

  it('what is asked is kept with the run of the batch, also what breaks', async () => {
    const atLeast = (min: number): Expectation => ({ kind: 'between', column: 'event_count', min })

    await gate.table(name).check([atLeast(5)])
    await expect(gate.check(name, [atLeast(6)])).rejects.toMatchObject({ code: 'CHECK_FAILED' })
    await lake.check(rows, [positive])

    const { checks } = await platform.runs()
    const kept = await checks.list()
    expect(
      kept.map(({ table, check, date, state, runId }) => [table, check, date, state, runId]).sort(),
    ).toEqual([
      [name, 'gate team/quality: event_count is between 5 and any', '2026-01-02', 'passed', 7],
      [name, 'gate team/quality: event_count is between 5 and any', '2026-01-03', 'passed', 7],
      [name, 'gate team/quality: event_count is between 6 and any', '2026-01-02', 'failed', 7],
      [name, 'gate team/quality: event_count is between 6 and any', '2026-01-03', 'passed', 7],
    ])
    expect(kept.find(({ state }) => state === 'failed')?.content).toMatchObject({ rows: 1, violations: 1 })
  })
})
