/** The ticks of a zone, held to what its clock shows minute by minute. */
import { describe, expect, it } from 'vitest'
import { type Cron, nextTick, parseCron, ticksBetween } from './cron.ts'
import { parseTimeZone } from './time-zone.ts'

export const minute = 60_000
const hour = 60 * minute
export const day = 24 * hour
export const at = (text: string): number => Date.parse(text)
export const minuteOf = (ms: number): string => new Date(ms).toISOString().slice(0, 16)
export const cronIn = (zone: string, text: string): Cron =>
  parseCron(text, 'cron', parseTimeZone(zone, 'zone'))

export function ticksOf(cron: Cron, fromMs: number, toMs: number): number[] {
  const found: number[] = []
  for (let ms = nextTick(cron, fromMs - 1); ms < toMs; ms = nextTick(cron, ms)) found.push(ms)
  return found
}

export type ZoneAndYears = readonly [zone: string, fromYear: number, toYear: number]

/** Expressions of certain hours, as hours and minutes. */
const certainHours = [
  ['30 2 * * *', [[2, 30]]],
  [
    '15,45 0-3,23 * * *',
    [0, 1, 2, 3, 23].flatMap((h) => [
      [h, 15],
      [h, 45],
    ]),
  ],
  ['0 */2 * * *', Array.from({ length: 12 }, (_, at) => [2 * at, 0])],
  ['59 23 * * *', [[23, 59]]],
  ['0 0 * * *', [[0, 0]]],
] as const satisfies readonly (readonly [string, readonly (readonly number[])[]])[]

/** The wall clock, by another way than that of the code: as a text of Intl's. */
function wallClock(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
  return (ms) => at(`${format.format(ms).replace(' ', 'T')}Z`)
}

/** Days in which the offset changes. */
function changesOf(zone: string, fromYear: number, toYear: number): readonly number[] {
  const wall = wallClock(zone)
  const found: number[] = []
  for (let ms = Date.UTC(fromYear, 0); ms < Date.UTC(toYear, 0); ms += day) {
    if (wall(ms + day) - wall(ms) !== day) found.push(ms)
  }
  return found
}

interface Sample {
  readonly fromMs: number
  readonly toMs: number
  /** What the clock shows, by the minutes from a day before `fromMs` on. */
  readonly shown: readonly number[]
}

/** A few changes of a zone, from the first to the last, with the days around them. */
function samplesOf(zone: string, fromYear: number, toYear: number): readonly Sample[] {
  const changes = changesOf(zone, fromYear, toYear)
  const all = changes.length > 0 ? changes : [Date.UTC(fromYear, 0)]
  const stride = Math.ceil(all.length / 2)
  const wall = wallClock(zone)
  return all
    .filter((_, i) => i % stride === 0)
    .map((changeMs) => {
      const fromMs = changeMs - day
      const shown = Array.from({ length: 4 * 1_440 }, (_, i) => wall(fromMs - day + i * minute))
      return { fromMs, toMs: fromMs + 3 * day, shown }
    })
}

/** The minutes in which the clock first shows a time of a day, or a later one. */
function firstShown({ fromMs, shown }: Sample, times: readonly (readonly number[])[]): readonly number[] {
  const found = new Set<number>()
  let reached = shown[0] ?? 0
  for (const [i, wall] of shown.entries()) {
    const ms = fromMs - day + i * minute
    for (let wallDay = Math.floor(reached / day) * day; wallDay <= wall; wallDay += day) {
      const isReached = times.some(([h = 0, m = 0]) => {
        const time = wallDay + h * hour + m * minute
        return time > reached && time <= wall
      })
      if (isReached && ms >= fromMs) found.add(ms)
    }
    reached = Math.max(reached, wall)
  }
  return [...found]
}

export function describeTicks(zones: readonly ZoneAndYears[]): void {
  describe.each(zones)('in %s from %d to %d', (zone, fromYear, toYear) => {
    const samples = samplesOf(zone, fromYear, toYear)

    it.each(
      certainHours,
    )('%s ticks when the clock first shows a time of it, or a later one', (text, times) => {
      const cron = cronIn(zone, text)
      for (const sample of samples) {
        const ticks = ticksOf(cron, sample.fromMs, sample.toMs)

        expect(ticks.map(minuteOf)).toEqual(firstShown(sample, times).map(minuteOf))
        expect(ticksBetween(cron, sample.fromMs - 1, sample.toMs - 1)).toEqual({
          newestMs: ticks.at(-1),
          count: ticks.length,
        })
      }
    })

    it('*/15 * * * * ticks whenever the clock shows a quarter', () => {
      const cron = cronIn(zone, '*/15 * * * *')
      for (const { fromMs, toMs, shown } of samples) {
        const quarters = shown.flatMap((wall, i) => {
          const ms = fromMs - day + i * minute
          return ms >= fromMs && (wall / minute) % 15 === 0 ? [ms] : []
        })

        expect(ticksOf(cron, fromMs, toMs).map(minuteOf)).toEqual(quarters.map(minuteOf))
        expect(ticksBetween(cron, fromMs - 1, toMs - 1)?.count).toBe(quarters.length)
      }
    })
  })
}
