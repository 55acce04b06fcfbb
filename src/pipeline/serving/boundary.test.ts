import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { append, DeltaTable } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { MemoryStore } from '../../lib/storage/store.memory.ts'
import { lakeTables } from '../model/tables.ts'
import { boundaryOf } from './boundary.ts'

let duckdb: DuckDb
let store: MemoryStore
let bronze: DeltaTable
let landed = 0
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())
beforeEach(async () => {
  landed = 0
  store = await MemoryStore.open()
  bronze = new DeltaTable({ store, duckdb })
  await bronze.createIfMissing(lakeTables['bronze/events'])
  return () => store[Symbol.asyncDispose]()
})

/** One commit of one file: messages of partitions, each with the day that it was appended on, a minute after those before. */
async function land(messages: readonly (readonly [partition: number, day: string])[]): Promise<void> {
  const time = `12:${String(landed).padStart(2, '0')}`
  const rows = messages.map(
    ([partition, day], at) =>
      `('e${at}', 1::bigint, 'click', '/', timestamptz '2026-01-01', 'web', date '2026-01-01', 'topic', ` +
      `${partition}::int, ${at}::bigint, timestamptz '${day} ${time}', timestamptz '${day} ${time}')`,
  )
  const names = lakeTables['bronze/events'].schema.fields.map(({ name }) => name).join(', ')
  const [first = [0]] = messages
  landed += 1
  await duckdb.use((session) =>
    append(
      bronze,
      { session, select: `select * from (values ${rows.join(', ')}) t(${names})` },
      { transaction: { appId: `landing/v1/cluster/topic/${first[0]}`, version: landed } },
    ),
  )
}

const boundary = async (): Promise<string> =>
  boundaryOf({ table: () => bronze, duckdb }, await bronze.snapshot(), {})

/** So that who reads it fails. */
async function loseFileOf(version: number): Promise<void> {
  const before = await bronze.snapshot({ version: version - 1 })
  const { files } = await bronze.snapshot({ version })
  for (const { path } of files) {
    if (!before.files.some((file) => file.path === path)) store.files.delete(path)
  }
}

describe('boundaryOf(context, bronze)', () => {
  it('is before any day where there are no events', async () => {
    expect(await boundary()).toBe('1970-01-01')
  })

  it('is the day of the partition that is furthest behind', async () => {
    await land([[0, '2026-01-20']])
    await land([[1, '2026-01-18']])
    await land([[2, '2026-01-19']])

    expect(await boundary()).toBe('2026-01-18')
  })

  it('takes the newest message of a partition, in whichever file it is', async () => {
    await land([
      [0, '2026-01-20'],
      [1, '2026-01-10'],
    ])
    await land([[1, '2026-01-18']])

    expect(await boundary()).toBe('2026-01-18')
  })

  it('reads no file whose messages are older than the answer', async () => {
    await land([[1, '2026-01-02']])
    await land([[0, '2026-01-03']])
    await land([[0, '2026-01-20']])
    await land([[1, '2026-01-20']])
    await loseFileOf(1)
    await loseFileOf(2)

    expect(await boundary()).toBe('2026-01-20')
  })

  it('reads a few of many files of one day, as long as they show each partition', async () => {
    for (let file = 0; file < 30; file++) await land([[0, '2026-01-20']])
    await land([
      [0, '2026-01-20'],
      [1, '2026-01-20'],
    ])
    for (const version of [1, 2, 3, 4]) await loseFileOf(version)

    expect(await boundary()).toBe('2026-01-20')
  })

  it('reads on until each partition was seen', async () => {
    await land([[1, '2026-01-02']])
    for (const day of ['2026-01-17', '2026-01-18', '2026-01-19', '2026-01-20']) await land([[0, day]])

    expect(await boundary()).toBe('2026-01-02')
  })
})
