/**
 * Between the clock on the wall of a time zone and instants, with the zone data of the JavaScript engine. Pure.
 *
 * A wall time is written as the milliseconds that it would be in UTC. Where clocks are put forward, some wall times
 * do not come; where they are put back, some come twice.
 */
import { LakeError } from '../base/errors.ts'

export interface TimeZone {
  /** As it was given: an IANA name. */
  readonly name: string
  /** The wall time at an instant. */
  wallOf(ms: number): number
  /** How a day, which begins at the wall time `dayMs`, lies in time. */
  dayAt(dayMs: number): ZonedDay
}

/** Offsets are wall time minus instant. */
export interface ZonedDay {
  readonly offsetBefore: number
  readonly offsetAfter: number
  /** From here on the clock has the second offset; the two are the same on a day without a change. */
  readonly changeMs: number
}

/**
 * The instants at which the clock shows a wall time of a day, ascending: one, two where it is put back, or none where
 * it is put forward beyond it.
 */
export function instantsOf(
  { offsetBefore, offsetAfter, changeMs }: ZonedDay,
  wallMs: number,
): readonly number[] {
  const found: number[] = []
  if (wallMs - offsetBefore < changeMs) found.push(wallMs - offsetBefore)
  if (wallMs - offsetAfter >= changeMs) found.push(wallMs - offsetAfter)
  return found
}

const dayMs = 86_400_000

export const utc: TimeZone = {
  name: 'UTC',
  wallOf: (ms) => ms,
  dayAt: (day) => ({ offsetBefore: 0, offsetAfter: 0, changeMs: day }),
}

/** @throws LakeError `CONFIG_INVALID` for what is no IANA name of a zone; see `isTimeZone`. */
export function parseTimeZone(name: string, setting: string): TimeZone {
  if (!isTimeZone(name)) {
    throw new LakeError(
      'CONFIG_INVALID',
      `${setting} ${JSON.stringify(name)}: expected an IANA time zone such as Europe/Berlin`,
    )
  }
  const offsetAt = offsetsOf(name)
  if (name === 'UTC') return utc
  return {
    name,
    wallOf: (ms) => ms + offsetAt(ms),
    dayAt(day) {
      // No zone is further from UTC than 15 hours: all times of the day lie in between. No zone changes twice there.
      let [before, after] = [day - dayMs, day + 2 * dayMs]
      const [offsetBefore, offsetAfter] = [offsetAt(before), offsetAt(after)]
      while (offsetBefore !== offsetAfter && after - before > 1) {
        const middle = Math.floor((before + after) / 2)
        if (offsetAt(middle) === offsetBefore) before = middle
        else after = middle
      }
      return { offsetBefore, offsetAfter, changeMs: after }
    },
  }
}

/** Whether it is the name of a zone in the IANA database; an offset such as +01:00 is none, and knows no summer. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false
  }
}

function offsetsOf(timeZone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (ms) => {
    const wholeMs = Math.floor(ms / 1_000) * 1_000
    const part: Record<string, number> = {}
    for (const { type, value } of format.formatToParts(wholeMs)) part[type] = Number(value)
    const { year = 0, month = 1, day, hour, minute, second } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) - wholeMs
  }
}
