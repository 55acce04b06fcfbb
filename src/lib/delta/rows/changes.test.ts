import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../../base/clock.ts'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { type Action, encodeActions } from '../log/actions.ts'
import { commitKey, version } from '../log/log-path.ts'
import { field, structOf } from '../schema/schema.ts'
import { inlineDeletionVector } from '../snapshot/deletion-vector.ts'
import { RowSet } from '../snapshot/row-set.ts'
import { DeltaTable } from '../table.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const schema = structOf(field('day', 'date'), field('n', 'long'))

/** Version 1 holds rows 0 to 4 in one file. */
async function tableOn(store: ObjectStore): Promise<DeltaTable> {
  const table = new DeltaTable({ store, duckdb, clock: new ManualClock(1_767_225_600_000) })
  await table.createIfMissing({
    schema,
    partitionBy: ['day'],
    properties: { 'delta.enableInCommitTimestamps': 'true' },
  })
  const snapshot = await table.snapshot()
  const staged = await duckdb.use((session) =>
    table.stage(session, snapshot, `select date '2026-01-01' as day, unnest(range(5)) as n`),
  )
  await table.commit(snapshot, {
    add: staged.files,
    reads: { kind: 'none' },
    operation: { name: 'WRITE' },
  })
  return table
}

async function commitRaw(table: DeltaTable, at: number, actions: readonly Action[]): Promise<void> {
  const info: Action = { commitInfo: { inCommitTimestamp: 1_767_225_600_000 + 1_000 * at } }
  await table.store.put(commitKey(version(at)), encodeActions([info, ...actions]))
}

async function changes(table: DeltaTable, from: number, to?: number): Promise<readonly unknown[]> {
  const snapshot = await table.snapshot(to === undefined ? {} : { version: to })
  return duckdb.use(async (session) => {
    const select = await table.changes(session, snapshot, { from })
    const rows = await session.rows(
      `select n, _change_type as t, _commit_version as v, day from (${select}) order by v, t, n`,
    )
    return rows.map(({ n, t, v, day }) => `${String(v)} ${String(t)} ${String(n)} ${String(day)}`)
  })
}

const inserts = [0, 1, 2, 3, 4].map((n) => `1 insert ${n} 2026-01-01`)

describe('changesSelect(session, store, duckdb, to, { from })', () => {
  it('has the rows of added files as inserts, those of removed ones as deletes', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    const [file] = (await table.snapshot()).files
    expect.assert(file !== undefined)
    await commitRaw(table, 2, [
      { remove: { path: file.path, dataChange: true, partitionValues: file.partitionValues } },
    ])

    expect(await changes(table, 0, 1)).toEqual(inserts)
    expect(await changes(table, 2)).toEqual([0, 1, 2, 3, 4].map((n) => `2 delete ${n} 2026-01-01`))
    expect(await changes(table, 0)).toHaveLength(10)
  })

  it('finds partition values that a remove does not repeat', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    const [file] = (await table.snapshot()).files
    await commitRaw(table, 2, [{ remove: { path: file?.path ?? '', dataChange: true } }])

    expect(await changes(table, 2)).toContain('2 delete 3 2026-01-01')
  })

  it('has the rows between two deletion vectors of a file', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    const [file] = (await table.snapshot()).files
    expect.assert(file !== undefined)
    const [one, other] = [RowSet.of([1, 2]), RowSet.of([2, 4])].map(inlineDeletionVector)
    expect.assert(one !== undefined && other !== undefined)
    const remove = { path: file.path, dataChange: true, partitionValues: file.partitionValues }
    await commitRaw(table, 2, [{ remove }, { add: { ...file, deletionVector: one } }])
    await commitRaw(table, 3, [
      { remove: { ...remove, deletionVector: one } },
      { add: { ...file, deletionVector: other } },
    ])

    expect(await changes(table, 2)).toEqual([
      '2 delete 1 2026-01-01',
      '2 delete 2 2026-01-01',
      '3 delete 4 2026-01-01',
      '3 insert 1 2026-01-01',
    ])
  })

  it('goes by the change files of a commit that has some', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    const [file] = (await table.snapshot()).files
    expect.assert(file !== undefined)
    const path = `${store.stagingRoot}/changes.parquet`
    await duckdb.use((session) =>
      session.run(
        `copy (select 1::bigint as n, 'update_preimage' as _change_type union all select 7, 'update_postimage') to '${path}'`,
      ),
    )
    await commitRaw(table, 2, [
      { remove: { path: file.path, dataChange: true, partitionValues: file.partitionValues } },
      { cdc: { path, size: 1, partitionValues: { day: '2026-01-02' } } },
    ])

    expect(await changes(table, 2)).toEqual([
      '2 update_postimage 7 2026-01-02',
      '2 update_preimage 1 2026-01-02',
    ])
  })

  it('leaves out files that hold no change, and has its columns all the same', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    const [file] = (await table.snapshot()).files
    expect.assert(file !== undefined)
    await commitRaw(table, 2, [{ remove: { path: file.path, dataChange: false } }])

    expect(await changes(table, 2)).toEqual([])
  })

  it('says when each version was committed', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    const times = await duckdb.use(async (session) =>
      session.rows(
        `select distinct _commit_timestamp as t from (${await table.changes(session, await table.snapshot(), { from: 1 })})`,
      ),
    )

    expect(times).toEqual([{ t: '2026-01-01T00:00:00.001000Z' }])
  })

  it.each([
    [3, 'VERSION_MISSING'],
    [-1, 'VERSION_MISSING'],
  ])('refuses to begin at version %i', async (from, code) => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)

    await expect(changes(table, from)).rejects.toMatchObject({ code })
  })
})
