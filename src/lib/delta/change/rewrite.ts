/**
 * Writes files again because some of their rows change: how the rows are arranged, and what the commit says.
 */
import type { AddFile } from '../log/actions.ts'
import { combined, type StagedFiles } from '../rows/stage.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { changeFilesOf } from './change-files.ts'
import { removalMetrics } from './operation.ts'
import type { Metrics, Plan } from './write.ts'

const leastBytes = 16 * 2 ** 20

/**
 * Files come out about as large as those that they stand for: one that held all rows could be left out for no
 * condition. With partitions it is these that tell files apart.
 */
export function sizedLike(
  { partitionColumns }: Snapshot,
  replaced: readonly AddFile[],
): { readonly targetFileBytes?: number } {
  if (partitionColumns.length > 0) return {}
  return { targetFileBytes: replaced.reduce((largest, { size }) => Math.max(largest, size), leastBytes) }
}

export interface Rewritten {
  readonly staged: StagedFiles
  readonly changes: StagedFiles
  readonly remove: readonly AddFile[]
}

/** The plan's files, and what an operation on rows says of them by the names of the reference implementation. */
export function rewritten({ staged, changes, remove }: Rewritten): {
  readonly files: Pick<Plan, 'staged' | 'add' | 'remove' | 'changeFiles'>
  readonly metrics: Metrics
} {
  return {
    files: {
      staged: combined(staged, changes),
      add: staged.files,
      remove,
      changeFiles: changeFilesOf(changes),
    },
    metrics: {
      ...removalMetrics(remove),
      numAddedFiles: staged.files.length,
      numAddedBytes: staged.sizeBytes,
      numAddedChangeFiles: changes.files.length,
    },
  }
}
