import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { type Expectation, evaluateExpectations } from './expectation.ts'

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
})
