import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { type Cron, nextTick, parseCron, ticksBetween } from './cron.ts'
import { parseTimeZone } from './time-zone.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const at = (text: string): number => Date.parse(text)
const minuteOf = (ms: number): string => new Date(ms).toISOString().slice(0, 16)
const cronIn = (zone: string, text: string): Cron => parseCron(text, 'cron', parseTimeZone(zone, 'zone'))

function ticksOf(cron: Cron, fromMs: number, toMs: number): number[] {
  const found: number[] = []
  for (let ms = nextTick(cron, fromMs - 1); ms < toMs; ms = nextTick(cron, ms)) found.push(ms)
  return found
}

describe('parseTimeZone(name, setting)', () => {
  it.each(['Mars/Olympus', '+01:00', '-0500', '', 'Europe/ Berlin', 'local'])('refuses "%s"', (name) => {
    expect(() => parseTimeZone(name, 'BATCH_TIMEZONE')).toThrow(
      expect.toSatisfy(
        (error) =>
          isLakeError(error, 'CONFIG_INVALID') &&
          error.message === `BATCH_TIMEZONE "${name}": expected an IANA time zone such as Europe/Berlin`,
      ),
    )
  })
})

describe('ticks in a time zone', () => {
  it.each([
    // Put forward at 01:00 UTC from 02:00 to 03:00.
    [
      'Europe/Berlin',
      '30 2 * * *',
      '2026-03-28',
      ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'],
    ],
    [
      'Europe/Berlin',
      '0 1-3 * * *',
      '2026-03-29',
      ['2026-03-29T00:00', '2026-03-29T01:00', '2026-03-29T23:00'],
    ],
    // Put back at 01:00 UTC from 03:00 to 02:00.
    [
      'Europe/Berlin',
      '30 2 * * *',
      '2026-10-24',
      ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'],
    ],
    [
      'America/New_York',
      '0 1 * * *',
      '2026-11-01',
      ['2026-11-01T05:00', '2026-11-02T06:00', '2026-11-03T06:00'],
    ],
    // Half an hour.
    [
      'Australia/Lord_Howe',
      '15 2 * * *',
      '2026-10-03',
      ['2026-10-03T15:30', '2026-10-04T15:15', '2026-10-05T15:15'],
    ],
    // Midnight does not come.
    [
      'America/Sao_Paulo',
      '0 0 * * *',
      '2018-11-03',
      ['2018-11-03T03:00', '2018-11-04T03:00', '2018-11-05T02:00'],
    ],
    // The 30th does not come.
    [
      'Pacific/Apia',
      '0 12 * * *',
      '2011-12-29',
      ['2011-12-29T22:00', '2011-12-30T10:00', '2011-12-30T22:00'],
    ],
    ['Pacific/Apia', '0 0 * * *', '2011-12-29', ['2011-12-29T10:00', '2011-12-30T10:00', '2011-12-31T10:00']],
    ['Asia/Kolkata', '0 1 * * *', '2026-03-28', ['2026-03-28T19:30', '2026-03-29T19:30', '2026-03-30T19:30']],
  ])('%s, %s, from %s', (zone, text, from, expected) => {
    const fromMs = at(from)

    expect(
      ticksOf(cronIn(zone, text), fromMs, fromMs + 8 * day)
        .slice(0, 3)
        .map(minuteOf),
    ).toEqual(expected)
  })

  it('of every hour come evenly, also while the clock is put forward or back', () => {
    const cron = cronIn('Europe/Berlin', '*/20 * * * *')
    for (const from of ['2026-03-28', '2026-10-24']) {
      const ticks = ticksOf(cron, at(from), at(from) + 3 * day)

      expect(ticks.length).toBe(9 * 24)
      expect(new Set(ticks.map((tick, i) => tick - (ticks[i - 1] ?? tick - 20 * minute)))).toEqual(
        new Set([20 * minute]),
      )
    }
  })
})

/** Zones with changes of every kind: an hour, half, two, at midnight, a minute after it, a day, in a fast, and none. */
const zones: readonly (readonly [string, number, number])[] = [
  ['Europe/Berlin', 1980, 2037],
  ['America/New_York', 1971, 2037],
  ['Australia/Lord_Howe', 1985, 2037],
  ['America/St_Johns', 1987, 2012],
  ['America/Sao_Paulo', 1986, 2019],
  ['Africa/Casablanca', 2013, 2030],
  ['Antarctica/Troll', 2006, 2030],
  ['Asia/Tehran', 2009, 2022],
  ['Pacific/Apia', 2010, 2020],
  ['Asia/Kolkata', 2020, 2021],
]

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

describe.each(zones)('in %s from %d to %d', (zone, fromYear, toYear) => {
  const samples = samplesOf(zone, fromYear, toYear)

  it.each(certainHours)('%s ticks when the clock first shows a time of it, or a later one', (text, times) => {
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
