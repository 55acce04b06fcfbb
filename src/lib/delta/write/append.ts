/** Rows added to a table. Nothing is read: whatever else is committed meanwhile, they stay right. */
import type { AddFile } from '../actions.ts'
import type { Snapshot } from '../snapshot.ts'
import type { StagedFiles } from '../stage.ts'
import type { DeltaTable } from '../table.ts'
import type { RowSource } from './source.ts'
import { type Metrics, type WriteOptions, type WriteOutcome, write } from './write.ts'

export interface AppendOptions extends WriteOptions {
  /** What becomes of a column that the rows lack: an error, or null where the schema allows it. */
  readonly missing?: 'error' | 'null'
}

/**
 * Appends all rows in one commit. Where protocol, schema or properties changed meanwhile they are staged anew.
 *
 * @throws LakeError as `DeltaTable.stage` and `write` do. Nothing is appended then.
 */
export async function append(
  table: DeltaTable,
  { session, select }: RowSource,
  { missing = 'error', ...options }: AppendOptions = {},
): Promise<WriteOutcome> {
  const { signal } = options
  return write(table, options, async (snapshot) => {
    table.requireWritable(snapshot)
    const staged = await table.stage(session, snapshot, select, { missing, signal })
    if (staged.rows === 0) return undefined
    return {
      staged,
      add: staged.files,
      reads: { kind: 'none' },
      operation: {
        name: 'WRITE',
        parameters: { mode: 'Append', partitionBy: partitionNames(snapshot) },
        metrics: outputMetrics(staged),
      },
    }
  })
}

/** As the reference implementation writes lists there: JSON text. */
export function partitionNames({ partitionColumns }: Snapshot): string {
  return JSON.stringify(partitionColumns)
}

export function outputMetrics(staged: StagedFiles): Metrics {
  return { numFiles: staged.files.length, numOutputRows: staged.rows, numOutputBytes: staged.sizeBytes }
}

export function removalMetrics(removed: readonly AddFile[]): Metrics {
  return {
    numRemovedFiles: removed.length,
    numRemovedBytes: removed.reduce((sum, { size }) => sum + size, 0),
  }
}
