/** Whether the files of a day are those that were read before: by name, and by their size and time in the store. */
import { createHash } from 'node:crypto'
import type { IoOptions } from '../../../lib/base/io.ts'
import type { DeltaTable, Snapshot } from '../../../lib/delta/index.ts'
import { dayColumn } from '../../model/days.ts'

/** UTC day → a text that is another one whenever a file of the day is. Days without files have none; of a table that is not by day there is one, of no day. */
export type FileMarks = ReadonlyMap<string, string>

/** Data files come behind the log in the order of keys. */
const behindTheLog = '_delta_log0'

export async function fileMarks(
  table: DeltaTable,
  snapshot: Snapshot,
  { signal }: IoOptions = {},
): Promise<FileMarks> {
  const stored = new Map<string, string>()
  for await (const { key, sizeBytes, modifiedMs } of table.store.list('', {
    startAfter: behindTheLog,
    signal,
  })) {
    stored.set(key, `${sizeBytes} ${modifiedMs}`)
  }
  const isByDay = snapshot.partitionColumns.includes(dayColumn)
  const dayOf = isByDay ? snapshot.partitionValue(dayColumn) : () => null
  const files = new Map<string, string[]>()
  for (const file of snapshot.files) {
    const day = dayOf(file) ?? ''
    const ofDay = files.get(day) ?? []
    const { path, deletionVector } = file
    ofDay.push(JSON.stringify([path, stored.get(decodeURIComponent(path)) ?? null, deletionVector ?? null]))
    files.set(day, ofDay)
  }
  return new Map(
    [...files].map(([day, lines]) => [day, markOf(snapshot.metadata.id, ...lines.sort())] as const),
  )
}

/** One text for several: equal only if all of them are. */
export function markOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}
