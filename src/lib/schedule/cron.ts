/**
 * Cron expressions in a time zone: five fields, or six with seconds first.
 *
 * `node-cron` parses them, and decides which days match (`L`, `W` and `#` too). If both a day of month and a day of
 * week are given, one of them is enough, as in POSIX. This module computes which ticks lie after or between given
 * times. Pure.
 *
 * Where the clock of the zone is put forward or back, an expression for certain hours has each of its wall times once:
 * one that does not come ticks when the clock is put forward, one that comes twice ticks the first time. An expression
 * for every hour ticks whenever the clock shows one of its times, so that it goes on evenly.
 */
import nodeCron from 'node-cron'
import { LakeError } from '../base/errors.ts'
import { instantsOf, type TimeZone, utc } from './time-zone.ts'

export interface Cron {
  readonly text: string
  readonly zone: TimeZone
  /** Milliseconds after midnight, on the wall, of each tick of a day on which there are any, ascending. */
  readonly timesOfDayMs: readonly number[]
  readonly isEveryHour: boolean
  /** Whether there are ticks on the day that begins at the wall time `dayMs`. */
  hasTicksOn(dayMs: number): boolean
}

const dayMs = 86_400_000
/** The 29th of February on a given day of the week may be this far away, across a year like 2100. */
const horizonDays = 41 * 366

const allowed: Readonly<Record<string, string>> = {
  second: '0-59',
  minute: '0-59',
  hour: '0-23',
  dayOfMonth: '1-31, L or nW',
  month: '1-12 or JAN-DEC',
  dayOfWeek: '0-7 or SUN-SAT',
}

/**
 * @param setting What the expression is called where it was written.
 * @throws LakeError `CONFIG_INVALID` that says which field is wrong, what it has, and what it may have.
 */
export function parseCron(given: string, setting: string, zone: TimeZone = utc): Cron {
  const text = given.trim()
  // Each by itself: `node-cron` calls 31 wrong if the month has no such day, though a day of week is given as well.
  requireFields(withFields(text, { month: '*' }), text, setting)
  const fields = requireFields(withFields(text, { dayOfMonth: '*' }), text, setting)
  const rules = dayRules(text).filter((rule) => nodeCron.validate(rule))
  const tasks = rules.map((rule) => nodeCron.createTask(rule, () => undefined, { timezone: 'UTC' }))
  const ascending = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b)
  const timesOfDayMs = ascending(fields.hour).flatMap((hour) =>
    ascending(fields.minute).flatMap((minute) =>
      ascending(fields.second).map((second) => ((hour * 60 + minute) * 60 + second) * 1_000),
    ),
  )
  const [firstOfDay = 0] = timesOfDayMs
  const cron: Cron = {
    text,
    zone,
    timesOfDayMs,
    isEveryHour: new Set(fields.hour).size === 24,
    hasTicksOn: (day) =>
      fields.month.includes(new Date(day).getUTCMonth() + 1) &&
      tasks.some((task) => task.match(new Date(day + firstOfDay))),
  }
  // Drops the tasks from the list that node-cron keeps for its own timers; matching needs none.
  for (const task of tasks) void task.destroy()
  if (findTick(cron, 0) === undefined) {
    const [dayOfMonth, month] = text.split(/\s+/).slice(-3)
    throw invalid(text, setting, `expected a day that comes, got day ${dayOfMonth} of month ${month}`)
  }
  return cron
}

type Fields = NonNullable<ReturnType<typeof nodeCron.validateDetailed>['fields']>

/** @throws LakeError as `parseCron` does. */
function requireFields(checked: string, text: string, setting: string): Fields {
  const { errors, fields } = nodeCron.validateDetailed(checked)
  if (fields !== undefined && errors.length === 0) return fields
  const [first] = errors
  const range = allowed[first?.field ?? '']
  throw invalid(
    text,
    setting,
    range === undefined
      ? `expected 5 fields, or 6 with seconds first, got ${text.split(/\s+/).filter(Boolean).length}`
      : `${first?.field}: expected ${range}, or *, a list, a range or a step of these, got ${first?.value}`,
  )
}

