import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { evaluateExpectations } from './evaluate.ts'
import type { Expectation } from './expectation.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const rows = `(select * from (values (1, 'a', 0.5), (1, 'a', 1.5), (2, null, null)) as v(id, name, rate))`

describe('evaluateExpectations(session, relation, expectations)', () => {
  it.each<[Expectation, string, number]>([
    [{ kind: 'notNull', column: 'name' }, 'name is not null', 1],
    [{ kind: 'notNull', column: 'id' }, 'id is not null', 0],
    [{ kind: 'unique', columns: ['id', 'name'] }, 'id, name is unique', 2],
    [{ kind: 'between', column: 'rate', min: 0, max: 1 }, 'rate is between 0 and 1', 2],
    [{ kind: 'between', column: 'id', min: 1 }, 'id is between 1 and any', 0],
    [{ kind: 'condition', name: 'rate is below two', sql: 'rate < 2' }, 'rate is below two', 1],
  ])('counts the rows that break %j', async (expectation, words, violations) => {
    const [result] = await duckdb.use((session) => evaluateExpectations(session, rows, [expectation]))

    expect(result).toMatchObject({ expectation: words, violations })
    expect(result?.sample).toHaveLength(violations)
  })

  it.each<[string, Expectation, number]>([
    ['breaks', { kind: 'between', column: 'rate', min: 0, max: 2 }, 1],
    ['holds', { kind: 'between', column: 'rate', min: 0, max: 2, nulls: 'hold' }, 0],
    ['breaks', { kind: 'oneOf', column: 'name', values: ['a'] }, 1],
    ['holds', { kind: 'oneOf', column: 'name', values: ['a'], nulls: 'hold' }, 0],
    ['breaks', { kind: 'condition', name: 'c', sql: 'rate < 2' }, 1],
    ['holds', { kind: 'condition', name: 'c', sql: 'rate < 2', nulls: 'hold' }, 0],
    ['is equal to itself in', { kind: 'unique', columns: ['name'] }, 2],
  ])('takes null as it is declared: it %s %j', async (_, expectation, violations) => {
    const [result] = await duckdb.use((session) => evaluateExpectations(session, rows, [expectation]))

    expect(result?.violations).toBe(violations)
  })

  it('judges the rows of each group by themselves, in the order of what was asked', async () => {
    const results = await duckdb.use((session) =>
      evaluateExpectations(
        session,
        rows,
        [
          { kind: 'notNull', column: 'name' },
          { kind: 'unique', columns: ['name'] },
        ],
        { groupBy: 'id', sampleSize: 1 },
      ),
    )

    expect(
      results.map(({ expectation, group, rows: n, violations, sample }) => [
        expectation,
        group,
        n,
        violations,
        sample.length,
      ]),
    ).toEqual([
      ['name is not null', '1', 2, 0, 0],
      ['name is not null', '2', 1, 1, 1],
      ['name is unique', '1', 2, 2, 1],
      ['name is unique', '2', 1, 0, 0],
    ])
  })

  it('finds nothing in a relation without rows', async () => {
    const none = `(select * from ${rows} where false)`
    const expectations: Expectation[] = [{ kind: 'notNull', column: 'name' }]

    const whole = await duckdb.use((session) => evaluateExpectations(session, none, expectations))
    const grouped = await duckdb.use((session) =>
      evaluateExpectations(session, none, expectations, { groupBy: 'id' }),
    )

    expect(whole).toMatchObject([{ rows: 0, violations: 0 }])
    expect(grouped).toEqual([])
  })
})
