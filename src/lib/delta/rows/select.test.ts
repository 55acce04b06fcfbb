import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { append } from '../change/append.ts'
import { deleteRows } from '../change/delete.ts'
import { openFixture } from '../testing/write.fixture.ts'
import { explainRead, selectRows } from './select.ts'

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
