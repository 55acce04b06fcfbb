/** Which run made which day of a table, and with which code: from the tags of the table's own commits. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { DeltaTable } from '../../lib/delta/index.ts'
import { codeIn, codeOfDay } from '../model/code-of-days.ts'
import type { DayRange } from '../model/days.ts'
import { daysOfRun, runOf } from '../model/made-from.ts'

export interface MadeDay {
  readonly day: string
  readonly run: number
  /** Of the table: the version that the run has committed. */
  readonly version: number
  /** When, in milliseconds; absent if the commit does not say. */
  readonly atMs: number | undefined
  /** A hash of the SQL that made it; absent if that was not recorded. */
  readonly code: string | undefined
}

/** The newest run of each day, as far back as the log of the table goes; by day. */
export async function madeDays(
  table: DeltaTable,
  { range, signal }: IoOptions & { readonly range?: DayRange | undefined } = {},
): Promise<readonly MadeDay[]> {
  if (!(await table.exists({ signal }))) return []
  const found = new Map<string, MadeDay>()
  for await (const { version, info } of (await table.snapshot({ signal })).commits({ signal })) {
    const run = runOf(info)
    const days = daysOfRun(info)
    if (run === undefined || days === undefined) continue
    for (const day of days) {
      if (found.has(day) || (range !== undefined && (day < range.from || day >= range.to))) continue
      found.set(day, { day, run, version, atMs: info.timestamp, code: codeOfDay(codeIn(info), day) })
    }
  }
  return [...found.values()].sort((a, b) => (a.day < b.day ? -1 : 1))
}
