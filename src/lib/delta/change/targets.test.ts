import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { field, structOf } from '../schema/schema.ts'
import { inlineDeletionVector } from '../snapshot/deletion-vector.ts'
import { RowSet } from '../snapshot/row-set.ts'
import type { DeltaTable } from '../table.ts'
import { createRawTable, withFeatures, writeRawFile } from '../testing/raw-table.fixture.ts'
import { rowsOf } from '../testing/write.fixture.ts'
import { deleteRows } from './delete.ts'
import { insertIfAbsent } from './insert-if-absent.ts'
import { merge } from './merge/merge.ts'
import { updateRows } from './update.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => {
  duckdb[Symbol.dispose]()
})

const textsOf = async (table: DeltaTable) =>
  (await rowsOf(table)).map((row) => Object.values(row).map(String).join(' '))

describe('row-level writes to tables of other writers', () => {
  it('bring back no row that a deletion vector takes out', async () => {
    await using own = await MemoryStore.open()
    const file = await writeRawFile(
      own,
      duckdb,
      'a.parquet',
      `select i as id, 'w' || i as word from range(6) t(i)`,
      {
        deletionVector: inlineDeletionVector(RowSet.of([1, 3])),
      },
    )
    const table = await createRawTable(own, duckdb, {
      schema: structOf(field('id', 'long'), field('word', 'string')),
      protocol: withFeatures('deletionVectors'),
      files: [file],
    })

    const updated = await duckdb.use((session) =>
      updateRows(table, session, { set: { word: `'x'` }, where: 'id in (0, 1)' }),
    )
    await duckdb.use((session) =>
      merge(
        table,
        { session, select: `select * from (values (2, 'n2'), (3, 'n3')) s(id, word)` },
        { on: 't.id = s.id' },
      ),
    )
    await duckdb.use((session) => deleteRows(table, session, { where: 'id = 4' }))

    expect(updated).toMatchObject({ metrics: { numUpdatedRows: 1, numCopiedRows: 3 } })
    expect(await textsOf(table)).toEqual(['0 x', '2 n2', '3 n3', '5 w5'])
    expect((await table.snapshot()).files.map(({ deletionVector }) => deletionVector)).not.toContainEqual(
      expect.anything(),
    )
  })

  it.each(['name', 'id'])('find and write columns that are mapped by %s', async (mode) => {
    await using own = await MemoryStore.open()
    const mapped = (name: string, id: number, type: 'long' | 'string') => ({
      ...field(name, type),
      metadata: { 'delta.columnMapping.id': id, 'delta.columnMapping.physicalName': `col-${id}` },
    })
    const file = await writeRawFile(
      own,
      duckdb,
      'a.parquet',
      `select i as "col-1", 'w' || i as "col-2" from range(4) t(i)`,
      { options: `field_ids {'col-1': 1, 'col-2': 2}`, partitionValues: { 'col-3': 'p' } },
    )
    const table = await createRawTable(own, duckdb, {
      schema: structOf(
        mapped('my id', 1, 'long'),
        mapped('a.word', 2, 'string'),
        mapped('part', 3, 'string'),
      ),
      protocol: { ...withFeatures('columnMapping'), writerFeatures: ['columnMapping', 'changeDataFeed'] },
      partitionColumns: ['part'],
      configuration: {
        'delta.columnMapping.mode': mode,
        'delta.columnMapping.maxColumnId': '3',
        'delta.enableChangeDataFeed': 'true',
      },
      files: [file],
    })

    await duckdb.use((session) =>
      updateRows(table, session, { set: { 'a.word': `'x'`, part: `'q'` }, where: '"my id" = 1' }),
    )
    await duckdb.use((session) =>
      insertIfAbsent(
        table,
        {
          session,
          select: `select * from (values (3, 'n3', 'p'), (9, 'n9', 'p')) s("my id", "a.word", part)`,
        },
        { key: ['my id'] },
      ),
    )

    expect(await textsOf(table)).toEqual(['0 w0 p', '1 x q', '2 w2 p', '3 w3 p', '9 n9 p'])
    const changes = await duckdb.use(async (session) => {
      const select = await table.changes(session, await table.snapshot(), { from: 1 })
      return await session.rows(
        `select _change_type as change, "my id" as id, "a.word" as word from (${select}) order by all`,
      )
    })
    expect(changes).toEqual([
      { change: 'insert', id: 9n, word: 'n9' },
      { change: 'update_postimage', id: 1n, word: 'x' },
      { change: 'update_preimage', id: 1n, word: 'w1' },
    ])
  })
})
