import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import { DeltaTable } from '../../table.ts'
import { copyOf, OddListing } from './faulty-store.fixture.ts'
import { buildTable, type FaultOperation, faultOperations, stateOf } from './operations.fixture.ts'

let duckdb: DuckDb
let built: MemoryStore
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  built = await MemoryStore.open()
  const table = new DeltaTable({ store: built, duckdb })
  await buildTable(table)
  await table.checkpoint({ version: 3 })
})
afterAll(async () => {
  await built[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

const names = ['append', 'merge', 'restore', 'checkpoint']
const operations = names.map((name): readonly [string, FaultOperation | undefined] => [
  name,
  faultOperations[name],
])
const once = { transaction: { appId: 'listing', version: 1 } }

describe.each(['stale', 'doubled'] as const)('a %s listing', (odd) => {
  it.each(operations)('takes nothing from %s', async (_, operation) => {
    await using store = await copyOf(built)
    await using expected = await copyOf(built)
    const other = new DeltaTable({ store: expected, duckdb })
    await operation?.run(other, once, other)
    const table = new DeltaTable({ store: new OddListing(store, odd), duckdb })

    await operation?.run(table, once, table)

    expect(await stateOf(new DeltaTable({ store, duckdb }))).toBe(await stateOf(other))
  })

  it('is read as a version that there was', async () => {
    await using store = await copyOf(built)
    const table = new DeltaTable({ store: new OddListing(store, odd), duckdb })

    const { version } = await table.snapshot()

    expect(await stateOf(table, version)).toBe(await stateOf(new DeltaTable({ store, duckdb }), version))
    expect(version).toBe(odd === 'stale' ? 4 : 5)
  })
})
