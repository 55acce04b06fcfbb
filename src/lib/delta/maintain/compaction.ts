/**
 * Decides which small files become one. Pure. Files of one partition that were written in a row stay together.
 */
import type { AddFile } from '../log/actions.ts'
import type { StringMap } from '../protocol/metadata.ts'
import { decodeStatistics } from '../snapshot/statistics.ts'

/** Files of one partition whose rows are written again. */
export interface Bin {
  readonly files: readonly AddFile[]
  readonly sizeBytes: number
  /** What the files that take their place say of themselves. */
  readonly tags?: StringMap
  /** Rows are put in this order, into files of about this size; one file in any order without it. */
  readonly zOrder?: {
    readonly columns: readonly string[]
    readonly targetFileBytes: number
    /** As many as the engine likes without it. */
    readonly rowGroupRows?: number
  }
}

export interface FileSizes {
  readonly targetFileBytes: number
  /** Files from this on are left as they are. */
  readonly minFileBytes: number
}

/** How large a file of a table becomes that does not say it. */
export const defaultTargetFileBytes = 128 * 2 ** 20

/** A file is written again if more than this part of its rows is deleted. */
const mostDeleted = 0.05

/** Tags of a file that is one of a Z-ordered set, as the reference implementation names them. */
export const cubeTags = { id: 'ZCUBE_ID', columns: 'ZCUBE_ZORDER_BY', curve: 'ZCUBE_ZORDER_CURVE' } as const

/** Next fit, in the order of the files' ages. Z-ordered files keep what they are good for: none is put to others. */
export function compactionBins(files: readonly AddFile[], sizes: FileSizes): readonly Bin[] {
  const bins: Bin[] = []
  for (const partition of byPartition(files)) {
    const small: AddFile[] = []
    for (const file of partition) {
      if (file.tags?.[cubeTags.id] === undefined) {
        if (file.size < sizes.minFileBytes || isMuchDeleted(file)) small.push(file)
      } else if (isMuchDeleted(file)) {
        bins.push(binOf([file], { tags: file.tags }))
      }
    }
    bins.push(...nextFit(small, sizes.targetFileBytes))
  }
  return bins
}

function nextFit(files: readonly AddFile[], targetFileBytes: number): readonly Bin[] {
  const bins: AddFile[][] = []
  let open: AddFile[] = []
  let openBytes = 0
  for (const file of files.toSorted(byAge)) {
    if (open.length === 0 || openBytes + file.size > targetFileBytes) {
      open = []
      openBytes = 0
      bins.push(open)
    }
    open.push(file)
    openBytes += file.size
  }
  return bins.filter((bin) => bin.length > 1 || bin.some(isMuchDeleted)).map((bin) => binOf(bin))
}

export function binOf(files: readonly AddFile[], further: Pick<Bin, 'tags' | 'zOrder'> = {}): Bin {
  return { files, sizeBytes: bytesOf(files), ...further }
}

export function bytesOf(files: readonly AddFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0)
}

export function isMuchDeleted({ deletionVector, stats }: AddFile): boolean {
  if (deletionVector === undefined) return false
  const rows = decodeStatistics(stats)?.numRecords
  return rows === undefined || deletionVector.cardinality > mostDeleted * rows
}

/** Files in groups of the same partition. */
export function byPartition(files: readonly AddFile[]): Iterable<readonly AddFile[]> {
  const groups = new Map<string, AddFile[]>()
  for (const file of files) {
    const key = JSON.stringify(Object.entries(file.partitionValues).sort(([a], [b]) => (a < b ? -1 : 1)))
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [file])
    else group.push(file)
  }
  return groups.values()
}

function byAge(a: AddFile, b: AddFile): number {
  return a.modificationTime - b.modificationTime || (a.path < b.path ? -1 : 1)
}
