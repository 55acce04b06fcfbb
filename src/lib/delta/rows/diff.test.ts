import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import type { Row } from '../../duckdb/values.ts'
import { addColumns } from '../change/alter/columns.ts'
import { append } from '../change/append.ts'
import { deleteRows } from '../change/delete.ts'
import { overwrite } from '../change/overwrite.ts'
import { updateRows } from '../change/update.ts'
import type { DeltaTable } from '../table.ts'
import { failureOf, openFixture } from '../testing/write.fixture.ts'
import { type Diff, type DiffOptions, diffVersions } from './diff.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

async function diff(
  table: DeltaTable,
  from: number,
  to: number,
  key: readonly string[] = ['id'],
): Promise<Omit<Diff, 'select' | 'columns'> & { readonly rows: readonly Row[] }> {
  const [before, after] = [await table.snapshot({ version: from }), await table.snapshot({ version: to })]
  return duckdb.use(async (session) => {
    const { select, columns: _, ...counts } = await diffVersions(session, table, before, after, { key })
    return { ...counts, rows: await session.rows(select) }
  })
}

const put = (table: DeltaTable, select: string) => duckdb.use((session) => append(table, { session, select }))

const row = (id: number | null, word: string | null, day = '2026-01-01'): string =>
  `select date '${day}' as day, ${id}::bigint as id, ${word === null ? 'null' : `'${word}'`} as word`

describe('diffVersions(before, after)', () => {
  it('says of each column how many rows match, leaves columns out, and takes near numbers for equal', async () => {
    await using fixture = await openFixture(duckdb)
    const { table } = fixture
    await addColumns(table, [{ path: 'share', type: 'double' }])
    await put(table, [1, 2, 3].map((id) => `${row(id, 'a')}, ${id}::double as share`).join(' union all '))
    const from = (await table.snapshot()).version
    await duckdb.use((session) =>
      updateRows(table, session, { set: { share: 'share * (1 + 1e-9)', word: `'b'` }, where: 'id < 3' }),
    )
    const compare = async (options: Omit<DiffOptions, 'key'>): Promise<Omit<Diff, 'select'>> => {
      const [before, after] = [await table.snapshot({ version: from }), await table.snapshot()]
      return duckdb.use(async (session) => {
        const { select: _, ...rest } = await diffVersions(session, table, before, after, {
          key: ['id'],
          ...options,
        })
        return rest
      })
    }

    expect(await compare({})).toEqual({
      added: 0,
      removed: 0,
      changed: 2,
      columns: [
        { column: 'day', compared: 3, changed: 0 },
        { column: 'word', compared: 3, changed: 2 },
        { column: 'share', compared: 3, changed: 2 },
      ],
    })
    expect(await compare({ tolerance: 1e-6 })).toMatchObject({
      changed: 2,
      columns: expect.arrayContaining([{ column: 'share', compared: 3, changed: 0 }]),
    })
    expect(await compare({ tolerance: 1e-6, skip: ['word'] })).toMatchObject({ changed: 0 })
    expect(await compare({ tolerance: 1e-12, skip: ['word'] })).toMatchObject({ changed: 2 })
    await expect(compare({ skip: ['wort'] })).rejects.toMatchObject({
      code: 'COLUMN_MISSING',
      message: expect.stringContaining('no column wort to skip; beside the key it has day, word, share'),
    })
  })

  it('tells rows that came, went and changed, column by column, whichever version is the older', async () => {
    await using fixture = await openFixture(duckdb)
    const { table } = fixture
    await put(table, [row(1, 'a'), row(2, 'b'), row(3, null), row(null, 'n')].join(' union all '))
    await put(table, row(9, 'untouched', '2026-01-09'))
    await duckdb.use((session) => deleteRows(table, session, { where: 'id = 1' }))
    await duckdb.use((session) =>
      updateRows(table, session, {
        set: { word: `'x'`, day: `date '2026-02-01'` },
        where: 'id = 3 or id is null',
      }),
    )
    await put(table, row(4, 'd'))

    expect(await diff(table, 1, 5)).toEqual({
      added: 2,
      removed: 1,
      changed: 2,
      rows: [
        {
          id: 1n,
          change: 'removed',
          column: null,
          before: '{"day":"2026-01-01","id":1,"word":"a"}',
          after: null,
        },
        { id: 3n, change: 'changed', column: 'day', before: '2026-01-01', after: '2026-02-01' },
        { id: 3n, change: 'changed', column: 'word', before: null, after: 'x' },
        {
          id: 4n,
          change: 'added',
          column: null,
          before: null,
          after: '{"day":"2026-01-01","id":4,"word":"d"}',
        },
        {
          id: 9n,
          change: 'added',
          column: null,
          before: null,
          after: '{"day":"2026-01-09","id":9,"word":"untouched"}',
        },
        { id: null, change: 'changed', column: 'day', before: '2026-01-01', after: '2026-02-01' },
        { id: null, change: 'changed', column: 'word', before: 'n', after: 'x' },
      ],
    })
    expect(await diff(table, 5, 1)).toMatchObject({ added: 1, removed: 2, changed: 2 })
    expect(await diff(table, 2, 2)).toEqual({ added: 0, removed: 0, changed: 0, rows: [] })
  })

  it('compares versions of different columns', async () => {
    await using fixture = await openFixture(duckdb)
    const { table } = fixture
    await put(table, row(1, 'a'))
    await addColumns(table, [{ path: 'n', type: 'double' }])
    await duckdb.use((session) => updateRows(table, session, { set: { n: '0.5' } }))

    expect((await diff(table, 1, 3, ['id', 'day'])).rows).toEqual([
      { id: 1n, day: '2026-01-01', change: 'changed', column: 'n', before: null, after: '0.5' },
    ])
  })

  it.each([
    ['changed', [1, 1], [1], 'b'],
    ['the same', [1, 1, 2], [1], 'a'],
    ['gone', [1, 1], [3], 'a'],
    ['new', [3], [1, 1], 'a'],
  ])('refuses a key that two rows have where they are %s', async (_, before, after, word) => {
    await using fixture = await openFixture(duckdb)
    const { table } = fixture
    const rowsWith = (ids: readonly number[], word: string): string =>
      ids.map((id) => row(id, word)).join(' union all ')
    await put(table, rowsWith(before, 'a'))
    await duckdb.use((session) => overwrite(table, { session, select: rowsWith(after, word) }))

    const version = before.length > after.length ? 1 : 2
    expect(await failureOf(diff(table, 1, 2))).toMatch(
      new RegExp(`^CONSTRAINT_VIOLATED: .*version ${version}.*id = 1`),
    )
  })

  it('refuses a key that is none', async () => {
    await using fixture = await openFixture(duckdb)
    const { table } = fixture
    await put(table, `${row(1, 'a')} union all ${row(1, 'b')}`)

    expect(await failureOf(diff(table, 0, 1))).toMatch(/^CONSTRAINT_VIOLATED: .*version 1.*id = 1/)
    expect(await failureOf(diff(table, 0, 1, ['nothing']))).toContain('COLUMN_MISSING')
    expect(await failureOf(diff(table, 0, 1, []))).toContain('COLUMN_MISSING')
  })
})
