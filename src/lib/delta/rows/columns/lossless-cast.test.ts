import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../../../base/errors.ts'
import { columnTypes } from '../../../duckdb/column-type.ts'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { arrayOf, type DataType, field, structOf } from '../../schema/schema.ts'
import { castSql } from './lossless-cast.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

/** The value of `sql` as one of `type`, or the code of the failure. */
async function castOf(sql: string, type: DataType): Promise<unknown> {
  try {
    return await duckdb.use(async (session) => {
      const select = `select ${sql} as c`
      const [source] = await columnTypes(session, select)
      const row = await session.row(`select ${castSql(field('c', type), source)} as v from (${select})`)
      return row['v']
    })
  } catch (error) {
    if (isLakeError(error)) return error.code
    throw error
  }
}

describe('castSql(field, source)', () => {
  it.each<[string, DataType, unknown]>([
    [`'12'`, 'long', 12n],
    [`' -12.00 '`, 'integer', -12],
    [`'9223372036854775807'`, 'long', 9223372036854775807n],
    [`'1.50'`, 'decimal(5,1)', '1.5'],
    [`'.5'`, 'decimal(5,1)', '0.5'],
    [`'0.1'`, 'double', 0.1],
    [`'Infinity'`, 'double', Number.POSITIVE_INFINITY],
    [`'2026-01-02'`, 'date', '2026-01-02'],
    [`'2026-01-02T03:04:05+02:00'`, 'timestamp', '2026-01-02T01:04:05.000000Z'],
    [`'2026-01-02T03:04:05.123456000'`, 'timestamp_ntz', '2026-01-02T03:04:05.123456'],
    [`'2026-01-02'`, 'timestamp_ntz', '2026-01-02T00:00:00.000000'],
    [`['1', null]`, arrayOf('long'), [1n, null]],
    [`{a: '1', B: 2}`, structOf(field('b', 'double'), field('a', 'long')), { b: 2, a: 1n }],
    [`{a: 1}`, structOf(field('a', 'long'), field('n', 'string')), { a: 1n, n: null }],
    [
      `map {'k': '7'}`,
      { type: 'map', keyType: 'string', valueType: 'long', valueContainsNull: true },
      [{ key: 'k', value: 7n }],
    ],
    [`null`, arrayOf('long'), null],
    [`null`, structOf(field('a', 'long')), null],
  ])('takes %s for %j', async (sql, type, value) => {
    expect(await castOf(sql, type)).toEqual(value)
  })

  it.each<[string, DataType]>([
    [`'1.5'`, 'long'],
    [`'1e3'`, 'long'],
    [`'x'`, 'long'],
    [`'9223372036854775808'`, 'long'],
    [`'1.55'`, 'decimal(5,1)'],
    [`'1e400'`, 'double'],
    [`'2026-01-02T03:04:05'`, 'date'],
    [`'2026-01-02T03:04:05.1234567'`, 'timestamp'],
    [`'2026-01-02T03:04:05Z'`, 'timestamp_ntz'],
    [`['1.5']`, arrayOf('long')],
    [`{a: ['1.5']}`, structOf(field('a', arrayOf('long')))],
    [`1.5::double`, 'long'],
    [`9007199254740993::bigint`, 'double'],
    [`7`, arrayOf('long')],
  ])('refuses %s for %j', async (sql, type) => {
    expect(await castOf(sql, type)).toBe('SQL_INVALID')
  })

  it.each<[string, DataType]>([
    [`{a: 1, z: 2}`, structOf(field('a', 'long'))],
    [`[1]`, structOf(field('a', 'long'))],
    [`{a: 1}`, arrayOf('long')],
  ])('says at once that no value of %s is one of %j', async (sql, type) => {
    expect(await castOf(sql, type)).toBe('SCHEMA_MISMATCH')
  })
})
