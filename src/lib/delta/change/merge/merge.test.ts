import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import type { DeltaTable } from '../../table.ts'
import {
  beforeNextCommit,
  failureOf,
  newestCommit,
  openFixture,
  rowsOf,
} from '../../testing/write.fixture.ts'
import { append } from '../append.ts'
import { type MergeOptions, merge } from './merge.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const put = (table: DeltaTable, select: string) => duckdb.use((session) => append(table, { session, select }))
const mergeIn = (table: DeltaTable, select: string, options: Partial<MergeOptions> = {}) =>
  duckdb.use((session) => merge(table, { session, select }, { on: 't.id = s.id', ...options }))

/** Six rows, two a day, a file each day. */
async function withRows() {
  const fixture = await openFixture(duckdb)
  await put(fixture.table, rows(0, 6, 'w'))
  return fixture
}

const rows = (from: number, to: number, word: string): string =>
  `select date '2026-01-01' + (i // 2)::integer as day, i as id, '${word}' || i as word from range(${from}, ${to}) t(i)`

const wordsOf = async (table: DeltaTable) =>
  Object.fromEntries((await rowsOf(table)).map(({ id, word }) => [String(id), word]))

describe('merge(table, source)', () => {
  it('replaces rows that match and inserts the others where it is not told otherwise', async () => {
    await using fixture = await withRows()

    const outcome = await mergeIn(fixture.table, rows(5, 8, 'n'))

    expect(outcome).toMatchObject({
      kind: 'committed',
      metrics: {
        numSourceRows: 3,
        numTargetRowsInserted: 2,
        numTargetRowsUpdated: 1,
        numTargetRowsDeleted: 0,
        numTargetRowsCopied: 1,
        numTargetFilesRemoved: 1,
        numOutputRows: 4,
      },
    })
    expect(await wordsOf(fixture.table)).toEqual({
      0: 'w0',
      1: 'w1',
      2: 'w2',
      3: 'w3',
      4: 'w4',
      5: 'n5',
      6: 'n6',
      7: 'n7',
    })
    expect(await newestCommit(fixture.table)).toMatchObject({
      operation: 'MERGE',
      operationParameters: {
        predicate: '["t.id = s.id"]',
        matchedPredicates: '[{"actionType":"update"}]',
        notMatchedPredicates: '[{"actionType":"insert"}]',
      },
    })
  })

  it('applies the first clause of its kind whose condition holds', async () => {
    await using fixture = await withRows()

    const outcome = await mergeIn(
      fixture.table,
      `select i as id, if(i = 2, 'gone', null) as op, 'n' || i as word from range(1, 9) t(i)`,
      {
        matched: [
          { kind: 'delete', and: `s.op = 'gone'` },
          { kind: 'update', set: { word: `t.word || '+' || s.word` }, and: 't.id < 4' },
          { kind: 'update', set: { word: `'last'` }, and: 't.id = 3 or t.id = 4' },
        ],
        notMatched: [
          { kind: 'insert', values: { id: 's.id', word: `'seven'` }, and: 's.id = 7' },
          { kind: 'insert', values: { id: 's.id', day: `'2026-03-01'` }, and: 's.id > 6' },
        ],
      },
    )

    expect(outcome).toMatchObject({ metrics: { numTargetRowsDeleted: 1, numTargetRowsUpdated: 3 } })
    expect(await wordsOf(fixture.table)).toEqual({
      0: 'w0',
      1: 'w1+n1',
      3: 'w3+n3',
      4: 'last',
      5: 'w5',
      7: 'seven',
      8: null,
    })
  })

  it('changes rows that match none of the source, by conditions of their own', async () => {
    await using fixture = await withRows()

    const outcome = await mergeIn(fixture.table, rows(2, 4, 'n'), {
      notMatchedBySource: [
        { kind: 'update', set: { word: `'left ' || t.word` }, and: 't.id = 0' },
        { kind: 'delete', and: 't.id >= 4' },
      ],
    })

    expect(outcome).toMatchObject({
      metrics: {
        numTargetRowsNotMatchedBySourceUpdated: 1,
        numTargetRowsNotMatchedBySourceDeleted: 2,
        numTargetRowsMatchedUpdated: 0,
        numTargetFilesRemoved: 2,
        numTargetFilesAdded: 1,
      },
    })
    expect(await wordsOf(fixture.table)).toEqual({ 0: 'left w0', 1: 'w1', 2: 'w2', 3: 'w3' })
  })

  it('refuses rows of the source that would change one row, and names it', async () => {
    await using fixture = await withRows()
    const twice = `${rows(3, 5, 'n')} union all ${rows(4, 5, 'm')}`

    const failure = await failureOf(mergeIn(fixture.table, twice))

    expect(failure).toContain('CONSTRAINT_VIOLATED')
    expect(failure).toContain('2 rows of the source would change one row, id = 4')
    expect((await fixture.table.snapshot()).version).toBe(1)
    expect(fixture.store.files.size).toBe(5)
  })

  it('lets several rows match where only one of them, or a delete of all that match, applies', async () => {
    await using fixture = await withRows()
    const twice = `${rows(3, 5, 'n')} union all ${rows(4, 5, 'm')}`

    await mergeIn(fixture.table, twice, {
      matched: [{ kind: 'update', set: { word: 's.word' }, and: `s.word = 'm4'` }],
    })
    expect(await wordsOf(fixture.table)).toMatchObject({ 3: 'w3', 4: 'm4' })
    const outcome = await mergeIn(fixture.table, twice, { matched: [{ kind: 'delete' }] })

    expect(outcome).toMatchObject({ metrics: { numTargetRowsDeleted: 2, numTargetRowsCopied: 2 } })
    expect(Object.keys(await wordsOf(fixture.table))).toEqual(['0', '1', '2', '5'])
  })

  it('matches no null with another', async () => {
    await using fixture = await openFixture(duckdb)
    await put(fixture.table, `select null as day, null as id, 'old' as word`)

    await mergeIn(fixture.table, `select null as day, null::bigint as id, 'new' as word`)

    expect((await rowsOf(fixture.table)).map(({ word }) => word)).toEqual(['new', 'old'])
  })

  it('does nothing with an empty source, save where rows match none of it', async () => {
    await using fixture = await withRows()

    expect(await mergeIn(fixture.table, rows(0, 0, 'n'))).toEqual({ kind: 'unchanged', version: 1 })
    await mergeIn(fixture.table, rows(0, 0, 'n'), { notMatchedBySource: [{ kind: 'delete' }] })

    expect(await rowsOf(fixture.table)).toEqual([])
  })

  it('writes no file again where it only inserts', async () => {
    await using fixture = await withRows()

    const outcome = await mergeIn(fixture.table, rows(4, 8, 'n'), {
      notMatched: [{ kind: 'insert', values: 'all' }],
    })

    expect(outcome).toMatchObject({ metrics: { numTargetFilesRemoved: 0, numTargetRowsInserted: 2 } })
    expect(await wordsOf(fixture.table)).toMatchObject({ 4: 'w4', 5: 'w5', 6: 'n6', 7: 'n7' })
  })

  it('evaluates the source once', async () => {
    await using fixture = await withRows()
    beforeNextCommit(fixture.hooked, () => put(fixture.table, rows(300, 301, 'between')))

    await mergeIn(
      fixture.table,
      `select date '2026-01-01' as day, (i * 100 + (random() * 90)::integer) as id, 'r' as word from range(1, 50) t(i)`,
      {
        matched: [{ kind: 'update', set: 'all' }],
        notMatched: [{ kind: 'insert', values: 'all' }],
      },
    )

    const ids = (await rowsOf(fixture.table)).filter(({ word }) => word === 'r').map(({ id }) => id)
    expect(new Set(ids).size).toBe(49)
    expect(ids).toHaveLength(49)
  })

  it('looks only into files that the source can reach, also of those that come meanwhile', async () => {
    await using fixture = await withRows()
    beforeNextCommit(fixture.hooked, () => put(fixture.table, rows(20, 22, 'w')))
    let staged = 0
    fixture.hooked.hooks.after = (call) => {
      if (call === 'publish') staged += 1
    }

    const outcome = await mergeIn(fixture.table, rows(2, 4, 'n'))

    expect(outcome).toMatchObject({ kind: 'committed', version: 3 })
    // Once by the merge, once by the other.
    expect(staged).toBe(2)
    expect(await wordsOf(fixture.table)).toMatchObject({ 2: 'n2', 3: 'n3', 20: 'w20' })
  })

  it('sees a row that came meanwhile where it matches', async () => {
    await using fixture = await withRows()
    beforeNextCommit(fixture.hooked, () => put(fixture.table, rows(7, 8, 'w')))

    await mergeIn(fixture.table, rows(7, 9, 'n'))

    expect(await wordsOf(fixture.table)).toMatchObject({ 7: 'n7', 8: 'n8' })
    expect(await rowsOf(fixture.table)).toHaveLength(8)
  })

  it.each([
    ['the source lacks a column', 'select 1 as id', {}, 'SCHEMA_MISMATCH', 'no column day, word'],
    [
      'a column is not there',
      'select 1 as id',
      { matched: [{ kind: 'update', set: { x: '1' } }] },
      'COLUMN_MISSING',
      'x',
    ],
    [
      'a condition differs each time',
      rows(0, 1, 'n'),
      { on: 't.id = s.id and random() < 2' },
      'SQL_INVALID',
      'random()',
    ],
    [
      'a condition sees what it cannot',
      rows(0, 1, 'n'),
      { notMatched: [{ kind: 'insert', values: 'all', and: 't.id = 1' }] },
      'SQL_INVALID',
      't',
    ],
    [
      'a value does not fit',
      rows(0, 1, 'n'),
      { matched: [{ kind: 'update', set: { id: '0.5' } }] },
      'SQL_INVALID',
      'id is long',
    ],
    ['the source is no query', 'from nowhere', {}, 'SQL_INVALID', 'nowhere'],
  ] as const)('fails where %s', async (_, select, options, code, words) => {
    await using fixture = await withRows()

    const failure = await failureOf(mergeIn(fixture.table, select, options))

    expect(failure).toContain(code)
    expect(failure).toContain(words)
    expect((await fixture.table.snapshot()).version).toBe(1)
  })
})
