/**
 * Merges the rows of a source into a table: rows that match are changed, rows that do not match are inserted.
 *
 * The source is evaluated once, and every plan joins the same rows. Only files with rows that change are written again.
 * Which clause applies to which row is decided before anything is written.
 */
import type { IoOptions } from '../../../base/io.ts'
import type { DuckDbSession } from '../../../duckdb/duckdb.ts'
import type { Isolation } from '../../log/conflict.ts'
import type { DeltaTable } from '../../table.ts'
import { requireRepeatable } from '../condition.ts'
import type { RowSource } from '../source.ts'
import { type WriteOptions, type WriteOutcome, write } from '../write.ts'
import type { MergeClauses } from './merge-clauses.ts'
import { planMerge, sourceRow } from './merge-plan.ts'

export interface MergeOptions extends WriteOptions, MergeClauses {
  /** SQL on a row `t` of the table and a row `s` of the source: `t.id = s.id`. Where it is null they do not match. */
  readonly on: string
  /**
   * Columns of the source that a clause sets and the table lacks are added to it, nullable and at the end, in the same
   * commit, and types are widened where `delta.enableTypeWidening` is true: all columns where a clause takes `all`,
   * else those that are named. Columns that `all` does not find in the source keep their value, or come in as null.
   */
  readonly mergeSchema?: boolean
  /** `Serializable` without it. */
  readonly isolation?: Isolation
}

/** Where no clause is given: rows that match are replaced by the source's, all others come in. */
const upsert: MergeClauses = {
  matched: [{ kind: 'update', set: 'all' }],
  notMatched: [{ kind: 'insert', values: 'all' }],
}

/**
 * @throws LakeError `CONSTRAINT_VIOLATED` naming a row of the table that several rows of the source would change,
 * or a constraint; `COLUMN_MISSING`, `SCHEMA_MISMATCH` and `SQL_INVALID` for clauses that do not fit; and as `write`
 * does. Nothing is merged then.
 */
export async function merge(
  table: DeltaTable,
  { session, select }: RowSource,
  {
    on,
    matched,
    notMatched,
    notMatchedBySource,
    mergeSchema = false,
    isolation = 'Serializable',
    ...options
  }: MergeOptions,
): Promise<WriteOutcome> {
  const { signal } = options
  const given: MergeClauses = {
    ...(matched !== undefined && { matched }),
    ...(notMatched !== undefined && { notMatched }),
    ...(notMatchedBySource !== undefined && { notMatchedBySource }),
  }
  const clauses = Object.keys(given).length === 0 ? upsert : given
  await requireRepeatable(session, on, { what: 'Condition', signal })
  const source = 'lake_merge_source'
  await keepRows(session, source, select, { signal })
  try {
    return await write(table, options, (snapshot) =>
      session.transaction(() =>
        planMerge(table, session, snapshot, { on, source, clauses, isolation, mergeSchema }, { signal }),
      ),
    )
  } finally {
    await session.run(`drop table if exists temp.${source}`)
  }
}

/** Makes the rows a temporary table of the session, each with a number of its own. */
export async function keepRows(
  session: DuckDbSession,
  name: string,
  select: string,
  { signal }: IoOptions = {},
): Promise<void> {
  await session.describe(select, { signal })
  await session.run(
    `create or replace temporary table ${name} as select *, row_number() over () as ${sourceRow} from (${select}\n)`,
    { signal },
  )
}
