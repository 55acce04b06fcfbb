import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { arrayOf, field, structOf } from '../schema/schema.ts'
import type { DeltaTable } from '../table.ts'
import { failureOf, newestCommit, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { append } from './append.ts'
import { type UpdateOptions, updateRows } from './update.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const put = (table: DeltaTable, select: string) => duckdb.use((session) => append(table, { session, select }))
const update = (table: DeltaTable, options: UpdateOptions) =>
  duckdb.use((session) => updateRows(table, session, options))

/** Six rows, two a day, a file each day. */
async function withRows() {
  const fixture = await openFixture(duckdb)
  await put(
    fixture.table,
    `select date '2026-01-01' + (i // 2)::integer as day, i as id, 'w' || i as word from range(0, 6) t(i)`,
  )
  return fixture
}

const wordsOf = async (table: DeltaTable) =>
  Object.fromEntries((await rowsOf(table)).map(({ id, word }) => [String(id), word]))

describe('updateRows(table)', () => {
  it('writes again only files with rows that change, from the values that they had', async () => {
    await using fixture = await withRows()
    const before = (await fixture.table.snapshot()).files

    const outcome = await update(fixture.table, {
      set: { word: `word || '!' || id`, ID: 'id + 100' },
      where: 'id in (1, 5)',
    })

    expect(outcome).toMatchObject({
      kind: 'committed',
      version: 2,
      metrics: { numUpdatedRows: 2, numCopiedRows: 2, numAddedFiles: 2, numRemovedFiles: 2 },
    })
    expect(await wordsOf(fixture.table)).toEqual({
      0: 'w0',
      2: 'w2',
      3: 'w3',
      4: 'w4',
      101: 'w1!1',
      105: 'w5!5',
    })
    const after = (await fixture.table.snapshot()).files.map(({ path }) => path)
    expect(before.filter(({ path }) => after.includes(path))).toHaveLength(1)
    expect(await newestCommit(fixture.table)).toMatchObject({
      operation: 'UPDATE',
      operationParameters: { predicate: 'id in (1, 5)' },
    })
  })

  it('moves rows whose partition column is set, also to none', async () => {
    await using fixture = await withRows()

    await update(fixture.table, { set: { day: `'2026-02-01'` }, where: 'id < 3' })
    await update(fixture.table, { set: { day: 'null', word: 'null' }, where: 'id = 5' })

    const { files } = await fixture.table.snapshot()
    expect(files.map(({ partitionValues }) => partitionValues['day']).sort()).toEqual([
      '2026-01-02',
      '2026-01-03',
      '2026-02-01',
      null,
    ])
    expect(await wordsOf(fixture.table)).toMatchObject({ 0: 'w0', 2: 'w2', 5: null })
  })

  it('leaves rows for which the condition is null, and commits nothing where none matches', async () => {
    await using fixture = await withRows()
    await put(fixture.table, `select null as day, 9 as id, null as word`)

    await update(fixture.table, { set: { word: `'x'` }, where: `word <> 'w0'` })

    expect(await wordsOf(fixture.table)).toEqual({ 0: 'w0', 1: 'x', 2: 'x', 3: 'x', 4: 'x', 5: 'x', 9: null })
    const outcome = await update(fixture.table, { set: { word: '1' }, where: 'id = 77' })
    expect(outcome).toEqual({ kind: 'unchanged', version: 3 })
  })

  it('evaluates a value for the rows that get it alone', async () => {
    await using fixture = await withRows()
    await update(fixture.table, { set: { word: `'42'` }, where: 'id = 3' })

    await update(fixture.table, { set: { id: 'cast(word as bigint)' }, where: 'id = 3' })

    expect(await wordsOf(fixture.table)).toMatchObject({ 0: 'w0', 42: '42' })
  })

  it('keeps large numbers whole where a value is of a wider type', async () => {
    await using fixture = await withRows()
    await update(fixture.table, { set: { id: '9007199254740993' }, where: 'id = 2' })

    await update(fixture.table, { set: { id: '7.0::double' }, where: 'id = 3' })

    expect(Object.keys(await wordsOf(fixture.table))).toEqual(
      expect.arrayContaining(['7', '9007199254740993']),
    )
  })

  it.each([
    ['a column that is not there', { set: { nothing: '1' } }, 'COLUMN_MISSING', 'there are day, id, word'],
    ['a field within a column', { set: { 'word.first': '1' } }, 'SQL_INVALID', 'a field within a column'],
    ['a column set twice', { set: { id: '1', ID: '2' } }, 'SQL_INVALID', 'id is set twice'],
    ['a value that its column does not hold', { set: { id: '1.5' } }, 'SQL_INVALID', 'id is long'],
    [
      'a text that is no value',
      { set: { id: 'cast(word as int)' } },
      'SQL_INVALID: memory:: Could',
      // Whichever row is cast first.
      "string 'w",
    ],
    ['a value that differs each time', { set: { id: 'random()' } }, 'SQL_INVALID', 'random()'],
    ['a subquery', { set: { id: '(select 1)' } }, 'SQL_INVALID', 'a subquery'],
    ['a value that is no expression', { set: { id: '1, 2' } }, 'SQL_INVALID', 'expected one SQL expression'],
    [
      'a condition that differs each time',
      { set: { id: '1' }, where: 'random() < 1' },
      'SQL_INVALID',
      'random()',
    ],
  ])('refuses %s', async (_, options: UpdateOptions, code, words) => {
    await using fixture = await withRows()

    const failure = await failureOf(update(fixture.table, options))

    expect(failure).toContain(code)
    expect(failure).toContain(words)
    expect((await fixture.table.snapshot()).version).toBe(1)
  })

  it('holds rows that change to the constraints', async () => {
    const schema = structOf(field('id', 'long', { nullable: false }), field('many', arrayOf('integer')))
    await using fixture = await openFixture(duckdb, { schema, partitionBy: [] })
    await put(fixture.table, 'select i as id, [1, 2] as many from range(3) t(i)')

    await update(fixture.table, { set: { many: '[3::bigint]' }, where: 'id = 1' })
    const failure = await failureOf(update(fixture.table, { set: { id: 'nullif(id, 1)' } }))

    expect(failure).toContain('CONSTRAINT_VIOLATED')
    expect(await rowsOf(fixture.table)).toMatchObject([{ many: [1, 2] }, { many: [3] }, { many: [1, 2] }])
  })

  it('refuses a table that only grows', async () => {
    await using growing = await openFixture(duckdb, { properties: { 'delta.appendOnly': 'true' } })

    expect(await failureOf(update(growing.table, { set: { id: '1' } }))).toContain('CONSTRAINT_VIOLATED')
  })
})
