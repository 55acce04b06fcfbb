/** Gives rows other values. Only the files that hold such rows are written again. */
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier } from '../../duckdb/sql-text.ts'
import type { Isolation } from '../log/conflict.ts'
import type { DeltaTable } from '../table.ts'
import { type Assignments, assignedRows, resolveAssignments } from './assign.ts'
import { stageChanges } from './change-files.ts'
import { findMatches, parseCondition, readSetOf } from './condition.ts'
import { rewritten, sizedLike } from './rewrite.ts'
import { type WriteOptions, type WriteOutcome, write } from './write.ts'

export interface UpdateOptions extends WriteOptions {
  /** Expressions see the old values of the row. A row moves to another partition if a partition column is set. */
  readonly set: Assignments
  /** SQL over the table's columns; all rows without it. Rows for which it is null stay as they are. */
  readonly where?: string
  /** `Serializable` without it. */
  readonly isolation?: Isolation
}

/**
 * @throws LakeError `COLUMN_MISSING`; `SQL_INVALID` for a condition or a value that cannot be used, or a value that
 * its column does not hold; `CONSTRAINT_VIOLATED`; and as `write` does. Nothing is changed then.
 */
export async function updateRows(
  table: DeltaTable,
  session: DuckDbSession,
  { set, where = 'true', isolation = 'Serializable', ...options }: UpdateOptions,
): Promise<WriteOutcome> {
  const { signal } = options
  return write(table, options, (snapshot) =>
    session.transaction(async () => {
      table.requireWritable(snapshot, 'rows')
      const { schema } = snapshot
      const clauses = new Map([[0, await resolveAssignments(session, schema, set, { signal })]])
      const condition = await parseCondition(session, snapshot, where, { signal })
      const matches = await findMatches(session, table, snapshot, condition, { signal })
      const { searched, whole, partly, matchedRows } = matches
      if (matchedRows === 0 || Object.keys(set).length === 0) return undefined
      const remove = [...whole, ...partly]
      const scan = await table.scan(session, snapshot, { files: remove, signal })
      const assigned = (further: string): Promise<string> =>
        assignedRows(session, schema, {
          from: `(${scan})${further}`,
          clause: `case when ${condition.sql} then 0 end`,
          clauses,
          otherwise: ({ name }) => identifier(name),
          signal,
        })
      const matching = ` where ${condition.sql}`
      const staged = await table.stage(session, snapshot, await assigned(''), {
        ...sizedLike(snapshot, remove),
        signal,
      })
      const changes = await stageChanges(
        table,
        session,
        snapshot,
        [
          { change: 'update_preimage', select: `select * from (${scan})${matching}` },
          { change: 'update_postimage', select: await assigned(matching) },
        ],
        { signal },
      )
      const { files, metrics } = rewritten({ staged, changes, remove })
      return {
        ...files,
        reads: readSetOf(session, snapshot, condition, searched),
        isolation,
        operation: {
          name: 'UPDATE',
          parameters: { predicate: where },
          metrics: {
            ...metrics,
            numUpdatedRows: matchedRows,
            numCopiedRows: staged.rows - matchedRows,
          },
        },
      }
    }),
  )
}
