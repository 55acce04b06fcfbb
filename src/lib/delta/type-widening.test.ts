import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { MemoryStore } from '../storage/store.memory.ts'
import { createRawTable, withFeatures, writeRawFile } from './raw-table.fixture.ts'
import { type Field, field, type PrimitiveType, structOf } from './schema.ts'
import { selectRows } from './select.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
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
