/** A table is restored from a copy, or replaced, under a process that knows a newer version of it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LogDetails, silentLogger } from '../base/log.ts'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { HookedStore } from '../storage/store.hooked.ts'
import { openLocalStore } from '../storage/store.local.ts'
import { MemoryStore } from '../storage/store.memory.ts'
import { openS3Store } from '../storage/store.s3.ts'
import type { ObjectStore } from '../storage/store.ts'
import { append } from './change/append.ts'
import { commitKey, version } from './log/log-path.ts'
import { field, structOf } from './schema/schema.ts'
import { DeltaTable } from './table.ts'
import { FakeS3 } from './testing/faults/s3.fixture.ts'

let duckdb: DuckDb
let folder = ''
let server: FakeS3
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-replaced-'))
  server = await FakeS3.open()
})
afterAll(async () => {
  duckdb[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** A place of its own, and others that write to it. */
interface Place extends AsyncDisposable {
  readonly store: ObjectStore
  readonly others: ObjectStore
}

const places: Readonly<Record<string, () => Promise<Place>>> = {
  memory: async () => {
    const store = await MemoryStore.open()
    return { store, others: store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
  },
  local: async () => {
    const root = await mkdtemp(join(folder, 't-'))
    return { store: openLocalStore(root), others: openLocalStore(root), async [Symbol.asyncDispose]() {} }
  },
  S3: async () => {
    server.objects.clear()
    const open = async (): Promise<ObjectStore> =>
      openS3Store({ ...server.options, cacheDirectory: await mkdtemp(join(folder, 'c-')) })
    const [store, others] = [await open(), await open()]
    return {
      store,
      others,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]()
        await others[Symbol.asyncDispose]()
      },
    }
  },
}

const tableOn = async (store: ObjectStore): Promise<DeltaTable> => {
  const table = new DeltaTable({ store, duckdb })
  await table.createIfMissing({ schema: structOf(field('n', 'long')), partitionBy: [] })
  return table
}

const put = (table: DeltaTable, ...numbers: readonly number[]) =>
  duckdb.use(async (session) => {
    for (const n of numbers) await append(table, { session, select: `select ${n} as n` })
  })

const numbersIn = (table: DeltaTable): Promise<readonly number[]> =>
  duckdb.use(async (session) => {
    const select = await table.scan(session, await table.snapshot())
    const rows = await session.rows(`select n from (${select}) order by n`)
    return rows.map(({ n }) => Number(n))
  })

/** Later rows are those that a new process finds. */
const foundBy = (store: ObjectStore): Promise<readonly number[]> =>
  numbersIn(new DeltaTable({ store, duckdb }))

type Copy = ReadonlyMap<string, Uint8Array>

async function copyOf(store: ObjectStore): Promise<Copy> {
  const copy = new Map<string, Uint8Array>()
  for await (const { key } of store.list('')) copy.set(key, await store.read(key))
  return copy
}

async function putBack(store: ObjectStore, copy: Copy): Promise<void> {
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  await store.delete(keys)
  for (const [key, bytes] of copy) await store.put(key, bytes)
}

const stale = { reads: { kind: 'none' }, operation: { name: 'WRITE' } } as const

