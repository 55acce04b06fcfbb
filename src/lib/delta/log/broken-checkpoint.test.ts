import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Logger, silentLogger } from '../../base/log.ts'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import type { MemoryStore } from '../../storage/store.memory.ts'
import { append } from '../change/append.ts'
import { DeltaTable } from '../table.ts'
import { failureOf, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { checkpointKey, commitKey, version } from './log-path.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const put = (table: DeltaTable, id: number) =>
  duckdb.use((session) =>
    append(table, { session, select: `select date '2026-01-01' as day, ${id} as id, 'a' as word` }),
  )

/** A fresh look at the table, and what it warns of. */
function reopened(store: MemoryStore): { readonly table: DeltaTable; readonly warnings: unknown[] } {
  const warnings: unknown[] = []
  const logger: Logger = { ...silentLogger, warn: (details: object) => warnings.push(details) }
  return { table: new DeltaTable({ store, duckdb, logger }), warnings }
}

async function truncate(store: MemoryStore, key: string): Promise<void> {
  const bytes = await store.read(key)
  await store.put(key, bytes.subarray(0, bytes.length / 2))
}

describe('a checkpoint that cannot be read', () => {
  it.each([
    'classic',
    'v2',
  ])('is passed over where the log is whole, and replaced by the next write: %s', async (policy) => {
    await using fixture = await openFixture(duckdb, { properties: { 'delta.checkpointPolicy': policy } })
    const { store } = fixture
    for (let id = 1; id <= 3; id++) await put(fixture.table, id)
    await fixture.table.checkpoint()
    await put(fixture.table, 4)
    const keys = [...store.files.keys()].filter((key) => /checkpoint\.|_sidecars\//.test(key))
    for (const key of keys) await truncate(store, key)
    const { table, warnings } = reopened(store)

    expect((await rowsOf(table)).map(({ id }) => id)).toEqual([1n, 2n, 3n, 4n])
    expect(warnings).toHaveLength(1)

    await put(table, 5)
    // What the new checkpoint holds is no longer taken from the commits.
    for (let at = 0; at <= 4; at++) await store.delete([commitKey(version(at))])
    const after = reopened(store)
    expect((await rowsOf(after.table)).map(({ id }) => id)).toEqual([1n, 2n, 3n, 4n, 5n])
    expect(after.warnings).toEqual([])
  })

  it('is passed over for an older one that can', async () => {
    await using fixture = await openFixture(duckdb)
    const { store } = fixture
    await put(fixture.table, 1)
    await fixture.table.checkpoint()
    await put(fixture.table, 2)
    await fixture.table.checkpoint()
    await truncate(store, checkpointKey(version(2)))
    await store.delete([commitKey(version(0)), commitKey(version(1))])

    expect(await rowsOf(reopened(store).table)).toHaveLength(2)
  })

  it('is an error where a commit that it stands for is gone', async () => {
    await using fixture = await openFixture(duckdb)
    const { store } = fixture
    await put(fixture.table, 1)
    await fixture.table.checkpoint()
    await truncate(store, checkpointKey(version(1)))
    await store.delete([commitKey(version(0))])

    expect(await failureOf(rowsOf(reopened(store).table))).toMatch(
      /^LOG_CORRUPT: .*checkpoint .*cannot be read/,
    )
  })
})
