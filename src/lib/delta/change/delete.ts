/** Deletes rows. A file whose rows all go is removed; any other is written again without them. */

import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import type { Isolation } from '../log/conflict.ts'
import type { DeltaTable } from '../table.ts'
import { stageChanges } from './change-files.ts'
import { findMatches, parseCondition, readSetOf } from './condition.ts'
import { rewritten, sizedLike } from './rewrite.ts'
import { type WriteOptions, type WriteOutcome, write } from './write.ts'

export interface DeleteOptions extends WriteOptions {
  /** SQL over the table's columns; all rows without it. Rows for which it is null stay. */
  readonly where?: string
  /** `Serializable` without it. */
  readonly isolation?: Isolation
}

/**
 * @throws LakeError `SQL_INVALID` for a condition that cannot be used, `CONSTRAINT_VIOLATED` where the table only
 * grows, and as `write` does. Nothing is deleted then.
 */
export async function deleteRows(
  table: DeltaTable,
  session: DuckDbSession,
  { where = 'true', isolation = 'Serializable', ...options }: DeleteOptions = {},
): Promise<WriteOutcome> {
  const { signal } = options
  return write(table, options, (snapshot) =>
    session.transaction(async () => {
      table.requireWritable(snapshot, 'rows')
      const condition = await parseCondition(session, snapshot, where, { signal })
      const matches = await findMatches(session, table, snapshot, condition, { signal })
      const { searched, whole, partly, matchedRows } = matches
      if (matchedRows === 0) return undefined
      const scan = await table.scan(session, snapshot, { files: partly, signal })
      const kept = `select * from (${scan}) where (${condition.sql}) is not true`
      const staged = await table.stage(session, snapshot, kept, {
        ...sizedLike(snapshot, partly),
        signal,
      })
      const remove = [...whole, ...partly]
      const taken = await table.scan(session, snapshot, { files: remove, signal })
      const changes = await stageChanges(
        table,
        session,
        snapshot,
        // Files that go as a whole say it by themselves.
        partly.length === 0
          ? []
          : [{ change: 'delete', select: `select * from (${taken}) where ${condition.sql}` }],
        { signal },
      )
      const { files, metrics } = rewritten({ staged, changes, remove })
      return {
        ...files,
        reads: readSetOf(session, snapshot, condition, searched),
        isolation,
        operation: {
          name: 'DELETE',
          parameters: { predicate: JSON.stringify([where]) },
          metrics: {
            ...metrics,
            numDeletedRows: matchedRows,
            numCopiedRows: staged.rows,
          },
        },
      }
    }),
  )
}
