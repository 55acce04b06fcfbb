/**
 * Inserts the rows whose key the table does not have yet. Of all writers that insert a key in this way, one succeeds.
 *
 * Keys are compared as the table holds them. Null is a key like any other.
 */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier } from '../../duckdb/sql-text.ts'
import { tableRows } from '../rows/stage.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { DeltaTable } from '../table.ts'
import { columnNamed } from './assign.ts'
import { keepRows } from './merge/merge.ts'
import { planMerge, sourceRow } from './merge/merge-plan.ts'
import type { RowSource } from './source.ts'
import { type WriteOptions, type WriteOutcome, write } from './write.ts'

export interface InsertIfAbsentOptions extends WriteOptions {
  /** Columns that no two rows may have the same values of; at least one. */
  readonly key: readonly string[]
  /** What becomes of a column that the rows lack: an error, or null where the schema allows it. */
  readonly missing?: 'error' | 'null'
}

const given = 'lake_absent_given'
const source = 'lake_absent_source'

/**
 * Inserts the rows of which the table has no row with the same key. Rows that are the same in all columns count as
 * one. Always Serializable: rows that another writer adds meanwhile are seen.
 *
 * @throws LakeError `CONSTRAINT_VIOLATED` where two different rows of the source have the same key,
 * `COLUMN_MISSING`, and as `DeltaTable.stage` and `write` do. Nothing is inserted then.
 */
export async function insertIfAbsent(
  table: DeltaTable,
  { session, select }: RowSource,
  { key, missing = 'error', ...options }: InsertIfAbsentOptions,
): Promise<WriteOutcome> {
  const { signal } = options
  if (key.length === 0)
    throw new LakeError('COLUMN_MISSING', `${table.uri}: expected a column for the key, got none`)
  await session.describe(select, { signal })
  await session.run(`create or replace temporary table ${given} as select * from (${select}\n)`, { signal })
  try {
    return await write(table, options, (snapshot) =>
      session.transaction(async () => {
        const names = key.map((column) => columnNamed(snapshot.schema, column).name)
        const rows = await storedRows(table, session, snapshot, missing)
        await keepRows(session, source, `select distinct * from (${rows})`, { signal })
        await requireOneEach(table, session, names, { signal })
        const on = names.map((name) => `t.${identifier(name)} is not distinct from s.${identifier(name)}`)
        return await planMerge(
          table,
          session,
          snapshot,
          {
            on: on.join(' and '),
            source,
            clauses: { notMatched: [{ kind: 'insert', values: 'all' }] },
            isolation: 'Serializable',
            mergeSchema: false,
          },
          { signal },
        )
      }),
    )
  } finally {
    await session.run(`drop table if exists temp.${given}; drop table if exists temp.${source}`)
  }
}

/** The rows as they are read from the table again: the log has no empty text for a partition, but null. */
async function storedRows(
  table: DeltaTable,
  session: DuckDbSession,
  { schema, partitionColumns }: Snapshot,
  missing: 'error' | 'null',
): Promise<string> {
  const rows = await tableRows(session, schema, `from temp.${given}`, { missing, table: table.uri })
  const columns = schema.fields.map(({ name, type }) => {
    const column = identifier(name)
    const hasEmpty = partitionColumns.includes(name) && (type === 'string' || type === 'binary')
    return hasEmpty ? `nullif(${column}, '') as ${column}` : column
  })
  return `select ${columns.join(', ')} from (${rows})`
}

async function requireOneEach(
  table: DeltaTable,
  session: DuckDbSession,
  names: readonly string[],
  { signal }: IoOptions,
): Promise<void> {
  const columns = names.map(identifier).join(', ')
  const texts = names.map((name, index) => `${identifier(name)}::varchar as c${index}`).join(', ')
  const [twice] = await session.rows(
    `select ${texts}, count(${sourceRow}) as count from temp.${source} group by ${columns} having count > 1 order by ${columns} limit 1`,
    { signal },
  )
  if (twice === undefined) return
  const values = names.map((name, index) => `${name} = ${String(twice[`c${index}`])}`).join(', ')
  throw new LakeError(
    'CONSTRAINT_VIOLATED',
    `${table.uri}: ${String(twice['count'])} different rows of the source have the key ${values}`,
    {
      details: { uri: table.uri, key: names, fault: 'source-repeats-key' },
    },
  )
}