describe.each(Object.entries(places))('a table that is replaced under its writer: %s', (_, open) => {
  it('goes on from the older copy, and leaves no gap in the log', async () => {
    await using place = await open()
    const table = await tableOn(place.store)
    await put(table, 1)
    const older = await copyOf(place.others)
    await put(table, 2, 3)
    await putBack(place.others, older)

    await put(table, 4)

    expect((await table.snapshot()).version).toBe(2)
    expect(await foundBy(place.others)).toEqual([1, 4])
  })

  it('reads the other history of the same versions, and not its end upon the beginning of its own', async () => {
    await using place = await open()
    const table = await tableOn(place.store)
    await put(table, 1)
    const older = await copyOf(place.others)
    await put(table, 2)
    await putBack(place.others, older)
    await put(new DeltaTable({ store: place.others, duckdb }), 20, 30)

    expect(await numbersIn(table)).toEqual([1, 20, 30])
  })

  it('reads the other history from its checkpoint, which has the name of the one that it knows', async () => {
    await using place = await open()
    await put(await tableOn(place.others), 1, 2)
    const older = await copyOf(place.others)
    const others = new DeltaTable({ store: place.others, duckdb })
    await put(others, 3)
    await others.checkpoint()
    const table = new DeltaTable({ store: place.store, duckdb })
    expect(await numbersIn(table)).toEqual([1, 2, 3])
    await putBack(place.others, older)
    const restored = new DeltaTable({ store: place.others, duckdb })
    await put(restored, 30)
    await restored.checkpoint()

    expect(await numbersIn(table)).toEqual([1, 2, 30])
  })

  it('commits nothing that was computed from a version that is gone', async () => {
    await using place = await open()
    const table = await tableOn(place.store)
    await put(table, 1)
    const older = await copyOf(place.others)
    await put(table, 2)
    const computedFrom = await table.snapshot()
    await putBack(place.others, older)

    const outcome = await table.commit(computedFrom, stale)

    expect(outcome).toEqual({
      kind: 'conflict',
      winner: 2,
      conflict: 'replaced',
      reason:
        'version 2 is no longer in the log as it was read: the table was restored from a copy, or replaced',
    })
    expect(await place.others.head(commitKey(version(3)))).toBeUndefined()
  })
})

describe('a table that is kept open', () => {
  it('plans a write again if the table is replaced between its reading and its commit', async () => {
    await using store = await MemoryStore.open()
    const hooked = new HookedStore(store)
    const table = await tableOn(hooked)
    await put(table, 1)
    const older = await copyOf(store)
    await put(table, 2)
    hooked.hooks.before = async (call) => {
      if (call !== 'publish') return
      delete hooked.hooks.before
      await putBack(store, older)
    }

    await put(table, 3)

    expect(await foundBy(store)).toEqual([1, 3])
  })

  it('warns of a replaced table, and says which versions', async () => {
    await using store = await MemoryStore.open()
    const warnings: LogDetails[] = []
    const logger = { ...silentLogger, warn: (details: LogDetails) => void warnings.push(details) }
    await put(await tableOn(store), 1)
    const older = await copyOf(store)
    const table = new DeltaTable({ store, duckdb, logger })
    await put(table, 2)
    await putBack(store, older)

    await table.snapshot()
    await table.snapshot()

    expect(warnings).toEqual([{ uri: 'memory:', known: 2, newest: 1 }])
  })

  it('finds the newest version if the one that it knows was cleaned up long ago', async () => {
    await using store = await MemoryStore.open()
    const warnings: LogDetails[] = []
    const logger = { ...silentLogger, warn: (details: LogDetails) => void warnings.push(details) }
    await put(await tableOn(store), 1)
    const asleep = new DeltaTable({ store, duckdb, logger })
    await asleep.snapshot()
    const others = new DeltaTable({ store, duckdb })
    await put(others, 2, 3)
    await others.checkpoint()
    for (const each of [0, 1, 2]) store.files.delete(commitKey(version(each)))

    await put(asleep, 4)

    expect(await foundBy(store)).toEqual([1, 2, 3, 4])
    expect(warnings).toEqual([])
  })

  it('reads nothing again of a table whose files were only touched', async () => {
    await using store = await MemoryStore.open()
    const hooked = new HookedStore(store)
    const table = await tableOn(hooked)
    await put(table, 1)
    await putBack(store, await copyOf(store))
    const known = await table.snapshot()

    expect(await table.snapshot()).toBe(known)
  })

  it('asks the store twice if nothing is new: for the next commit, and for the newest that it knows', async () => {
    await using store = await MemoryStore.open()
    await put(await tableOn(store), 1)
    const hooked = new HookedStore(store)
    const table = new DeltaTable({ store: hooked, duckdb })
    await table.snapshot()
    const calls: string[] = []
    hooked.hooks.before = (call, key) => void calls.push(`${call} ${key}`)

    await table.snapshot()

    expect(calls.toSorted()).toEqual([
      'head _delta_log/00000000000000000001.json',
      'read _delta_log/00000000000000000002.json',
    ])
  })
})
