/** Whether a day has about as many rows as its weekday usually has. */
import { countOf } from '../base/count-of.ts'
import type { DriftExpectation } from './expectation.ts'

const dayMs = 86_400_000

export interface DriftOptions {
  /** Rows of days as they were counted before. A day that is counted now goes by what is counted now. */
  readonly history: ReadonlyMap<string, number>
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

export interface DayVerdict {
  /** ISO day. */
  readonly day: string
  readonly rows: number
  readonly outcome: 'holds' | 'breaks' | 'unknown'
  /** Why it breaks, or is not known. */
  readonly problem?: string
}

/**
 * One verdict for each day from the first that is counted to the last, also for those without a row.
 *
 * @param counted ISO day → its rows; other groups, such as that of null, are no days and have no verdict.
 */
export function judgeDrift(
  { within, weeks = 8, atLeast = 3 }: DriftExpectation,
  counted: ReadonlyMap<string, number>,
  { history, nowMs }: DriftOptions,
): readonly DayVerdict[] {
  const known = new Map([...history, ...counted])
  const today = isoDay(nowMs)
  return daysFrom([...counted.keys()].filter(isDay).toSorted()).map((day) => {
    const rows = counted.get(day) ?? 0
    if (day >= today) return { day, rows, outcome: 'unknown', problem: 'the day is not over' }
    const before = Array.from({ length: weeks }, (_, week) =>
      isoDay(Date.parse(day) - (week + 1) * 7 * dayMs),
    )
      .map((earlier) => known.get(earlier) ?? 0)
      .filter((count) => count > 0)
    if (before.length < atLeast) {
      const problem = `too little history: ${countOf(before.length, 'day')} of its weekday in the ${weeks} weeks before, ${atLeast} needed`
      return { day, rows, outcome: 'unknown', problem }
    }
    const median = medianOf(before)
    if (Math.abs(rows - median) <= within * median) return { day, rows, outcome: 'holds' }
    const problem = `${countOf(rows, 'row')}; its weekday had ${median} in the median of ${before.length} weeks (${Math.min(...before)} to ${Math.max(...before)})`
    return { day, rows, outcome: 'breaks', problem }
  })
}

const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

const isDay = (group: string): boolean =>
  /^\d{4}-\d{2}-\d{2}$/.test(group) && !Number.isNaN(Date.parse(group))

/** A day far away, such as one of 1969 among those of today, is no reason to ask of thousands of empty days. */
const longestGapDays = 31

function daysFrom(sorted: readonly string[]): readonly string[] {
  return sorted.flatMap((day, at) => {
    const previous = sorted[at - 1]
    const gap = previous === undefined ? 1 : (Date.parse(day) - Date.parse(previous)) / dayMs
    if (gap > longestGapDays) return [day]
    return Array.from({ length: gap }, (_, back) => isoDay(Date.parse(day) - (gap - 1 - back) * dayMs))
  })
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}
