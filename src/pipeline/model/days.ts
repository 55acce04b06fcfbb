/** UTC days as tables and SQL have them: the partitions of bronze and silver, and literals. */
import { LakeError } from '../../lib/base/errors.ts'
import { parseIsoTime } from '../../lib/base/iso-time.ts'
import type { AddFile, Snapshot } from '../../lib/delta/index.ts'

/** The UTC day of the events: what tables are partitioned by, if they have partitions. */
export const dayColumn = 'event_date'

/** ISO days: `from` included, `to` not. */
export interface DayRange {
  readonly from: string
  readonly to: string
}

export function dayAfter(day: string): string {
  return new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)
}

/** Whether a text is an ISO day that there is: `2026-02-30` is none. */
export function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && parseIsoTime(text) !== undefined
}

/** Days as a list of SQL. */
export function dateList(days: readonly string[]): string {
  return days.map((day) => `date '${day}'`).join(', ')
}

/** Files of the given days, of a table by day. @throws LakeError as `dayOf` does. */
export function filesOfDays(snapshot: Snapshot, days: readonly string[]): readonly AddFile[] {
  const wanted = new Set(days)
  const dayIn = snapshot.partitionValue(dayColumn)
  return snapshot.files.filter((file) => wanted.has(dayOf(dayIn(file))))
}

/**
 * The days in their order, in groups whose files are at most so large together, and so many days: memory follows the
 * largest group, however long the history is. A larger day is a group of its own.
 */
export function inGroups(
  snapshot: Snapshot,
  days: readonly string[],
  {
    mostBytes,
    mostDays = Number.POSITIVE_INFINITY,
  }: { readonly mostBytes: number; readonly mostDays?: number },
): readonly (readonly string[])[] {
  const dayIn = snapshot.partitionValue(dayColumn)
  const sizes = new Map<string, number>()
  for (const file of snapshot.files) {
    const day = dayOf(dayIn(file))
    sizes.set(day, (sizes.get(day) ?? 0) + file.size)
  }
  const groups: string[][] = []
  let sizeBytes = 0
  for (const day of days) {
    const size = sizes.get(day) ?? 0
    const isFull = (groups.at(-1)?.length ?? 0) >= mostDays || sizeBytes + size > mostBytes
    if (groups.length === 0 || isFull) {
      groups.push([])
      sizeBytes = 0
    }
    groups.at(-1)?.push(day)
    sizeBytes += size
  }
  return groups
}

/**
 * The value of a partition. Landing writes the day of each event.
 *
 * @throws LakeError `CHECK_FAILED` for null: somebody else has written the file, and nobody knows of which day it is.
 */
export function dayOf(value: string | null): string {
  if (value !== null) return value
  throw new LakeError('CHECK_FAILED', `A file of the table has no ${dayColumn}: its rows are of no day`, {
    details: { column: dayColumn, fault: 'rows-without-day' },
  })
}
