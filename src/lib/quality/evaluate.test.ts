import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { type ExpectationResult, evaluateExpectations } from './evaluate.ts'
import type { Expectation, QueryExpectation } from './expectation.ts'

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
    [{ kind: 'between', column: 'id', min: 2, max: 2 }, 'id is between 2 and 2', 2],
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

  it.each<[string, Expectation, number]>([
    ['is in the other relation', { kind: 'references', columns: ['id'], relation: 'known' }, 1],
    ['agrees in all columns', { kind: 'references', columns: ['id', 'name'], relation: 'known' }, 3],
    [
      'holds with one that is null',
      { kind: 'references', columns: ['id', 'name'], relation: 'known', nulls: 'hold' },
      2,
    ],
    ['breaks with null', { kind: 'references', columns: ['name'], relation: 'known' }, 1],
    ['holds with null', { kind: 'references', columns: ['name'], relation: 'known', nulls: 'hold' }, 0],
  ])('looks for values in another relation: %s', async (_, expectation, violations) => {
    const [result] = await duckdb.use(async (session) => {
      await session.run(
        `create temp view known as select * from (values (1, 'b'), (4, 'a'), (3, null)) as v(id, name)`,
      )
      return await evaluateExpectations(session, rows, [expectation])
    })

    expect(result).toMatchObject({ violations, outcome: violations === 0 ? 'holds' : 'breaks' })
    expect(result?.sample).toHaveLength(violations)
  })

  it.each<[string, QueryExpectation, object]>([
    [
      'by group',
      { kind: 'query', name: 'q', sql: 'select id, name from checked where rate > 1 -- the large ones' },
      [
        { group: '1', outcome: 'breaks', rows: 2, violations: 1, sample: [{ id: 1, name: 'a' }] },
        { group: '2', outcome: 'holds', rows: 1, violations: 0 },
      ],
    ],
    [
      'by group, also one that the relation has not',
      { kind: 'query', name: 'q', sql: 'select 9 as id' },
      [{ group: '1' }, { group: '2' }, { group: '9', outcome: 'breaks', rows: 0, violations: 1 }],
    ],
    [
      'of the relation as a whole',
      { kind: 'query', name: 'q', sql: 'select name from checked', of: 'relation' },
      [{ outcome: 'breaks', rows: 3, violations: 3 }],
    ],
    [
      'and finds none',
      { kind: 'query', name: 'q', sql: 'from checked where id > 2', of: 'relation' },
      [{ outcome: 'holds', violations: 0 }],
    ],
  ])('asks a query %s', async (_, expectation, expected) => {
    const results = await duckdb.use((session) =>
      evaluateExpectations(session, rows, [expectation], { groupBy: 'id', orderBy: ['rate'] }),
    )

    expect(results).toMatchObject(expected)
    expect(results).toHaveLength(Array.isArray(expected) ? expected.length : 0)
    if (expectation.of === 'relation') expect(results[0]).not.toHaveProperty('group')
  })

  it.each<[string, string, number, 'holds' | 'breaks', RegExp | undefined]>([
    ['as old as it may be', '2026-11-20T10:00:00Z', 24, 'holds', undefined],
    ['a second older', '2026-11-20T09:59:59Z', 24, 'breaks', /newest is 2026-11-20T09:59:59.000Z, 24 hours/],
    ['of the future', '2026-11-25T00:00:00Z', 24, 'holds', undefined],
  ])('takes the newest value of all groups, %s', async (_, newest, maxAgeHours, outcome, problem) => {
    const times = `(select * from (values (1, timestamptz '2026-11-01T00:00:00Z'), (2, timestamptz '${newest}'), (3, null)) as v(id, seen))`

    const results = await duckdb.use((session) =>
      evaluateExpectations(session, times, [{ kind: 'freshness', column: 'seen', maxAgeHours }], {
        groupBy: 'id',
        nowMs: Date.parse('2026-11-21T10:00:00Z'),
      }),
    )

    expect(results).toHaveLength(1)
    expect(results[0]).toMatchObject({ outcome, rows: 3, violations: 0 })
    if (problem === undefined) expect(results[0]).not.toHaveProperty('problem')
    else expect(results[0]?.problem).toMatch(problem)
  })

  it.each([
    'null::timestamptz',
    'null::date',
  ])('finds nothing fresh where there is no time: %s', async (value) => {
    const fresh: Expectation = { kind: 'freshness', column: 'seen', maxAgeHours: 1 }
    const of = (relation: string): Promise<readonly ExpectationResult[]> =>
      duckdb.use((session) => evaluateExpectations(session, relation, [fresh], { groupBy: 'seen' }))

    for (const relation of [`(select ${value} as seen)`, `(select ${value} as seen where false)`]) {
      expect(await of(relation)).toMatchObject([{ outcome: 'breaks', problem: 'there is no seen' }])
    }
  })

  it('says that it cannot compare the number of rows without days', async () => {
    const drift: Expectation = { kind: 'drift', within: 0.5 }
    const [whole] = await duckdb.use((session) => evaluateExpectations(session, rows, [drift]))

    expect(whole).toMatchObject({ outcome: 'unknown', rows: 3, problem: 'its rows are not grouped by day' })
  })

  it('compares the days of a relation with those before', async () => {
    const days = `(select date '2026-11-01' + cast(7 * w as integer) as day from range(5) as weeks(w), range(10) as n(i) where w < 4 or i < 4)`
    const options = { groupBy: 'day', nowMs: Date.parse('2027-01-01') }

    const results = await duckdb.use((session) =>
      evaluateExpectations(session, days, [{ kind: 'drift', within: 0.5 }], options),
    )

    expect(results.find(({ group }) => group === '2026-11-29')).toMatchObject({ outcome: 'breaks', rows: 4 })
    expect(results.find(({ group }) => group === '2026-11-22')).toMatchObject({ outcome: 'holds', rows: 10 })
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
