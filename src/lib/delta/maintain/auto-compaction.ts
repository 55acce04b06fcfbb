/** Compacts the small files of a table if there are many. It costs little if there are few. */
import type { IoOptions } from '../../base/io.ts'
import type { AddFile } from '../log/actions.ts'
import type { StringMap } from '../protocol/metadata.ts'
import type { DeltaTable } from '../table.ts'
import { byPartition, cubeTags, defaultTargetFileBytes } from './compaction.ts'
import { type OptimizeOutcome, optimize } from './optimize.ts'

export interface AutoCompactionOptions extends IoOptions {
  /** What makes it worthwhile: so many small files in a partition. 50 without it. */
  readonly minFiles?: number
  /** `delta.targetFileSize` without it, or `defaultTargetFileBytes`. */
  readonly targetFileBytes?: number
  /** Files below this are small. Half the target without it. */
  readonly minFileBytes?: number
  /** Whether it is wanted; `delta.autoOptimize.autoCompact` of the table without it. */
  readonly enabled?: boolean
  /** Commit properties. */
  readonly tags?: StringMap
}

/**
 * Never part of anybody's commit: to be called between commits, as often as one likes.
 *
 * @returns `undefined` where nothing was worthwhile. @throws LakeError as `optimize` does.
 */
export async function compactIfWorthwhile(
  table: DeltaTable,
  { minFiles = 50, enabled, signal, ...options }: AutoCompactionOptions = {},
): Promise<OptimizeOutcome | undefined> {
  const snapshot = await table.snapshot({ signal })
  const { files, properties } = snapshot
  const { targetFileBytes = properties.targetFileBytes ?? defaultTargetFileBytes, tags } = options
  const { minFileBytes = targetFileBytes / 2 } = options
  const { autoCompact } = properties
  if (!(enabled ?? (autoCompact === 'true' || autoCompact === 'auto'))) return undefined
  const isSmall = ({ size, tags: of }: AddFile): boolean =>
    size < minFileBytes && of?.[cubeTags.id] === undefined
  const small = files.filter(isSmall)
  if (small.length < minFiles) return undefined
  const crowded = new Set<string>()
  for (const partition of byPartition(small)) {
    if (partition.length >= minFiles) for (const { path } of partition) crowded.add(path)
  }
  if (crowded.size === 0) return undefined
  return optimize(table, {
    targetFileBytes,
    minFileBytes,
    auto: true,
    only: ({ path }) => crowded.has(path),
    ...(tags !== undefined && { tags }),
    signal,
  })
}
