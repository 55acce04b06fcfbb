/** Every operation on a table, made on one and the same table, and what tells one state of it from another. */
import { addConstraint, dropConstraint } from '../../change/alter/check.ts'
import {
  addColumns,
  dropColumn,
  dropNotNull,
  renameColumn,
  setNotNull,
  widenColumn,
} from '../../change/alter/columns.ts'
import { setProperties, unsetProperties } from '../../change/alter/set-properties.ts'
import { append } from '../../change/append.ts'
import { cloneDeep } from '../../change/clone.ts'
import { createFrom } from '../../change/create.ts'
import { deleteRows } from '../../change/delete.ts'
import { insertIfAbsent } from '../../change/insert-if-absent.ts'
import { merge } from '../../change/merge/merge.ts'
import { overwrite } from '../../change/overwrite.ts'
import { restore } from '../../change/restore.ts'
import type { RowSource } from '../../change/source.ts'
import { updateRows } from '../../change/update.ts'
import type { WriteOptions } from '../../change/write.ts'
import { optimize } from '../../maintain/optimize.ts'
import { vacuum } from '../../maintain/vacuum.ts'
import { type DataType, field, structOf } from '../../schema/schema.ts'
import { cleanLog } from '../../snapshot/log-cleanup.ts'
import type { DeltaTable } from '../../table.ts'
import { rowsOf } from '../write.fixture.ts'

export type Once = Pick<WriteOptions, 'transaction'>

/** What an operation finds: a table with a history, or none, and a table to copy from. */
export interface FaultOperation {
  readonly run: (table: DeltaTable, once: Once, source: DeltaTable) => Promise<unknown>
  /** Whether it makes the table. */
  readonly makes?: true
  /** Whether it takes an application's version, with which it is done once however often it is asked for. */
  readonly isOnce?: true
  /** The table is so much older. */
  readonly ageDays?: number
}

const select = (rows: string): string => `select * from (values ${rows}) t(day, id, word, n)`
const row = (day: number, id: number, word: string): string =>
  `(date '2026-01-0${day}', ${id}::bigint, '${word}', ${id}::int)`

const schema = structOf(
  field('day', 'date'),
  field('id', 'long'),
  field('word', 'string'),
  field('n', 'integer'),
)

/** Versions 0 to 5: two days, eight rows in six files, a rewritten one, a constraint. */
export async function buildTable(table: DeltaTable): Promise<void> {
  await table.createIfMissing({
    schema,
    partitionBy: ['day'],
    properties: {
      'delta.columnMapping.mode': 'name',
      'delta.enableTypeWidening': 'true',
      'delta.logRetentionDuration': 'interval 1 day',
      'delta.checkpointInterval': '1000',
    },
  })
  await table.duckdb.use(async (session) => {
    for (const first of [1, 5]) {
      const rows = [0, 1, 2, 3].map((at) => row(1 + (at % 2), first + at, `word ${first + at}`))
      await append(table, { session, select: select(rows.join(', ')) })
    }
    await updateRows(table, session, { set: { word: `word || '!'` }, where: 'id = 2' })
    await addConstraint(table, 'small', 'id < 1000')
    await setNotNull(table, 'n')
  })
}

const added = select(`${row(1, 20, 'new')}, ${row(3, 21, 'new')}`)
const mixed = select(`${row(1, 1, 'changed')}, ${row(2, 30, 'new')}`)
const firstDay = select(row(1, 40, 'instead'))
const wider = `select date '2026-01-02' as day, 50::bigint as id, 'wider' as word, 50::int as n, true as flag`

/** A row-level write: the rows of `text` through `work`. */
function writing(
  text: string,
  work: (table: DeltaTable, source: RowSource, once: Once) => Promise<unknown>,
): FaultOperation {
  return {
    isOnce: true,
    run: (table, once) => table.duckdb.use((session) => work(table, { session, select: text }, once)),
  }
}

const altering = (run: (table: DeltaTable) => Promise<unknown>): FaultOperation => ({ run })

export const faultOperations: Readonly<Record<string, FaultOperation>> = {
  append: writing(added, append),
  'append with new columns': writing(wider, (table, source, once) =>
    append(table, source, { mergeSchema: true, ...once }),
  ),
  'overwrite of the table': writing(added, overwrite),
  'overwrite with another schema': writing(wider, (table, source, once) =>
    overwrite(table, source, { overwriteSchema: true, ...once }),
  ),
  'overwrite of partitions': writing(firstDay, (table, source, once) =>
    overwrite(table, source, { replace: 'partitions', ...once }),
  ),
  'overwrite by a condition': writing(firstDay, (table, source, once) =>
    overwrite(table, source, { replace: { where: 'id = 3 or id = 40' }, ...once }),
  ),
  delete: writing('', (table, { session }, once) =>
    deleteRows(table, session, { where: 'id in (1, 6)', ...once }),
  ),
  update: writing('', (table, { session }, once) =>
    updateRows(table, session, { set: { word: `'set'` }, where: 'id > 6', ...once }),
  ),
  merge: writing(mixed, (table, source, once) => merge(table, source, { on: 't.id = s.id', ...once })),
  insertIfAbsent: writing(mixed, (table, source, once) =>
    insertIfAbsent(table, source, { key: ['id'], ...once }),
  ),
  restore: altering((table) => restore(table, { version: 1 })),
  addColumns: altering((table) => addColumns(table, [{ path: 'more', type: 'string' }])),
  renameColumn: altering((table) => renameColumn(table, 'word', 'phrase')),
  dropColumn: altering((table) => dropColumn(table, 'word')),
  widenColumn: altering((table) => widenColumn(table, 'n', 'long')),
  setNotNull: altering((table) => setNotNull(table, 'id')),
  dropNotNull: altering((table) => dropNotNull(table, 'n')),
  addConstraint: altering((table) => addConstraint(table, 'positive', 'id > 0')),
  dropConstraint: altering((table) => dropConstraint(table, 'small')),
  setProperties: altering((table) => setProperties(table, { 'delta.appendOnly': 'true', note: 'x' })),
  unsetProperties: altering((table) => unsetProperties(table, ['delta.logRetentionDuration'])),
  optimize: altering((table) => optimize(table)),
  'optimize in a Z-order': altering((table) => optimize(table, { zOrderBy: ['id', 'word'] })),
  checkpoint: altering((table) => table.checkpoint()),
  'log cleanup': {
    ageDays: 3,
    run: async (table) =>
      cleanLog(table.store, table.duckdb, await table.snapshot(), { nowMs: table.clock.now() }),
  },
  vacuum: { ageDays: 30, run: (table) => vacuum(table) },
  createFrom: {
    makes: true,
    run: (table, once) =>
      table.duckdb.use((session) =>
        createFrom(table, { session, select: added }, { partitionBy: ['day'], ...once }),
      ),
  },
  cloneDeep: { makes: true, run: (table, _, source) => cloneDeep(source, table) },
}

/** All that a reader can tell of a version: its rows, columns, and properties that are not given by the time. */
export async function stateOf(table: DeltaTable, version?: number): Promise<string> {
  const snapshot = await table.snapshot({ version })
  const rows = await rowsOf(table, { version })
  const { configuration } = snapshot.metadata
  const fixed = Object.entries(configuration).filter(
    ([name]) => !name.startsWith('delta.inCommitTimestampEnab'),
  )
  const columns = snapshot.schema.fields.map(({ name, type, nullable }) => [name, bare(type), nullable])
  return JSON.stringify([rows, columns, snapshot.partitionColumns, fixed.sort()], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )
}

const bare = (type: DataType): string => (typeof type === 'string' ? type : type.type)
