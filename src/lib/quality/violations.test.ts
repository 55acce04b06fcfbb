import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, type DuckDbSession, openDuckDb } from '../duckdb/duckdb.ts'
import type { Expectation } from './expectation.ts'
import { collectViolations, compareViolations, summarizeViolations } from './violations.ts'

let duckdb: DuckDb
let session: DuckDbSession
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  session = await duckdb.connect()
})
afterAll(() => {
  session[Symbol.dispose]()
  duckdb[Symbol.dispose]()
})

const below: Expectation = { kind: 'condition', name: 'below five', sql: 'value < 5' }
const unique: Expectation = { kind: 'unique', columns: ['value'] }

/** Rows of `(day, id, value)`. */
const collect = (rows: string, into: string): ReturnType<typeof collectViolations> =>
  collectViolations(session, `(select * from (values ${rows}) as v(day, id, value))`, [below, unique], {
    groupBy: 'day',
    key: ['day', 'id'],
    into,
  })

describe('collectViolations(session, relation, expectations, options)', () => {
  it('names every row that breaks an expectation, and one that is there twice once', async () => {
    const results = await collect(`('a', 1, 9), ('a', 1, 9), ('a', 2, null), ('b', 3, 4)`, 'found')

    expect(results.map(({ expectation, group, violations }) => [expectation, group, violations])).toEqual([
      ['below five', 'a', 3],
      ['below five', 'b', 0],
      ['value is unique', 'a', 2],
      ['value is unique', 'b', 0],
    ])
    expect(await session.rows('from found order by all')).toEqual([
      { check_name: 'below five', group_name: 'a', row_key: '{"day":"a","id":1}', rows: 2n },
      { check_name: 'below five', group_name: 'a', row_key: '{"day":"a","id":2}', rows: 1n },
      { check_name: 'value is unique', group_name: 'a', row_key: '{"day":"a","id":1}', rows: 2n },
    ])
  })
})

describe('summarizeViolations(session, states, options)', () => {
  const states = async (
    before: string,
    now: string,
    sampleSize = 20,
  ): ReturnType<typeof summarizeViolations> => {
    await collect(before, 'before')
    await collect(now, 'now')
    await compareViolations(session, { now: 'now', before: 'before', into: 'states' })
    return summarizeViolations(session, 'states', { sampleSize })
  }

  it('says of each row whether it is new, still there, or fixed', async () => {
    const found = await states(
      `('a', 1, 9), ('a', 2, 8), ('b', 1, 7)`,
      `('a', 2, 18), ('a', 3, 6), ('b', 1, 4)`,
    )

    expect(found).toEqual([
      {
        check: 'below five',
        group: 'a',
        counts: { new: 1, still: 1, fixed: 1 },
        sample: [
          { since: 'new', key: { day: 'a', id: 3 } },
          { since: 'still', key: { day: 'a', id: 2 } },
          { since: 'fixed', key: { day: 'a', id: 1 } },
        ],
      },
      {
        check: 'below five',
        group: 'b',
        counts: { new: 0, still: 0, fixed: 1 },
        sample: [{ since: 'fixed', key: { day: 'b', id: 1 } }],
      },
    ])
  })

  it('counts all rows of a group, and shows no more than it is asked for', async () => {
    const many = Array.from({ length: 12 }, (_, at) => `('a', ${at}, ${at + 100})`).join(', ')
    const [found, ...others] = await states(`('a', 11, 9)`, many, 3)

    expect(others).toEqual([])
    expect(found?.counts).toEqual({ new: 11, still: 1, fixed: 0 })
    expect(found?.sample.map(({ since, key }) => [since, key['id']])).toEqual([
      ['new', 0],
      ['new', 1],
      ['new', 2],
    ])
  })

  it('keeps a name of 64 bits and of any text', async () => {
    await collectViolations(
      session,
      `(select 9007199254740993 as id, 'a"b/''é' as word)`,
      [{ kind: 'condition', name: 'no row', sql: 'false' }],
      { key: ['id', 'word'], into: 'now' },
    )
    await session.run('create or replace temporary table before as from now where false')
    await compareViolations(session, { now: 'now', before: 'before', into: 'states' })

    expect(await summarizeViolations(session, 'states', { sampleSize: 1 })).toMatchObject([
      { group: '', sample: [{ key: { id: 9007199254740993n, word: `a"b/'é` } }] },
    ])
  })
})
