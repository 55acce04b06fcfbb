import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../../base/errors.ts'
import { formatJson, type JsonValue, parseJson } from '../../base/json.ts'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import type { Row } from '../../duckdb/values.ts'
import { renameColumn } from '../change/alter/columns.ts'
import { vacuum } from '../maintain/vacuum.ts'
import { selectRows } from '../rows/select.ts'
import type { DeltaTable } from '../table.ts'
import { openFixture, rowsOf } from '../testing/write.fixture.ts'
import type { Snapshot } from './snapshot.ts'
import { decodeStagedVersion, encodeStagedVersion, missingFiles } from './staged-version.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const select = `select date '2026-11-20' + cast(i // 2 as integer) as day, 9007199254740993 + i as id, 'w ' || i as word
  from range(4) as rows(i)`

async function staged(table: DeltaTable): Promise<JsonValue> {
  const before = await table.snapshot()
  const { files } = await duckdb.use((session) => table.stage(session, before, select))
  // As text, for that is how it is kept.
  return parseJson(formatJson(encodeStagedVersion(before, files)), 'test')
}

const rowsIn = (table: DeltaTable, snapshot: Snapshot, where?: string): Promise<readonly Row[]> =>
  duckdb.use(async (session) => session.rows(await selectRows(session, table, snapshot, { where })))

describe('decodeStagedVersion(store, encodeStagedVersion(before, files), what)', () => {
  it('has the rows that were staged, and files that a condition rules out are not read', async () => {
    await using fixture = await openFixture(duckdb)
    const { table, store } = fixture
    const snapshot = decodeStagedVersion(table.store, await staged(table), 'candidate')

    expect(await rowsIn(table, snapshot)).toEqual(await duckdb.use((session) => session.rows(select)))
    const [first, second] = snapshot.files.map(({ path }) => path)
    await store.delete([first ?? ''])
    expect(await rowsIn(table, snapshot, 'id > 9007199254740994')).toHaveLength(2)
    expect(await missingFiles(snapshot)).toEqual([first])
    expect(second).toBeDefined()
  })

  it('is not seen by readers of the table, and goes with the next vacuum', async () => {
    await using fixture = await openFixture(duckdb)
    const { table } = fixture
    const snapshot = decodeStagedVersion(table.store, await staged(table), 'candidate')

    expect(await rowsOf(table)).toEqual([])
    await vacuum(table, { retentionMs: 0, force: true })

    expect(await missingFiles(snapshot)).toEqual(snapshot.files.map(({ path }) => path))
  })

  it('is read as it was staged after a column of the table was renamed', async () => {
    await using fixture = await openFixture(duckdb, {
      properties: { 'delta.columnMapping.mode': 'name' },
    })
    const { table } = fixture
    const kept = await staged(table)
    await renameColumn(table, 'word', 'text')

    const [row] = await rowsIn(table, decodeStagedVersion(table.store, kept, 'candidate'))

    expect(row).toEqual({ day: '2026-11-20', id: 9007199254740993n, word: 'w 0' })
  })

  it.each<[JsonValue]>([
    [null],
    ['text'],
    [{ actions: [] }],
    [{ before: 1 }],
    [{ before: 1, actions: [] }],
    [{ before: 1, actions: [{ add: { path: '../outside', partitionValues: {}, size: 1 } }] }],
  ])('refuses %j by name', async (kept) => {
    await using fixture = await openFixture(duckdb)
    const { table } = fixture

    expect(() => decodeStagedVersion(table.store, kept, 'candidate')).toThrow(
      expect.toSatisfy((error: unknown) => isLakeError(error, 'LOG_CORRUPT')),
    )
  })
})
