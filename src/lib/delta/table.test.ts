import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../base/clock.ts'
import { isLakeError, LakeError } from '../base/errors.ts'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { MemoryStore } from '../storage/store.memory.ts'
import type { ObjectStore } from '../storage/store.ts'
import type { CommitOutcome } from './log/commit.ts'
import { checkpointKey, commitKey, lastCheckpointKey, version } from './log/log-path.ts'
import { field, structOf } from './schema/schema.ts'
import { type Change, DeltaTable } from './table.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const schema = structOf(field('day', 'date'), field('n', 'long'), field('word', 'string'))

async function tableOn(store: ObjectStore, clock = new ManualClock(1_000)): Promise<DeltaTable> {
  const table = new DeltaTable({ store, duckdb, clock })
  await table.createIfMissing({
    schema,
    partitionBy: ['day'],
    properties: { 'delta.enableInCommitTimestamps': 'true' },
  })
  return table
}

async function append(
  table: DeltaTable,
  select: string,
  change: Partial<Change> = {},
): Promise<CommitOutcome> {
  const snapshot = await table.snapshot()
  const staged = await duckdb.use((session) => table.stage(session, snapshot, select))
  return table.commit(snapshot, {
    add: staged.files,
    reads: { kind: 'none' },
    operation: { name: 'WRITE' },
    ...change,
  })
}

async function rowsOf(
  table: DeltaTable,
  options: Parameters<DeltaTable['snapshot']>[0] = {},
): Promise<unknown> {
  return duckdb.use(async (session) => {
    const select = await table.scan(session, await table.snapshot(options))
    return await session.rows(`select * from (${select}) order by all`)
  })
}

const rowOf = (n: number, day = '2026-01-01'): string =>
  `select date '${day}' as day, ${n} as n, 'w${n}' as word`

