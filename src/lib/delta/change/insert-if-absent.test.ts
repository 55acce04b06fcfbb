import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { DeltaTable } from '../table.ts'
import { beforeNextCommit, type Fixture, failureOf, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { append } from './append.ts'
import { type InsertIfAbsentOptions, insertIfAbsent } from './insert-if-absent.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const put = (table: DeltaTable, select: string) => duckdb.use((session) => append(table, { session, select }))
const insert = (table: DeltaTable, select: string, options: Partial<InsertIfAbsentOptions> = {}) =>
  duckdb.use((session) => insertIfAbsent(table, { session, select }, { key: ['id'], ...options }))

const rows = (from: number, to: number, word: string): string =>
  `select date '2026-01-01' + (i // 2)::integer as day, i as id, '${word}' || i as word from range(${from}, ${to}) t(i)`

const wordsOf = async (table: DeltaTable) =>
  (await rowsOf(table)).map(({ id, word }) => `${String(id)}: ${String(word)}`).sort()

const other = ({ store }: Fixture): DeltaTable => new DeltaTable({ store, duckdb })

describe('insertIfAbsent(table, rows)', () => {
  it('inserts rows whose key the table has not, and writes nothing where it has all', async () => {
    await using fixture = await openFixture(duckdb)
    await put(fixture.table, rows(0, 2, 'w'))

    const outcome = await insert(fixture.table, rows(1, 4, 'n'))

    expect(outcome).toMatchObject({
      kind: 'committed',
      metrics: { numSourceRows: 3, numTargetRowsInserted: 2, numTargetFilesRemoved: 0 },
    })
    expect(await wordsOf(fixture.table)).toEqual(['0: w0', '1: w1', '2: n2', '3: n3'])
    expect(await insert(fixture.table, rows(1, 4, 'x'))).toEqual({ kind: 'unchanged', version: 2 })
  })

  it('counts rows that are the same as one, and refuses different ones of the same key', async () => {
    await using fixture = await openFixture(duckdb)

    await insert(fixture.table, `${rows(0, 2, 'w')} union all ${rows(1, 3, 'w')}`)
    const failure = await failureOf(insert(fixture.table, `${rows(7, 8, 'a')} union all ${rows(7, 8, 'b')}`))

    expect(await wordsOf(fixture.table)).toEqual(['0: w0', '1: w1', '2: w2'])
    expect(failure).toContain('CONSTRAINT_VIOLATED')
    expect(failure).toContain('2 different rows of the source have the key id = 7')
  })

  it('takes null for a key like any other', async () => {
    await using fixture = await openFixture(duckdb)
    const unknown = `select null as day, null as id, 'w' as word`

    await insert(fixture.table, `${rows(0, 1, 'w')} union all ${unknown}`)
    const outcome = await insert(fixture.table, unknown)

    expect(outcome.kind).toBe('unchanged')
    expect(await wordsOf(fixture.table)).toEqual(['0: w0', 'null: w'])
  })

  it('compares keys as the table holds them', async () => {
    await using fixture = await openFixture(duckdb, { partitionBy: ['word'] })
    await put(fixture.table, `select null as day, 5 as id, '' as word`)

    await insert(fixture.table, `select null as day, '05' as id, '' as word`, { key: ['ID', 'word'] })
    const failure = await failureOf(
      insert(
        fixture.table,
        `select * from (values ('6', date '2026-01-01', 'w'), ('06', null, 'w')) t(id, day, word)`,
      ),
    )

    expect(await rowsOf(fixture.table)).toHaveLength(1)
    expect(failure).toContain('have the key id = 6')
  })

  it.each([
    ['inserts', (table: DeltaTable) => insert(table, rows(1, 3, 'first'))],
    ['appends', (table: DeltaTable) => put(table, rows(1, 3, 'first'))],
  ])('never makes a key twice where another %s it meanwhile', async (_, first) => {
    await using fixture = await openFixture(duckdb)
    beforeNextCommit(fixture.hooked, () => first(other(fixture)))

    await insert(fixture.table, rows(0, 3, 'second'))

    expect(await wordsOf(fixture.table)).toEqual(['0: second0', '1: first1', '2: first2'])
  })

  it('has one of many who insert the same keys at once win each', async () => {
    await using fixture = await openFixture(duckdb)

    const outcomes = await Promise.all(
      [0, 1, 2, 3].map((writer) => insert(other(fixture), rows(writer, 6, `by ${writer} `))),
    )

    const ids = (await rowsOf(fixture.table)).map(({ id }) => Number(id)).sort()
    expect(ids).toEqual([0, 1, 2, 3, 4, 5])
    const inserted = outcomes.map((outcome) =>
      outcome.kind === 'committed' ? Number(outcome.metrics['numTargetRowsInserted']) : 0,
    )
    expect(inserted.reduce((sum, count) => sum + count, 0)).toBe(6)
  })

  it('refuses a key that is no column, and none', async () => {
    await using fixture = await openFixture(duckdb)

    expect(await failureOf(insert(fixture.table, rows(0, 1, 'w'), { key: ['x'] }))).toContain(
      'COLUMN_MISSING',
    )
    expect(await failureOf(insert(fixture.table, rows(0, 1, 'w'), { key: [] }))).toContain('COLUMN_MISSING')
  })
})
