/** Of columns of every type. Single values: `engine-pruning.test.ts`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { append } from '../change/append.ts'
import { DeltaTable } from '../table.ts'
import { conditionSchema, randomRows } from '../testing/conditions.fixture.ts'
import { randomOf } from '../testing/random.fixture.ts'
import { misjudgedConditions } from './engine-pruning.fixture.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
})
afterAll(() => duckdb[Symbol.dispose]())

describe('conditions that the engine tests against what files say of their columns', () => {
  it('find the rows of dictionary-coded columns of every type', async () => {
    await using store = await MemoryStore.open()
    const table = new DeltaTable({ store, duckdb })
    await table.createIfMissing({ schema: conditionSchema })
    const seed = Number(process.env['LAKE_CONDITIONS_SEED'] ?? Date.now() % 1_000_000_007)
    // Columns with few values are dictionary-coded, and get a Bloom filter.
    const select = `select each.* from (${randomRows(randomOf(seed), 6)}) as each, range(300)`
    await duckdb.use((session) => append(table, { session, select }))

    const misjudged = await duckdb.use(async (session) =>
      misjudgedConditions(session, table, await table.snapshot(), { values: 1 }),
    )

    expect({ seed, misjudged }).toEqual({ seed, misjudged: [] })
  })
})
