import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import type { DeltaTable } from '../table.ts'
import { openFixture, rowsOf } from '../testing/write.fixture.ts'
import { append } from './append.ts'
import { deleteRows } from './delete.ts'
import { merge } from './merge/merge.ts'
import { overwrite } from './overwrite.ts'
import { updateRows } from './update.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const rows = (from: number, to: number, word: string): string =>
  `select date '2026-01-01' + (i // 2)::integer as day, i as id, '${word}' || i as word from range(${from}, ${to}) t(i)`

async function withRows() {
  const fixture = await openFixture(duckdb, { properties: { 'delta.enableChangeDataFeed': 'true' } })
  await duckdb.use((session) => append(fixture.table, { session, select: rows(0, 6, 'w') }))
  return fixture
}

/** `insert 5 w5`, of the newest version. */
async function changesOf(table: DeltaTable): Promise<readonly string[]> {
  const snapshot = await table.snapshot()
  const changes = await duckdb.use(async (session) => {
    const select = await table.changes(session, snapshot, { from: snapshot.version })
    return await session.rows(`select _change_type as change, id, word from (${select}) order by all`)
  })
  return changes.map(({ change, id, word }) => `${String(change)} ${String(id)} ${String(word)}`)
}

const changeFiles = (files: ReadonlyMap<string, unknown>): readonly string[] =>
  [...files.keys()].filter((key) => key.startsWith('_change_data/'))

describe('stageChanges(table)', () => {
  it('says of an update what each row was and is', async () => {
    await using fixture = await withRows()

    await duckdb.use((session) =>
      updateRows(fixture.table, session, {
        set: { word: `upper(word)`, day: `date '2026-05-05'` },
        where: 'id = 1',
      }),
    )

    expect(await changesOf(fixture.table)).toEqual(['update_postimage 1 W1', 'update_preimage 1 w1'])
    expect(changeFiles(fixture.store.files).map((key) => key.split('/')[1])).toEqual([
      'day=2026-01-01',
      'day=2026-05-05',
    ])
    expect(await rowsOf(fixture.table)).toHaveLength(6)
  })

  it('says of a delete the rows of files that go and of those that are written again', async () => {
    await using fixture = await withRows()

    const outcome = await duckdb.use((session) =>
      deleteRows(fixture.table, session, { where: 'id in (0, 1, 2)' }),
    )

    expect(outcome).toMatchObject({ metrics: { numAddedChangeFiles: 2 } })
    expect(await changesOf(fixture.table)).toEqual(['delete 0 w0', 'delete 1 w1', 'delete 2 w2'])
  })

  it('writes none where files come and go as a whole', async () => {
    await using fixture = await withRows()

    await duckdb.use((session) => deleteRows(fixture.table, session, { where: 'id < 2' }))

    expect(changeFiles(fixture.store.files)).toEqual([])
    expect(await changesOf(fixture.table)).toEqual(['delete 0 w0', 'delete 1 w1'])
  })

  it('says of a merge all of it', async () => {
    await using fixture = await withRows()

    await duckdb.use((session) =>
      merge(
        fixture.table,
        { session, select: rows(1, 8, 'n') },
        {
          on: 't.id = s.id',
          matched: [
            { kind: 'delete', and: 's.id = 1' },
            { kind: 'update', set: { word: 's.word' }, and: 's.id = 2' },
          ],
          notMatched: [{ kind: 'insert', values: 'all', and: 's.id = 7' }],
          notMatchedBySource: [{ kind: 'update', set: { word: `'left'` } }],
        },
      ),
    )

    expect(await changesOf(fixture.table)).toEqual([
      'delete 1 w1',
      'insert 7 n7',
      'update_postimage 0 left',
      'update_postimage 2 n2',
      'update_preimage 0 w0',
      'update_preimage 2 w2',
    ])
  })

  it('writes none for a merge that only inserts', async () => {
    await using fixture = await withRows()

    await duckdb.use((session) =>
      merge(fixture.table, { session, select: rows(6, 7, 'n') }, { on: 't.id = s.id' }),
    )

    expect(changeFiles(fixture.store.files)).toEqual([])
    expect(await changesOf(fixture.table)).toEqual(['insert 6 n6'])
  })

  it('says of what a condition replaces the rows before and after', async () => {
    await using fixture = await withRows()

    await duckdb.use((session) =>
      overwrite(
        fixture.table,
        { session, select: `select 3::tinyint as id, 'new' as word` },
        { replace: { where: 'id between 1 and 3' }, missing: 'null' },
      ),
    )

    expect(await changesOf(fixture.table)).toEqual([
      'delete 1 w1',
      'delete 2 w2',
      'delete 3 w3',
      'insert 3 new',
    ])
  })
})