/** The expression with other fields; a text that has not the fields of one is left as it is. */
function withFields(
  text: string,
  given: { readonly dayOfMonth?: string; readonly month?: string; readonly dayOfWeek?: string },
): string {
  const fields = text.split(/\s+/)
  if (fields.length < 5) return text
  const [dayOfMonth = '*', month = '*', dayOfWeek = '*'] = fields.slice(-3)
  const date = { dayOfMonth, month, dayOfWeek, ...given }
  return [...fields.slice(0, -3), date.dayOfMonth, date.month, date.dayOfWeek].join(' ')
}

/**
 * The expression once for each of the two day fields, the other one free, where both name days; node-cron itself wants
 * both to hold. A field that begins with `*` names none.
 */
function dayRules(text: string): readonly string[] {
  const fields = text.split(/\s+/)
  const [dayOfMonth = '*', , dayOfWeek = '*'] = fields.slice(-3)
  if (fields.length < 5 || /^[*?]/.test(dayOfMonth) || /^[*?]/.test(dayOfWeek)) return [text]
  return [withFields(text, { dayOfWeek: '*' }), withFields(text, { dayOfMonth: '*' })]
}

/** The first tick strictly after `afterMs`. */
export function nextTick(cron: Cron, afterMs: number): number {
  const tick = findTick(cron, afterMs)
  if (tick === undefined) throw new LakeError('BUG', `Cron ${cron.text}: expected a tick after ${afterMs}`)
  return tick
}

/** The ticks after `afterMs`, up to and with `upToMs`: how many, and the newest. */
export function ticksBetween(
  cron: Cron,
  afterMs: number,
  upToMs: number,
): { readonly newestMs: number; readonly count: number } | undefined {
  let newestMs = Number.NEGATIVE_INFINITY
  let count = 0
  let dayBefore: readonly number[] = []
  const lastDay = wallDay(cron, upToMs) + dayMs
  for (let day = wallDay(cron, afterMs) - dayMs; day <= lastDay; day += dayMs) {
    const ticks = ticksOn(cron, day)
    for (const tick of ticks) {
      // What the clock skips at midnight may tick together with the day after.
      if (tick <= afterMs || tick > upToMs || (tick <= newestMs && dayBefore.includes(tick))) continue
      newestMs = Math.max(newestMs, tick)
      count++
    }
    dayBefore = ticks
  }
  return count === 0 ? undefined : { newestMs, count }
}

function findTick(cron: Cron, afterMs: number): number | undefined {
  const today = wallDay(cron, afterMs)
  const firstOn = (day: number): number => ticksOn(cron, day).find((tick) => tick > afterMs) ?? Infinity
  for (let day = today - dayMs; day <= today + horizonDays * dayMs; day += dayMs) {
    const first = firstOn(day)
    // A clock that is put back over midnight shows times of two days in turn.
    if (first !== Infinity) return Math.min(first, firstOn(day + dayMs))
  }
  return undefined
}

/** The ticks at the wall times of a day, ascending. */
function ticksOn(cron: Cron, day: number): readonly number[] {
  const { zone, timesOfDayMs, isEveryHour } = cron
  if (!cron.hasTicksOn(day)) return []
  const zoned = zone.dayAt(day)
  if (zoned.offsetBefore === zoned.offsetAfter)
    return timesOfDayMs.map((time) => day + time - zoned.offsetBefore)
  const ticks = timesOfDayMs.flatMap((time) => {
    const instants = instantsOf(zoned, day + time)
    if (isEveryHour) return instants
    const [first = zoned.changeMs] = instants
    return [first]
  })
  return [...new Set(ticks)].sort((a, b) => a - b)
}

const wallDay = ({ zone }: Cron, ms: number): number => startOfDay(zone.wallOf(ms))
const startOfDay = (ms: number): number => Math.floor(ms / dayMs) * dayMs

function invalid(text: string, setting: string, expected: string): LakeError {
  return new LakeError('CONFIG_INVALID', `${setting} "${text}": ${expected}`, {
    details: { fault: 'not-a-cron-expression', setting },
  })
}
