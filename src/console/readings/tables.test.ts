import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LakeError } from '../../lib/base/errors.ts'
import { DeltaTable } from '../../lib/delta/index.ts'
import { openFixture } from '../../lib/delta/testing/write.fixture.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { MemoryStore } from '../../lib/storage/store.memory.ts'
import { createTablesReader } from './tables.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const torn = new TextEncoder().encode('{"add":{"path":"a.parq')
const nextCommit = '_delta_log/00000000000000000001.json'

const hintOf = (): string => 'Do this.'

describe('createTablesReader(tables)', () => {
  it('gives the tables that can be read beside the one that cannot, which keeps its last figures', async () => {
    await using bronze = await openFixture(duckdb)
    await using silver = await openFixture(duckdb)
    await using gold = await MemoryStore.open()
    const read = createTablesReader(
      [
        { name: 'bronze', table: bronze.table },
        { name: 'silver', table: silver.table },
        { name: 'gold', table: new DeltaTable({ store: gold, duckdb }) },
      ],
      { hintOf },
    )
    const before = await read()

    await silver.store.put(nextCommit, torn)
    const after = await read()
    await silver.store.delete([nextCommit])

    expect(before).toMatchObject([{ version: 0 }, { version: 0, problem: null }, { version: null }])
    expect(after).toMatchObject([
      { name: 'bronze', version: 0, rows: 0, operation: 'CREATE TABLE', problem: null },
      {
        name: 'silver',
        version: 0,
        rows: 0,
        problem: {
          code: 'LOG_CORRUPT',
          message: expect.stringContaining(nextCommit),
          hint: 'Do this.',
        },
      },
      { name: 'gold', version: null, problem: null },
    ])
    expect(await read()).toEqual(before)
  })

  it('gives a table that could never be read without figures', async () => {
    await using bronze = await openFixture(duckdb)
    await using silver = await openFixture(duckdb)
    await silver.store.put(nextCommit, torn)
    const read = createTablesReader(
      [
        { name: 'bronze', table: bronze.table },
        { name: 'silver', table: silver.table },
      ],
      { hintOf },
    )

    expect(await read()).toMatchObject([
      { version: 0, problem: null },
      { version: null, rows: null, committedAt: null, problem: { code: 'LOG_CORRUPT' } },
    ])
  })

  it('fails where no table at all can be read', async () => {
    await using bronze = await openFixture(duckdb)
    bronze.hooked.hooks.before = () => {
      throw new LakeError('STORE_UNAVAILABLE', 'list the bucket: no answer')
    }

    await expect(
      createTablesReader([{ name: 'bronze', table: bronze.table }], { hintOf })(),
    ).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    })
  })
})
