import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import type { Row } from '../../duckdb/values.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { arrayOf, type DataType, field, structOf } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'
import { failureOf } from '../testing/write.fixture.ts'
import type { ScanOptions } from './scan.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const schema = structOf(field('day', 'date'), field('n', 'long'))

async function tableWith(store: ObjectStore, ...selects: readonly string[]): Promise<DeltaTable> {
  const table = new DeltaTable({ store, duckdb })
  await table.createIfMissing({ schema, partitionBy: ['day'] })
  for (const select of selects) {
    const snapshot = await table.snapshot()
    const staged = await duckdb.use((session) => table.stage(session, snapshot, select))
    await table.commit(snapshot, {
      add: staged.files,
      reads: { kind: 'none' },
      operation: { name: 'WRITE' },
    })
  }
  return table
}

async function scanned(table: DeltaTable, options: ScanOptions = {}, columns = '*'): Promise<readonly Row[]> {
  return duckdb.use(async (session) => {
    const select = await table.scan(session, await table.snapshot(), options)
    return await session.rows(`select ${columns} from (${select}) order by all`)
  })
}

describe('scanSelect(session, store, snapshot, { withRowPlace })', () => {
  it('names for each row its file and its number in that file', async () => {
    await using store = await MemoryStore.open()
    const table = await tableWith(
      store,
      `select date '2026-01-01' as day, unnest([10, 11, 12]) as n`,
      `select date '2026-01-02' as day, unnest([20, 21]) as n`,
    )
    const { files } = await table.snapshot()

    const rows = await scanned(table, { files, withRowPlace: true }, 'n, _file, _row')

    expect(rows.map(({ n, _file, _row }) => [n, files[Number(_file)]?.partitionValues['day'], _row])).toEqual(
      [
        [10n, '2026-01-01', 0n],
        [11n, '2026-01-01', 1n],
        [12n, '2026-01-01', 2n],
        [20n, '2026-01-02', 0n],
        [21n, '2026-01-02', 1n],
      ],
    )
  })

  it('has its columns where there is no file', async () => {
    await using store = await MemoryStore.open()

    expect(await scanned(await tableWith(store), { withRowPlace: true }, 'n, _file, _row')).toEqual([])
  })

  it('reads more files than fit into the text of a statement', async () => {
    await using store = await MemoryStore.open()
    const many = `select date '2026-01-01' + (range % 150)::integer as day, range as n from range(300)`
    const table = await tableWith(store, many)

    const [sum] = await scanned(
      table,
      { withRowPlace: true },
      'count(*) as n, count(distinct _file) as files, sum(n) as total, max(_row) as last, count(distinct day) as days',
    )

    expect(sum).toEqual({ n: 300n, files: 150n, total: 44850n, last: 1n, days: 150n })
  })
})

describe('scanSelect(session, store, snapshot, { columns })', () => {
  it('gives the columns in the order that they are named', async () => {
    await using store = await MemoryStore.open()
    const table = await tableWith(store, `select date '2026-01-01' as day, 1 as n`)

    expect(Object.keys((await scanned(table, { columns: ['n', 'day'] }))[0] ?? {})).toEqual(['n', 'day'])
    expect(await scanned(table, { columns: ['day'] })).toEqual([{ day: '2026-01-01' }])
    await expect(scanned(table, { columns: ['m'] })).rejects.toMatchObject({ code: 'COLUMN_MISSING' })
  })
})

describe('scanSelect(session, store, snapshot)', () => {
  it('refuses lists that are nested deeper than anyone waits for', async () => {
    await using store = await MemoryStore.open()
    const table = new DeltaTable({ store, duckdb })
    const lists = (depth: number): DataType => (depth === 0 ? 'long' : arrayOf(lists(depth - 1)))
    await table.createIfMissing({ schema: structOf(field('n', 'long'), field('l', lists(40))) })
    const snapshot = await table.snapshot()
    const staged = await duckdb.use((session) =>
      table.stage(session, snapshot, 'select 1 as n', { missing: 'null' }),
    )
    await table.commit(snapshot, {
      add: staged.files,
      reads: { kind: 'none' },
      operation: { name: 'WRITE' },
    })

    expect(await failureOf(scanned(table))).toBe(
      'PROTOCOL_UNSUPPORTED: Column l: lists and maps are nested 40 deep, and 20 are the most that can be read',
    )
    expect(await scanned(table, { columns: ['n'] })).toEqual([{ n: 1n }])
  })
})
