import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { HookedStore } from '../../storage/store.hooked.ts'
import { openLocalStore } from '../../storage/store.local.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { field, structOf } from '../schema/schema.ts'
import { encodeDeletionVectorFile, inlineDeletionVector } from '../snapshot/deletion-vector.ts'
import { RowSet } from '../snapshot/row-set.ts'
import { DeltaTable } from '../table.ts'
import { createRawTable, withFeatures, writeRawFile } from '../testing/raw-table.fixture.ts'
import { beforeNextCommit, failureOf, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { addConstraint } from './alter/check.ts'
import { addColumns, dropColumn, renameColumn, widenColumn } from './alter/columns.ts'
import { setProperties } from './alter/set-properties.ts'
import { append } from './append.ts'
import { cloneDeep } from './clone.ts'
import { deleteRows } from './delete.ts'
import { restore } from './restore.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const put = (table: DeltaTable, select: string) =>
  duckdb.use((session) => append(table, { session, select }, { missing: 'null' }))
const take = (table: DeltaTable, where: string) =>
  duckdb.use((session) => deleteRows(table, session, { where }))
const days = (from: number, to: number): string =>
  `select date '2026-01-01' + (i // 2)::integer as day, i as id, 'w' || i as word from range(${from}, ${to}) t(i)`
const idsOf = async (table: DeltaTable): Promise<readonly number[]> =>
  (await rowsOf(table)).map(({ id }) => Number(id)).toSorted((a, b) => a - b)
const withRows = async (properties: Record<string, string> = {}) => {
  const fixture = await openFixture(duckdb, {
    properties: { 'delta.enableInCommitTimestamps': 'true', ...properties },
  })
  await put(fixture.table, days(0, 6))
  return fixture
}

/** A table of another writer: a file with a vector beside it, one with a vector in the log, one without. */
async function withVectors(store: MemoryStore): Promise<DeltaTable> {
  const beside = encodeDeletionVectorFile([RowSet.of([1])], 'd2c639aa-8816-431a-aaf6-d3fe2512ff61')
  await store.put(beside.key, beside.bytes)
  const rows = (from: number) => `select i as id from range(${from}, ${from + 3}) t(i)`
  const [vector] = beside.vectors
  await createRawTable(store, duckdb, {
    schema: structOf(field('id', 'long')),
    protocol: withFeatures('deletionVectors'),
    configuration: { 'delta.enableDeletionVectors': 'true' },
    files: [
      await writeRawFile(
        store,
        duckdb,
        'a.parquet',
        rows(0),
        vector === undefined ? {} : { deletionVector: vector },
      ),
      await writeRawFile(store, duckdb, 'b.parquet', rows(10), {
        deletionVector: inlineDeletionVector(RowSet.of([0, 2])),
        stats: '{"numRecords":3}',
        tags: { of: 'another' },
      }),
      await writeRawFile(store, duckdb, 'c.parquet', rows(20)),
    ],
  })
  return new DeltaTable({ store, duckdb })
}

describe('restore(table, { version })', () => {
  it('makes rows, schema and properties of then the newest version, and keeps those between', async () => {
    await using fixture = await withRows()
    const { table } = fixture
    await take(table, 'id = 0')
    await addColumns(table, [{ path: 'note', type: 'string' }])
    await setProperties(table, { mine: 'x' })
    await addConstraint(table, 'few', 'id < 100')
    await put(table, days(6, 8))

    const outcome = await restore(table, { version: 1 })

    expect(outcome).toMatchObject({
      kind: 'committed',
      version: 7,
      metrics: { numRestoredFiles: 1, numRemovedFiles: 2, numOfFilesAfterRestore: 3 },
    })
    expect(await idsOf(table)).toEqual([0, 1, 2, 3, 4, 5])
    expect((await rowsOf(table))[0]).not.toHaveProperty('note')
    expect((await table.snapshot()).metadata.configuration).toEqual({
      'delta.enableInCommitTimestamps': 'true',
    })
    expect((await table.snapshot()).protocol.writerFeatures).toContain('checkConstraints')
    expect(await rowsOf(table, { version: 6 })).toHaveLength(7)
    expect(await restore(table, { version: 1 })).toMatchObject({ kind: 'unchanged' })
    await restore(table, { version: 6 })
    expect(await rowsOf(table)).toHaveLength(7)
    expect((await table.snapshot()).metadata.configuration).toMatchObject({
      'delta.constraints.few': 'id < 100',
    })
  })

  it('goes back over renamed, dropped and widened columns, and gives no id twice', async () => {
    await using fixture = await withRows({ 'delta.columnMapping.mode': 'name' })
    const { table } = fixture
    await renameColumn(table, 'word', 'text')
    await dropColumn(table, 'text')
    await addColumns(table, [{ path: 'n', type: 'integer' }])
    await widenColumn(table, 'n', 'long')
    await put(table, 'select null::date as day, 9 as id, 3000000000 as n')

    await restore(table, { version: 1 })
    await addColumns(table, [{ path: 'n', type: 'string' }])
    await put(table, "select date '2026-02-01' as day, 7 as id, 'w7' as word, 'seven' as n")

    expect((await rowsOf(table)).map(({ id, word, n }) => [id, word, n]).slice(-2)).toEqual([
      [5n, 'w5', null],
      [7n, 'w7', 'seven'],
    ])
    const { schema, metadata } = await table.snapshot()
    expect(schema.fields.map((each) => each.metadata['delta.columnMapping.id'])).toEqual([1, 2, 3, 5])
    expect(metadata.configuration['delta.columnMapping.maxColumnId']).toBe('5')
  })

  it('goes back to a time, and leaves what applications have written', async () => {
    await using fixture = await withRows()
    const { table } = fixture
    const timestampMs = (await table.snapshot()).state.inCommitTimestampMs ?? 0
    await duckdb.use((session) =>
      append(table, { session, select: days(6, 8) }, { transaction: { appId: 'app', version: 4 } }),
    )

    await restore(table, { timestampMs })

    expect(await idsOf(table)).toEqual([0, 1, 2, 3, 4, 5])
    expect((await table.snapshot()).transactionVersion('app')).toBe(4)
    expect(await failureOf(restore(table, { version: 99 }))).toContain('VERSION_MISSING')
    expect(await failureOf(restore(table, {}))).toContain('USAGE')
  })

  it('refuses by name where a file of then is gone, and changes nothing', async () => {
    await using fixture = await withRows()
    const { table } = fixture
    const [first] = (await table.snapshot()).files
    await take(table, 'true')
    await fixture.store.delete([first?.path ?? ''])

    expect(await failureOf(restore(table, { version: 1 }))).toMatch(
      /^OBJECT_MISSING: Cannot restore memory: to version 1: day=2026-01-0\d\/\S+\.parquet is gone/,
    )
    expect((await table.snapshot()).version).toBe(2)
  })

  it('is planned again where rows came in between: they go too', async () => {
    await using fixture = await withRows()
    const other = new DeltaTable({ store: fixture.store, duckdb })
    await take(other, 'id < 3')
    beforeNextCommit(fixture.hooked, () => put(other, days(8, 10)))

    await restore(fixture.table, { version: 1 })

    expect(await idsOf(fixture.table)).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('brings back deleted rows of files with deletion vectors', async () => {
    await using store = await MemoryStore.open()
    const table = await withVectors(store)
    expect(await idsOf(table)).toEqual([0, 2, 11, 20, 21, 22])
    await take(table, 'id in (0, 11, 21)')
    await put(table, 'select 30::bigint as id')
    expect(await idsOf(table)).toEqual([2, 20, 22, 30])

    await restore(table, { version: 0 })

    expect(await idsOf(table)).toEqual([0, 2, 11, 20, 21, 22])
    await table.checkpoint()
    expect(await idsOf(new DeltaTable({ store, duckdb }))).toEqual([0, 2, 11, 20, 21, 22])
  })
})

describe('cloneDeep(source, target)', () => {
  const openTarget = async () => {
    const store = await MemoryStore.open()
    const hooked = new HookedStore(store)
    return {
      store,
      hooked,
      table: new DeltaTable({ store: hooked, duckdb }),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    }
  }

  it('copies rows, schema and properties of a version, with a history of its own', async () => {
    await using source = await withRows({ 'delta.columnMapping.mode': 'name', mine: 'x' })
    await renameColumn(source.table, 'word', 'text')
    await put(source.table, "select date '2026-02-01' as day, 9 as id, 'nine' as text")
    await using target = await openTarget()
    await using older = await openTarget()

    expect(await cloneDeep(source.table, target.table)).toMatchObject({
      kind: 'committed',
      version: 0,
      metrics: { numCopiedFiles: 4 },
    })
    await cloneDeep(source.table, older.table, { version: 1 })

    expect(await rowsOf(target.table)).toEqual(await rowsOf(source.table))
    expect(await rowsOf(older.table)).toEqual(await rowsOf(source.table, { version: 1 }))
    const [from, to] = [await source.table.snapshot(), await target.table.snapshot()]
    expect(to.files).toEqual(from.files)
    expect(to.metadata).toMatchObject({
      schemaString: from.metadata.schemaString,
      configuration: from.metadata.configuration,
    })
    expect(to.metadata.id).not.toBe(from.metadata.id)
    await take(source.table, 'true')
    await put(target.table, "select date '2026-02-02' as day, 10 as id, 'ten' as text")
    expect(await rowsOf(target.table)).toHaveLength(8)
    expect(await failureOf(cloneDeep(source.table, target.table))).toContain('TABLE_EXISTS')
  })

  it('copies deletion vectors with their files, and what others have noted of them', async () => {
    await using store = await MemoryStore.open()
    const source = await withVectors(store)
    await using target = await openTarget()

    await cloneDeep(source, target.table)

    expect(await idsOf(target.table)).toEqual([0, 2, 11, 20, 21, 22])
    expect((await target.table.snapshot()).files).toEqual((await source.snapshot()).files)
  })

  it('gives files that lie outside of the source a place in the target', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lake-clone-'))
    try {
      const outside = openLocalStore(folder)
      const file = await writeRawFile(outside, duckdb, 'o.parquet', 'select 1::bigint as id')
      await using store = await MemoryStore.open()
      const source = await createRawTable(store, duckdb, {
        schema: structOf(field('id', 'long')),
        files: [{ ...file, path: join(folder, 'o.parquet') }],
      })
      await using target = await openTarget()

      await cloneDeep(source, target.table)
      await rm(folder, { recursive: true })

      expect(await idsOf(target.table)).toEqual([1])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('leaves no table where it ends before its commit, and is made again', async () => {
    await using source = await withRows()
    await using target = await openTarget()
    const fresh = () => new DeltaTable({ store: target.store, duckdb })
    for (const stopAt of [1, 3, 4]) {
      let puts = 0
      target.hooked.hooks.before = (call) => {
        if (call === 'put' || call === 'putIfAbsent') puts += 1
        if (puts >= stopAt) throw new Error('killed')
      }
      await expect(cloneDeep(source.table, target.table)).rejects.toThrow('killed')
      expect(await fresh().exists()).toBe(false)
    }
    delete target.hooked.hooks.before

    await cloneDeep(source.table, target.table)

    expect(await idsOf(fresh())).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('is made by one of those who race, and reads the same for both', async () => {
    await using source = await withRows()
    await using target = await openTarget()
    const other = new DeltaTable({ store: target.store, duckdb })
    beforeNextCommit(target.hooked, () => cloneDeep(source.table, other))

    expect(await failureOf(cloneDeep(source.table, target.table))).toContain('TABLE_EXISTS')
    expect(await idsOf(other)).toEqual([0, 1, 2, 3, 4, 5])
  })
})