describe('DeltaTable', () => {
  it('reads back what was appended, at the newest and at every earlier version', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)

    await append(table, `select date '2026-01-01' as day, 9007199254740993 as n, 'long' as word`)
    await append(table, `${rowOf(2, '2026-01-02')} union all select null, null, null`)

    expect(await rowsOf(table)).toEqual([
      { day: '2026-01-01', n: 9007199254740993n, word: 'long' },
      { day: '2026-01-02', n: 2n, word: 'w2' },
      { day: null, n: null, word: null },
    ])
    expect(await rowsOf(table, { version: 1 })).toHaveLength(1)
    expect(await rowsOf(table, { version: 0 })).toEqual([])
  })

  it('lets one of ten racing makers create the table', async () => {
    await using store = await MemoryStore.open()

    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () =>
        new DeltaTable({ store, duckdb }).createIfMissing({ schema, partitionBy: ['day'] }),
      ),
    )

    expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
  })

  it('gives ten racing appenders ten versions and ten data files', async () => {
    await using store = await MemoryStore.open()
    await tableOn(store)

    await Promise.all(
      Array.from({ length: 10 }, (_, n) => append(new DeltaTable({ store, duckdb }), rowOf(n))),
    )

    const table = new DeltaTable({ store, duckdb })
    expect((await table.snapshot()).version).toBe(10)
    expect(await rowsOf(table)).toHaveLength(10)
    expect([...store.files.keys()].filter((key) => key.endsWith('.zstd.parquet'))).toHaveLength(10)
  })

  it('lets one of two writers of the same application and offset commit, and tells the other why', async () => {
    await using store = await MemoryStore.open()
    const [one, two] = [await tableOn(store), await tableOn(store)]
    const [first, second] = [await one.snapshot(), await two.snapshot()]
    const change = { reads: { kind: 'none' }, operation: { name: 'WRITE' } } as const

    const won = await one.commit(first, { ...change, transactions: { 'log/0': 10 } })
    const lost = await two.commit(second, { ...change, transactions: { 'log/0': 12 } })

    expect(won).toEqual({ kind: 'committed', version: 1 })
    expect(lost).toMatchObject({ kind: 'conflict', winner: 1, conflict: 'transaction' })
    expect((await two.snapshot()).transactions).toEqual({ 'log/0': 10 })
  })

  it('replaces files, and refuses when rows came in between', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    await append(table, rowOf(1))
    const snapshot = await table.snapshot()
    const replace = { remove: snapshot.files, reads: { kind: 'table' } } as const

    const staged = await duckdb.use((session) => table.stage(session, snapshot, rowOf(5)))
    await append(new DeltaTable({ store, duckdb }), rowOf(2))
    const late = await table.commit(snapshot, {
      ...replace,
      add: staged.files,
      operation: { name: 'WRITE', parameters: { mode: 'Overwrite' } },
    })

    expect(late).toMatchObject({ kind: 'conflict', conflict: 'added' })
    expect(await rowsOf(table)).toHaveLength(2)
  })

  it('does not let a transaction go backwards', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    await append(table, rowOf(1), { transactions: { 'log/0': 10 } })

    await expect(append(table, rowOf(2), { transactions: { 'log/0': 9 } })).rejects.toSatisfy((error) =>
      isLakeError(error, 'BUG'),
    )
  })

  it('reads the same state from a checkpoint and its tail as from all commits', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    for (let n = 1; n <= 12; n++) await append(table, rowOf(n), { transactions: { 'log/0': n } })
    const snapshot = await table.snapshot()
    await table.commit(snapshot, {
      remove: snapshot.files.slice(0, 3),
      reads: { kind: 'table' },
      operation: { name: 'DELETE' },
    })
    const whole = await rowsOf(table)

    expect(await store.head(checkpointKey(version(10)))).toBeDefined()
    for (let n = 0; n <= 9; n++) await store.delete([commitKey(version(n))])
    const reopened = new DeltaTable({ store, duckdb })

    expect(await rowsOf(reopened)).toEqual(whole)
    expect((await reopened.snapshot()).transactions).toEqual({ 'log/0': 12 })
    expect((await reopened.snapshot()).metadata).toEqual(snapshot.metadata)
    expect((await reopened.snapshot()).protocol).toEqual(snapshot.protocol)
    expect((await reopened.snapshot()).files).toEqual(
      (await table.snapshot()).files.map((file) => ({ ...file, dataChange: expect.any(Boolean) })),
    )
  })

  it.each([
    '',
    '{"version": 7}',
    '{"version": 9999}',
    'torn {',
  ])('opens the newest version whatever _last_checkpoint says (%j)', async (hint) => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    for (let n = 1; n <= 11; n++) await append(table, rowOf(n))

    await store.put(lastCheckpointKey, new TextEncoder().encode(hint))

    expect((await new DeltaTable({ store, duckdb }).snapshot()).version).toBe(11)
  })

  it('does after each commit what it was given to do, in place of a checkpoint', async () => {
    await using store = await MemoryStore.open()
    await tableOn(store)
    const versions: number[] = []
    const table = new DeltaTable({
      store,
      duckdb,
      afterCommit: async (_, { version: committed }) => {
        versions.push(committed)
      },
    })

    for (let n = 1; n <= 10; n++) await append(table, rowOf(n))

    expect(versions).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(await store.head(checkpointKey(version(10)))).toBeUndefined()
  })

  it('says LOG_CORRUPT with the version when a commit is missing', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    for (let n = 1; n <= 3; n++) await append(table, rowOf(n))
    await store.delete([commitKey(version(2))])

    await expect(new DeltaTable({ store, duckdb }).snapshot()).rejects.toSatisfy(
      (error) => isLakeError(error, 'LOG_CORRUPT') && error.details['version'] === 2,
    )
  })

  it('finds versions by time, by in-commit timestamps that rise when the clock goes back', async () => {
    await using store = await MemoryStore.open()
    const clock = new ManualClock(1_000)
    const table = await tableOn(store, clock)
    clock.advance(1_000)
    await append(table, rowOf(1))
    clock.advance(-500)
    await append(table, rowOf(2))

    const times = []
    for await (const { timestampMs } of table.history()) times.push(timestampMs)

    expect(times).toEqual([2_001, 2_000, 1_000])
    expect((await table.snapshot({ timestampMs: 2_000 })).version).toBe(1)
    await expect(table.snapshot({ timestampMs: 999 })).rejects.toSatisfy((error) =>
      isLakeError(error, 'VERSION_MISSING'),
    )
  })

  it('names the columns that do not fit, before anything is written', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)

    await expect(append(table, 'select 1 as n, 2 as extra')).rejects.toSatisfy(
      (error) =>
        isLakeError(error, 'SCHEMA_MISMATCH') &&
        /missing: day, word.*not in the table: extra/.test(error.message),
    )
    expect((await table.snapshot()).version).toBe(0)
  })

  it('refuses a table whose features it lacks, by their names', async () => {
    await using store = await MemoryStore.open()
    const table = await tableOn(store)
    await store.put(
      commitKey(version(1)),
      new TextEncoder().encode(
        '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["fromTheFuture"],"writerFeatures":["fromTheFuture"]}}\n',
      ),
    )

    await expect(table.snapshot()).rejects.toSatisfy(
      (error) => isLakeError(error, 'PROTOCOL_UNSUPPORTED') && error.message.includes('fromTheFuture'),
    )
  })
})

describe('commit, when the answer of the store is lost', () => {
  it('recognises its own commit and does not commit twice', async () => {
    await using store = await MemoryStore.open()
    await tableOn(store)
    let lost = 0
    const forgetful: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
      putIfAbsent: async (key: string, bytes: Uint8Array) => {
        const outcome = await store.putIfAbsent(key, bytes)
        lost++
        throw new LakeError('STORE_UNAVAILABLE', `no answer (${outcome})`)
      },
    })

    const outcome = await append(new DeltaTable({ store: forgetful, duckdb }), rowOf(1))

    expect(outcome).toEqual({ kind: 'committed', version: 1 })
    expect(lost).toBe(1)
    expect(await rowsOf(new DeltaTable({ store, duckdb }))).toHaveLength(1)
  })
})
