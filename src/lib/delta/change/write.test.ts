import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { DeltaTable } from '../table.ts'
import { beforeNextCommit, type Fixture, failureOf, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { type AppendOptions, append } from './append.ts'
import { type DeleteOptions, deleteRows } from './delete.ts'
import { type OverwriteOptions, overwrite } from './overwrite.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const days = (from: number, to: number): string =>
  `select date '2026-01-01' + (i // 2)::integer as day, i as id, 'w' || i as word from range(${from}, ${to}) t(i)`

const put = (table: DeltaTable, select: string, options: AppendOptions = {}) =>
  duckdb.use((session) => append(table, { session, select }, options))
const replace = (table: DeltaTable, select: string, options: OverwriteOptions = {}) =>
  duckdb.use((session) => overwrite(table, { session, select }, options))
const take = (table: DeltaTable, options: DeleteOptions = {}) =>
  duckdb.use((session) => deleteRows(table, session, options))

async function withRows(properties: Record<string, string> = {}): Promise<Fixture> {
  const fixture = await openFixture(duckdb, { properties })
  await put(fixture.table, days(0, 6))
  return fixture
}

const idsOf = async (table: DeltaTable): Promise<readonly number[]> =>
  (await rowsOf(table)).map(({ id }) => Number(id)).toSorted((a, b) => a - b)

/** Another writer, with a view of its own. */
const other = ({ store }: Fixture): DeltaTable => new DeltaTable({ store, duckdb })

const dataFiles = ({ store }: Fixture): readonly string[] =>
  [...store.files.keys()].filter((key) => key.endsWith('.parquet') && !key.startsWith('_delta_log'))

describe('append(table, rows)', () => {
  it('writes an application version once, also where the answer was lost', async () => {
    await using fixture = await withRows()
    const transaction = { appId: 'app', version: 7 }

    expect(await put(fixture.table, days(6, 8), { transaction })).toMatchObject({
      kind: 'committed',
      version: 2,
      metrics: { numOutputRows: 2 },
    })
    expect(await put(fixture.table, days(6, 8), { transaction })).toEqual({ kind: 'repeated', version: 2 })
    expect(await put(fixture.table, days(6, 8), { transaction: { appId: 'app', version: 3 } })).toMatchObject(
      {
        kind: 'repeated',
      },
    )
    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('keeps an application version also where there are no rows', async () => {
    await using fixture = await withRows()

    const outcome = await put(fixture.table, days(0, 0), { transaction: { appId: 'app', version: 7 } })

    expect(outcome).toMatchObject({ kind: 'committed', version: 2 })
    expect((await fixture.table.snapshot()).transactions).toEqual({ app: 7 })
    expect(await put(fixture.table, days(0, 0))).toEqual({ kind: 'unchanged', version: 2 })
  })

  it('counts one of two writers of the same application version', async () => {
    await using fixture = await withRows()
    const transaction = { appId: 'app', version: 7 }
    beforeNextCommit(fixture.hooked, () => put(other(fixture), days(6, 8), { transaction }))

    expect(await put(fixture.table, days(6, 8), { transaction })).toEqual({ kind: 'repeated', version: 2 })
    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(dataFiles(fixture)).toHaveLength(4)
  })

  it('is staged once while others append and overwrite', async () => {
    await using fixture = await withRows()
    beforeNextCommit(fixture.hooked, () => replace(other(fixture), days(20, 22)))

    await put(fixture.table, days(6, 8))

    expect(await idsOf(fixture.table)).toEqual([6, 7, 20, 21])
    expect(dataFiles(fixture)).toHaveLength(5)
  })
})

describe('deleteRows(table)', () => {
  it.each([
    ['all rows', undefined, [], 0],
    ['whole files', `day = date '2026-01-01'`, [2, 3, 4, 5], 0],
    ['rows of a file', 'id in (1, 2, 3)', [0, 4, 5], 1],
    ['by the time that stands still', `day < current_date and id % 2 = 0`, [1, 3, 5], 3],
  ])('takes %s and copies the rest of the file', async (_, where, left, copied) => {
    await using fixture = await withRows()

    const outcome = await take(fixture.table, where === undefined ? {} : { where })

    expect(outcome).toMatchObject({
      kind: 'committed',
      metrics: { numDeletedRows: 6 - left.length, numCopiedRows: copied },
    })
    expect(await idsOf(fixture.table)).toEqual(left)
    expect(await rowsOf(fixture.table, { version: 1 })).toHaveLength(6)
  })

  it('keeps rows for which the condition is null, and commits nothing where no row matches', async () => {
    await using fixture = await withRows()
    await put(fixture.table, `select null as day, 9 as id, null as word`)

    expect(await take(fixture.table, { where: `word = 'x'` })).toEqual({ kind: 'unchanged', version: 2 })
    await take(fixture.table, { where: `word <> 'x'` })

    expect(await idsOf(fixture.table)).toEqual([9])
  })

  it.each([
    ['random() < 0.5', 'random() gives another value each time'],
    ['id in (select 1)', 'a subquery is not supported'],
    ['true) or (true', 'expected one SQL expression'],
    ['nothing = 1', 'nothing'],
  ])('refuses %s', async (where, words) => {
    await using fixture = await withRows()

    const failure = await failureOf(take(fixture.table, { where }))

    expect(failure).toContain('SQL_INVALID')
    expect(failure).toContain(words)
    expect((await fixture.table.snapshot()).version).toBe(1)
  })

  it('sees what came in between, and leaves no files behind', async () => {
    await using fixture = await withRows()
    beforeNextCommit(fixture.hooked, () => put(other(fixture), days(1, 2)))

    await take(fixture.table, { where: 'id = 1' })

    expect(await idsOf(fixture.table)).toEqual([0, 2, 3, 4, 5])
    expect(dataFiles(fixture)).toHaveLength(5)
  })

  it('lets an append pass that a blind append may precede', async () => {
    await using fixture = await withRows()
    beforeNextCommit(fixture.hooked, () => put(other(fixture), days(1, 2)))

    await take(fixture.table, { where: 'id = 1', isolation: 'WriteSerializable' })

    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('lets none pass where the table says that it is Serializable', async () => {
    await using fixture = await withRows({ 'delta.isolationLevel': 'Serializable' })
    beforeNextCommit(fixture.hooked, () => put(other(fixture), days(1, 2)))

    await take(fixture.table, { where: 'id = 1', isolation: 'WriteSerializable' })

    expect(await idsOf(fixture.table)).toEqual([0, 2, 3, 4, 5])
  })

  it('refuses a table that only grows', async () => {
    await using growing = await openFixture(duckdb, { properties: { 'delta.appendOnly': 'true' } })
    await put(growing.table, days(0, 2))

    expect(await failureOf(take(growing.table))).toContain('CONSTRAINT_VIOLATED')
    expect(dataFiles(growing)).toHaveLength(1)
  })
})

describe('overwrite(table, rows)', () => {
  it('replaces the table, its partitions with rows, or what satisfies a condition', async () => {
    await using fixture = await withRows()

    await replace(fixture.table, days(2, 3), { replace: 'partitions' })
    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 4, 5])

    await replace(fixture.table, `select date '2026-01-01' as day, 1 as id, 'new' as word`, {
      replace: { where: 'id = 1 or id = 4' },
    })
    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 5])

    await replace(fixture.table, days(7, 8))
    expect(await idsOf(fixture.table)).toEqual([7])
    expect(await rowsOf(fixture.table, { version: 1 })).toHaveLength(6)
  })

  it('takes no table without partitions for one partition', async () => {
    await using fixture = await openFixture(duckdb, { partitionBy: [] })
    await put(fixture.table, days(0, 4))

    expect(await failureOf(replace(fixture.table, days(2, 3), { replace: 'partitions' }))).toContain(
      'is not partitioned',
    )
    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 3])
  })

  it('refuses a row outside of what it replaces, and stages nothing that stays', async () => {
    await using fixture = await withRows()

    const failure = await failureOf(replace(fixture.table, days(0, 3), { replace: { where: 'id < 2' } }))

    expect(failure).toContain('CONSTRAINT_VIOLATED')
    expect(failure).toContain('id < 2')
    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('puts two writers one after the other', async () => {
    await using fixture = await withRows()
    beforeNextCommit(fixture.hooked, () => replace(other(fixture), days(20, 22)))

    await replace(fixture.table, days(30, 32))

    expect(await idsOf(fixture.table)).toEqual([30, 31])
    expect((await rowsOf(fixture.table, { version: 2 })).map(({ id }) => id)).toEqual([20n, 21n])
  })

  it('fails where the version that the rows were computed from was overtaken', async () => {
    await using fixture = await withRows()
    await put(fixture.table, days(6, 8))

    const failure = await failureOf(replace(fixture.table, days(30, 32), { computedFrom: 1 }))

    expect(failure).toContain('COMMIT_CONFLICT')
    expect(failure).toContain('since version 1')
    expect(dataFiles(fixture)).toHaveLength(4)
  })

  it('leaves other partitions to whoever writes to them meanwhile', async () => {
    await using fixture = await withRows()
    beforeNextCommit(fixture.hooked, () => replace(other(fixture), days(5, 6), { replace: 'partitions' }))

    const outcome = await replace(fixture.table, days(2, 3), { replace: 'partitions', computedFrom: 1 })

    expect(outcome).toMatchObject({ kind: 'committed', version: 3 })
    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 5])
  })
})
