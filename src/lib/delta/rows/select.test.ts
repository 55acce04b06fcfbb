import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { append } from '../change/append.ts'
import { deleteRows } from '../change/delete.ts'
import { field, structOf } from '../schema/schema.ts'
import { createRawTable, writeRawFile } from '../testing/raw-table.fixture.ts'
import { failureOf, openFixture } from '../testing/write.fixture.ts'
import { explainRead, type RowSelection, selectRows } from './select.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

/** A file for each of ten days, of which the last is today. */
async function openDays(partitionBy: readonly string[]) {
  const fixture = await openFixture(duckdb, { partitionBy })
  await duckdb.use(async (session) => {
    for (let ago = 0; ago < 10; ago++) {
      const select = `select current_date - ${ago} as day, ${ago} as id, 'w' as word`
      await append(fixture.table, { session, select })
    }
  })
  return fixture
}

describe('selectRows(session, table, snapshot, { where })', () => {
  it.each([
    [['day'], 'skippedByPartition'],
    [[], 'skippedByStatistics'],
  ] as const)('reads for a condition with the time the files that may hold such rows (by %j)', async (by, skipped) => {
    await using fixture = await openDays(by)
    const snapshot = await fixture.table.snapshot()

    await duckdb.use(async (session) => {
      const where = 'day >= current_date - 2 and id >= 0'
      expect(await explainRead(session, snapshot, { where })).toMatchObject({ filesRead: 3, [skipped]: 7 })
      const rows = await session.rows(await selectRows(session, fixture.table, snapshot, { where }))
      expect(rows.map(({ id }) => Number(id)).toSorted()).toEqual([0, 1, 2])
    })
  })

  it('chooses files and rows by the same time, however much later the rows are read', async () => {
    await using fixture = await openDays(['day'])
    const snapshot = await fixture.table.snapshot()

    const select = await duckdb.use((session) =>
      selectRows(session, fixture.table, snapshot, {
        where: 'now() = transaction_timestamp() and day <= today()',
      }),
    )

    expect(select).not.toMatch(/now|today|transaction_timestamp/)
  })
})

describe('selectRows(session, table, snapshot, { columns })', () => {
  it('reads some of more columns than can be read at once', async () => {
    await using store = await MemoryStore.open()
    const wide = structOf(...Array.from({ length: 10_001 }, (_, n) => field(`c${n}`, 'long')))
    const files = [
      await writeRawFile(store, duckdb, 'a.parquet', 'select range as c0, range * 2 as c7 from range(3)'),
    ]
    const table = await createRawTable(store, duckdb, { schema: wide, files })
    const snapshot = await table.snapshot()
    const read = (selection: RowSelection) =>
      duckdb.use(async (session) => session.rows(await selectRows(session, table, snapshot, selection)))

    expect(await failureOf(read({}))).toBe(
      'PROTOCOL_UNSUPPORTED: Scan: 10001 columns are asked for, and 10000 are the most that can be read at once',
    )
    expect(await read({ columns: ['C7', 'c10000'], where: 'C0 = 2' })).toEqual([{ c7: 4n, c10000: null }])
    expect(await failureOf(read({ columns: ['d'] }))).toMatch(
      /no column d; it has c0, .*, c19 and 9981 more$/,
    )
    expect(await failureOf(read({ columns: ['c0'], where: 'd = 2' }))).toMatch(/^SQL_INVALID: /)
  })
})

describe('deleteRows(table, session, { where })', () => {
  it('looks into the files alone that the time leaves in', async () => {
    await using fixture = await openDays([])
    const oldest = (await fixture.table.snapshot()).files.at(-1)
    await fixture.store.delete([oldest?.path ?? ''])

    const outcome = await duckdb.use((session) =>
      deleteRows(fixture.table, session, { where: 'day > current_date - 9' }),
    )

    expect(outcome).toMatchObject({ metrics: { numDeletedRows: 9 } })
    const { files } = await fixture.table.snapshot()
    expect(files.map(({ path }) => path)).toEqual([oldest?.path])
  })
})
