/** What every engine promises: the same SELECT over the same files gives the same rows, staged so that nobody sees them. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type AppendOptions,
  append as appendFrom,
  DeltaTable,
  deleteRows as deleteFrom,
  field,
  type StagedFiles,
  structOf,
} from '../delta/index.ts'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import type { Row } from '../duckdb/values.ts'
import { openLocalStore } from '../storage/store.local.ts'
import type { Compute, ComputeRequest } from './compute.ts'
import { expressions, randomRows } from './expressions.fixture.ts'

/** Columns of many types. */
const measured = structOf(
  field('day', 'date'),
  field('id', 'long'),
  field('name', 'string'),
  field('at', 'timestamp'),
  field('price', 'decimal(12,2)'),
  field('score', 'double'),
  field('is_new', 'boolean'),
)

const perDay = structOf(field('day', 'date'), field('n', 'long'), field('most', 'double'))

export function describeCompute(open: (duckdb: DuckDb) => Promise<Compute>): void {
  let duckdb: DuckDb
  let engine: Compute
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
    engine = await open(duckdb)
  })
  afterAll(async () => {
    await engine[Symbol.asyncDispose]?.()
    duckdb[Symbol.dispose]()
  })

  let root = ''
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'lake-compute-'))
    return () => rm(root, { recursive: true, force: true })
  })

  async function tableOf(
    name: string,
    schema: ReturnType<typeof structOf>,
    partitionBy: readonly string[] = [],
    properties: Readonly<Record<string, string>> = {},
  ): Promise<DeltaTable> {
    const table = new DeltaTable({ store: openLocalStore(join(root, name)), duckdb })
    await table.createIfMissing({ schema, partitionBy, properties })
    return table
  }

  const append = (table: DeltaTable, select: string, options: AppendOptions = {}): Promise<unknown> =>
    duckdb.use((session) => appendFrom(table, { session, select }, options))
  const deleteRows = (table: DeltaTable, where: string): Promise<unknown> =>
    duckdb.use((session) => deleteFrom(table, session, { where }))

  /** Three days of rows in a table by day, a file for each. */
  async function days(properties?: Readonly<Record<string, string>>): Promise<DeltaTable> {
    const table = await tableOf(
      'days',
      structOf(field('day', 'date'), field('id', 'long')),
      ['day'],
      properties,
    )
    for (const day of ['2026-11-20', '2026-11-21', '2026-11-22']) {
      await append(table, `select date '${day}' as day, i as id from range(10) t(i)`)
    }
    return table
  }

  async function rowsOf(table: DeltaTable, { files }: Pick<StagedFiles, 'files'>): Promise<readonly Row[]> {
    return duckdb.use(async (session) => {
      const scan = await table.scan(session, await table.snapshot(), { files })
      return await session.rows(`from (${scan}) order by all`)
    })
  }

  async function filesBelow(table: DeltaTable): Promise<readonly string[]> {
    const names = await readdir(table.uri, { recursive: true })
    return names.filter((name) => !name.startsWith('_delta_log') && /\.(parquet|crc)$|_SUCCESS$/.test(name))
  }

  async function stage(
    request: Omit<ComputeRequest, 'targetSnapshot'>,
    options?: { readonly signal: AbortSignal },
  ): Promise<StagedFiles> {
    return engine.stage({ ...request, targetSnapshot: await request.target.snapshot() }, options)
  }

  it('says its version', async () => {
    expect(await engine.version()).toMatch(/\d+\.\d+/)
  })

  describe('stage(request, options)', () => {
    it('reads the files of the request and no others, of the version that it names', async () => {
      const table = await days()
      const snapshot = await table.snapshot()
      await deleteRows(table, 'id < 5')
      await append(table, `select date '2026-11-20' as day, 99 as id`)
      const target = await tableOf('target', perDay)
      const files = snapshot.files.filter(({ partitionValues }) => partitionValues['day'] !== '2026-11-22')

      const staged = await stage({
        inputs: [{ name: 'days', table, snapshot, files }],
        select: 'select day, count(*) as n, cast(max(id) as double) as most from days group by day',
        target,
      })

      expect(await rowsOf(target, staged)).toEqual([
        { day: '2026-11-20', n: 10n, most: 9 },
        { day: '2026-11-21', n: 10n, most: 9 },
      ])
      expect((await target.snapshot()).files).toEqual([])
      expect(staged.rows).toBe(2)
    })

    it.each([
      ['deletion vectors', { 'delta.enableDeletionVectors': 'true' }],
      ['mapped columns', { 'delta.columnMapping.mode': 'name' }],
    ])('reads a table with %s without its deleted rows, and by the names that people know', async (_, properties) => {
      const table = await days(properties)
      await deleteRows(table, "id < 5 and day >= date '2026-11-21'")
      const snapshot = await table.snapshot()
      const target = await tableOf('target', perDay)
      const dayIn = snapshot.partitionValue('day')
      const files = snapshot.files.filter((file) => dayIn(file) !== '2026-11-22')

      const [all, some] = await Promise.all(
        [undefined, files].map((of) =>
          stage({
            inputs: [{ name: 'days', table, snapshot, ...(of && { files: of }) }],
            select: 'select day, count(*) as n, cast(min(id) as double) as most from days group by day',
            target,
          }),
        ),
      )

      const expected = [
        { day: '2026-11-20', n: 10n, most: 0 },
        { day: '2026-11-21', n: 5n, most: 5 },
        { day: '2026-11-22', n: 5n, most: 5 },
      ]
      expect(all && (await rowsOf(target, all))).toEqual(expected)
      expect(some && (await rowsOf(target, some))).toEqual(expected.slice(0, 2))
    })

    it('gives rows the partition values of the log, null among them, and null for columns that a file lacks', async () => {
      const table = await tableOf('odd', structOf(field('place', 'string'), field('id', 'long')), ['place'])
      await append(table, String.raw`select unnest(['it''s', 'a\b', null, 'x=y/z']) as place, 1 as id`)
      await append(table, `select 'new' as place, 2 as id, 'more' as note`, { mergeSchema: true })
      const target = await tableOf(
        'target',
        structOf(field('place', 'string'), field('id', 'long'), field('note', 'string')),
      )

      const staged = await stage({
        inputs: [{ name: 'odd', table, snapshot: await table.snapshot() }],
        select: 'select place, id, note from odd',
        target,
      })

      expect(await rowsOf(target, staged)).toEqual([
        { place: String.raw`a\b`, id: 1n, note: null },
        { place: "it's", id: 1n, note: null },
        { place: 'new', id: 2n, note: 'more' },
        { place: 'x=y/z', id: 1n, note: null },
        { place: null, id: 1n, note: null },
      ])
    })

    it('writes a file for each partition, with the statistics that DuckDB keeps of the same rows', async () => {
      const source = await tableOf('source', measured)
      await append(
        source,
        `select date '2026-11-20' + (i % 2)::integer as day, i as id,
            case when i % 7 = 0 then null else repeat('é', (i % 30)::integer) end as name,
            timestamptz '2026-11-20 10:00:00.000001+00' + to_seconds(i) as at,
            (i * 1.25)::decimal(12,2) as price,
            case when i = 11 then 'NaN'::double else i / 4 end as score, i % 3 = 0 as is_new
          from range(100) t(i)`,
      )
      const target = await tableOf('target', (await source.snapshot()).schema, ['day'])
      const request = {
        inputs: [{ name: 'source', table: source, snapshot: await source.snapshot() }],
        target,
      }

      const staged = await stage({ ...request, select: 'select * from source', orderBy: ['day', 'id'] })
      const ours = await duckdb.use(async (session) => {
        const scan = await source.scan(session, await source.snapshot())
        return await target.stage(
          session,
          await target.snapshot(),
          `select * from (${scan}) order by day, id`,
        )
      })

      const said = ({ files }: StagedFiles): readonly unknown[] =>
        files
          .map(({ partitionValues, stats = '' }) => ({
            partitionValues,
            stats: JSON.parse(stats) as unknown,
          }))
          .toSorted((a, b) =>
            String(a.partitionValues['day']).localeCompare(String(b.partitionValues['day'])),
          )
      expect(said(staged)).toEqual(said(ours))
      expect(staged.files.every(({ tags }) => tags?.['lakeshoreCrc32'] !== undefined)).toBe(true)
      expect(await rowsOf(target, staged)).toEqual(await rowsOf(target, ours))
    })

    it('computes parts by themselves, and writes further rows along, matched by name', async () => {
      const table = await days()
      const snapshot = await table.snapshot()
      const target = await tableOf('target', perDay)
      const parts = snapshot.files.map((file) => [{ name: 'days', table, snapshot, files: [file] }])

      const staged = await stage({
        inputs: [],
        inParts: { name: 'made', select: 'select day, count(*) as n from days group by day', parts },
        select: 'select * from made',
        further: "select 7 as n, date '2026-01-01' as day",
        orderBy: ['day'],
        target,
      })

      expect(await rowsOf(target, staged)).toEqual([
        { day: '2026-01-01', n: 7n, most: null },
        ...['2026-11-20', '2026-11-21', '2026-11-22'].map((day) => ({ day, n: 10n, most: null })),
      ])
    })

    it('stages nothing where the SELECT has no rows, or there are no files', async () => {
      const table = await days()
      const snapshot = await table.snapshot()
      const target = await tableOf('target', perDay)
      const select = 'select day, count(*) as n from days where id > 99 group by day'
      for (const files of [snapshot.files, []]) {
        const staged = await stage({ inputs: [{ name: 'days', table, snapshot, files }], select, target })
        expect(staged).toEqual({ files: [], rows: 0, sizeBytes: 0 })
      }
      expect(await filesBelow(target)).toEqual([])
    })

    it.each([
      ['SQL_INVALID', 'select day, count(*) as n from nowhere group by day'],
      ['SQL_INVALID', 'select day, no_such_function(id) as n from days'],
      ['SQL_INVALID', 'selec day from days'],
      ['SQL_INVALID', "select day, cast('x' as bigint) as n from days"],
      ['SCHEMA_MISMATCH', 'select day, id as count from days'],
      ['S', "select day, split('a,b', ',') as n from days"],
    ])('fails with %s… for %s, and leaves no file', async (code, select) => {
      const table = await days()
      const target = await tableOf('target', perDay)
      const inputs = [{ name: 'days', table, snapshot: await table.snapshot() }]

      await expect(stage({ inputs, select, target })).rejects.toMatchObject({
        code: expect.stringMatching(`^${code}`),
      })

      expect(await filesBelow(target)).toEqual([])
    })

    it('refuses rows that the target does not allow, and leaves no file', async () => {
      const table = await days()
      const schema = structOf(field('day', 'date', { nullable: false }), field('n', 'long'))
      const target = await tableOf('target', schema, [], {
        'delta.constraints.few': 'n < 9',
      })
      const inputs = [{ name: 'days', table, snapshot: await table.snapshot() }]

      await expect(stage({ inputs, select: 'select day, id as n from days', target })).rejects.toMatchObject({
        code: 'CONSTRAINT_VIOLATED',
      })
      await expect(
        stage({ inputs, select: 'select cast(null as date) as day, 1 as n from days', target }),
      ).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED' })

      expect(await filesBelow(target)).toEqual([])
      expect(
        (await stage({ inputs, select: 'select day, id as n from days where id < 9', target })).rows,
      ).toBe(27)
    })

    it('ends at once if it is aborted, and leaves no file', async () => {
      const table = await days()
      await append(table, `select date '2026-11-23' as day, i as id from range(5000000) t(i)`)
      const target = await tableOf('target', perDay)
      const aborting = new AbortController()
      const reason = new Error('enough')
      // Minutes of work.
      let text = 'cast(id as string)'
      for (let times = 0; times < 60; times++) text = `md5(${text})`
      const select = `select day, length(${text}) as n from days`
      const startMs = performance.now()

      setTimeout(() => aborting.abort(reason), 500)
      const inputs = [{ name: 'days', table, snapshot: await table.snapshot() }]
      await expect(stage({ inputs, select, target }, { signal: aborting.signal })).rejects.toBe(reason)

      expect(performance.now() - startMs).toBeLessThan(30_000)
      expect(await filesBelow(target)).toEqual([])
    })
  })

  describe('an expression that is shared', () => {
    it('has the same value over random rows, whatever the engine', async () => {
      const names = expressions.map((_, at) => `e${at}`)
      const source = await tableOf('source', structOf(...randomRows.schema.fields))
      await append(source, randomRows.sql)
      const snapshot = await source.snapshot()
      const types = await duckdb.use(async (session) => {
        const scan = await source.scan(session, snapshot)
        await session.run(`create or replace temporary view source as ${scan}`)
        const described = await session.rows(
          `describe select ${expressions.map(({ sql }, at) => `${sql} as ${names[at]}`).join(', ')} from source`,
        )
        return described.map(({ column_type: type }) => String(type))
      })
      const target = await tableOf(
        'target',
        structOf(field('id', 'long'), ...expressions.map(({ type }, at) => field(`e${at}`, type))),
      )
      const select = `select id, ${expressions.map(({ sql }, at) => `${sql} as ${names[at]}`).join(', ')} from source`
      const staged = await stage({ inputs: [{ name: 'source', table: source, snapshot }], select, target })
      const expected = await duckdb.use(async (session) => {
        const scan = await source.scan(session, snapshot)
        await session.run(`create or replace temporary view source as ${scan}`)
        return await session.rows(`${select} order by id`)
      })
      const got = await rowsOf(target, staged)
      const different = expressions.flatMap(({ sql }, at) => {
        const name = `e${at}`
        const row = expected.findIndex((each, index) => !isSame(each[name], got[index]?.[name]))
        return row === -1
          ? []
          : [
              {
                sql,
                of: JSON.stringify(shown(expected[row])),
                duckdb: String(expected[row]?.[name]),
                here: String(got[row]?.[name]),
                type: types[at],
              },
            ]
      })
      expect(different).toEqual([])
      expect(got).toHaveLength(expected.length)
    })
  })
}

const shown = (row: Row | undefined): unknown =>
  Object.fromEntries(
    Object.entries(row ?? {})
      .filter(([name]) => !/^e\d/.test(name))
      .map(([name, value]) => [name, String(value)]),
  )

/** A sum may differ in its last bits by the order of its addends. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') {
    return Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b))
  }
  return String(a) === String(b)
}
