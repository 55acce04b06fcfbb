import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { append } from '../change/append.ts'
import { field, structOf } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'
import { createRawTable } from '../testing/raw-table.fixture.ts'
import { misjudgedConditions } from './engine-pruning.fixture.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
})
afterAll(() => duckdb[Symbol.dispose]())

/** Written by pyarrow: one double column `f` with 1.5 and NaN, and the bounds 1.5 to 1.5. */
const fileWithNanOutsideItsBounds =
  'UEFSMRUAFSwVLCwVBBUAFQYVBhwYCAAAAAAAAPg/GAgAAAAAAAD4PxYAKAgAAAAAAAD4PxgIAAAAAAAA+D8REQAAAAIAAAAEAQAAAAAAAPg/AAAA' +
  'AAAA+H8VBBksNQAYBnNjaGVtYRUCABUKJQIYAWYAFgQZHBkcJgAcFQoZJQYAGRgBZhUAFgQWqgEWqgEmCDwYCAAAAAAAAPg/GAgAAAAAAAD4PxYA' +
  'KAgAAAAAAAD4PxgIAAAAAAAA+D8REQAZHBUAFQAVAgA8KQYZJgAEAAAAFqoBFgQmCBaqAQAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjYu' +
  'MC4xGRwcAAAArAAAAFBBUjE='

describe('conditions that the engine tests against what files say of their columns', () => {
  it('find a binary value', async () => {
    await using store = await MemoryStore.open()
    const table = new DeltaTable({ store, duckdb })
    const schema = structOf(field('raw', 'binary'), field('inner', structOf(field('raw', 'binary'))))
    await table.createIfMissing({ schema })
    const select = `select '{"a":1}'::blob as raw, {raw: '{"a":1}'::blob} as inner from range(3000)`
    await duckdb.use((session) => append(table, { session, select }))

    const misjudged = await duckdb.use(async (session) =>
      misjudgedConditions(session, table, await table.snapshot(), { values: 1 }),
    )

    expect(misjudged).toEqual([])
  })

  it('find -0.0 by 0.0', async () => {
    await using store = await MemoryStore.open()
    const table = new DeltaTable({ store, duckdb })
    await table.createIfMissing({ schema: structOf(field('d', 'double'), field('f', 'float')) })
    const value = `(['-0.0', '1', '-1'])[1 + range % 3]`
    const select = `select ${value}::double as d, ${value}::float as f from range(3000)`
    await duckdb.use((session) => append(table, { session, select }))

    const count = await duckdb.use(async (session) => {
      const scan = await table.scan(session, await table.snapshot())
      return session.row(`select count(*) as n from (${scan}) where d = 0.0 and f = 0.0`)
    })

    expect(count).toEqual({ n: 1000n })
  })

  it('find NaN where a writer left it out of the bounds', async () => {
    await using store = await MemoryStore.open()
    await writeFile(join(store.stagingRoot, 'nan.parquet'), fileWithNanOutsideItsBounds, 'base64')
    await store.publish(['nan.parquet'])
    const file = {
      path: 'nan.parquet',
      partitionValues: {},
      size: 269,
      modificationTime: 0,
      dataChange: true,
    }
    const table = await createRawTable(store, duckdb, {
      schema: structOf(field('f', 'double')),
      files: [file],
    })

    const misjudged = await duckdb.use(async (session) =>
      misjudgedConditions(session, table, await table.snapshot(), { values: 2 }),
    )

    expect(misjudged).toEqual([])
  })
})
