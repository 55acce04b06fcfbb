import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { selectRows } from '../rows/select.ts'
import { createRawTable, withFeatures, writeRawFile } from '../testing/raw-table.fixture.ts'
import { type Field, field, type PrimitiveType, structOf } from './schema.ts'
import { isWidening, requireKnownTypeChanges } from './type-widening.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const widened = (from: PrimitiveType, to: PrimitiveType): Field => ({
  ...field('c', to),
  metadata: { 'delta.typeChanges': [{ fromType: from, toType: to }] },
})

describe('conditions on a column whose type was widened', () => {
  it.each([
    ['integer', 'double', '2::integer', 'c < 2.5', 'c >= 2.5'],
    ['integer', 'double', '2::integer', 'c > 1.5', 'c = 1.5'],
    ['byte', 'decimal(12,2)', '2::tinyint', 'c <> 2.01', 'c <= 1.99'],
    ['byte', 'decimal(4,1)', '(-128)::tinyint', 'c < -127.9', 'c = -127.9'],
    ['short', 'decimal(5,0)', '32767::smallint', 'c = 32767', 'c < 32767'],
    ['long', 'decimal(19,0)', '9223372036854775807', 'c = 9223372036854775807', 'c < 9223372036854775807'],
    ['float', 'double', '0.1::float', 'c <> 0.1::double', 'c = 0.1::double'],
    ['decimal(6,2)', 'decimal(10,4)', '1.25::decimal(6,2)', 'c > 1.2499', 'c = 1.2499'],
    [
      'date',
      'timestamp_ntz',
      `date '2026-01-01'`,
      `c < timestamp '2026-01-01 01:00:00'`,
      `c = timestamp '2026-01-01 01:00:00'`,
    ],
    ['short', 'long', '2::smallint', 'c < 5000000000', 'c >= 5000000000'],
  ] as const)('see the values of old files, %s to %s', async (from, to, value, isTrue, isFalse) => {
    await using store = await MemoryStore.open()
    const table = await createRawTable(store, duckdb, {
      schema: structOf(widened(from, to)),
      protocol: withFeatures('typeWidening', 'timestampNtz'),
      files: [await writeRawFile(store, duckdb, 'a.parquet', `select ${value} as c`)],
    })
    const found = (where: string): Promise<readonly unknown[]> =>
      duckdb.use(async (session) =>
        session.rows(await selectRows(session, table, await table.snapshot(), { where })),
      )

    expect(await found(isTrue)).toHaveLength(1)
    expect(await found(isFalse)).toEqual([])
  })
})

describe('requireKnownTypeChanges(schema, table)', () => {
  it.each([
    ['byte', 'decimal(3,1)'],
    ['long', 'decimal(18,0)'],
    ['double', 'float'],
    ['long', 'double'],
    ['string', 'binary'],
  ] as const)('refuses a change that may lose something: %s to %s', (from, to) => {
    expect(() => requireKnownTypeChanges(structOf(widened(from, to)), 't')).toThrow(
      `typeWidening of column c from ${from} to ${to}`,
    )
  })

  it('leaves what is made by us to the list of the protocol', () => {
    expect(isWidening('byte', 'decimal(4,1)')).toBe(false)
    expect(isWidening('byte', 'decimal(11,1)')).toBe(true)
  })
})
