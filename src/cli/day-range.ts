/** `--date`, or `--from` and `--to`, of commands that look at some UTC days. */
import { LakeError } from '../lib/base/errors.ts'
import { type DayRange, dayAfter } from '../pipeline/model/days.ts'

export interface DayFlags {
  readonly date?: string
  readonly from?: string
  readonly to?: string
}

/** `from` included, `to` not; `undefined` for all days. @throws LakeError `USAGE` naming what is missing or too much. */
export function dayRange({ date, from, to }: DayFlags, command: string): DayRange | undefined {
  if (date !== undefined) {
    if (from === undefined && to === undefined) return { from: date, to: dayAfter(date) }
    throw new LakeError('USAGE', `${command} --date: expected no --from or --to beside it`)
  }
  if (from === undefined && to === undefined) return undefined
  if (from === undefined || to === undefined) {
    throw new LakeError(
      'USAGE',
      `${command} ${from === undefined ? '--to' : '--from'}: expected both --from and --to`,
    )
  }
  if (from >= to) {
    throw new LakeError('USAGE', `${command} --from ${from} --to ${to}: expected a later day after --to`, {
      details: { fix: 'The day of --to is left out: --from 2026-01-30 --to 2026-01-31 is one day.' },
    })
  }
  return { from, to }
}
