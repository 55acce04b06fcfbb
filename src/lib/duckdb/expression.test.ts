import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LakeError } from '../base/errors.ts'
import { type DuckDb, openDuckDb } from './duckdb.ts'
import { columnNames, nodesOf, parseExpression, printExpressions } from './expression.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

describe('parseExpression(session, expression)', () => {
  it.each([
    ['1) or (1'],
    ['a, b'],
    ['*'],
    ['x as y'],
    ['1 limit 1'],
    ['1; drop table t'],
    ['a from t'],
    ['a ='],
    [''],
  ])('refuses %s, naming it', async (expression) => {
    const refused = duckdb.use((session) => parseExpression(session, expression, { what: 'CHECK c' }))

    await expect(refused).rejects.toThrow(LakeError)
    await expect(refused).rejects.toThrow(`CHECK c ${expression}: expected one SQL expression`)
  })

  it('knows the columns that are named, and not those of a subquery', async () => {
    const tree = await duckdb.use((session) =>
      parseExpression(session, 'a > s."b c" and d in (select e from t)'),
    )

    const names = [...nodesOf(tree)].map(columnNames).filter((found) => found !== undefined)
    expect(names).toEqual(expect.arrayContaining([['a'], ['s', 'b c']]))
    expect(names).not.toContainEqual(['e'])
  })
})

describe('printExpressions(session, nodes)', () => {
  it.each([
    ['2147483647'],
    ['-7'],
    [`''`],
    [`'it''s\n\\ 🦆'`],
    ['null'],
    ['9223372036854775807'],
    ['-170141183460469231731687303715884105728'],
    ['12345678901234567890.12'],
    ['3e10'],
    ['1.5e-300'],
    [`'it''s' || chr(0)`],
    [`timestamp '2026-01-01 00:00:00.000001'`],
    ['case when 1 < 2 then [1, 2] end'],
  ])('prints %s as SQL of the same value and type', async (expression) => {
    await duckdb.use(async (session) => {
      const [printed = ''] = await printExpressions(session, [await parseExpression(session, expression)])

      const row = await session.row(
        `select (${printed}) is not distinct from (${expression}) as same, typeof(${printed}) = typeof(${expression}) as alike`,
      )
      expect(row).toEqual({ same: true, alike: true })
    })
  })
})
