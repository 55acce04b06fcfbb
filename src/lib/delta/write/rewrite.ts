/** How files that are written again are laid out. */
import type { AddFile } from '../actions.ts'
import type { Snapshot } from '../snapshot.ts'

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
