import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { at, cronIn, day, describeTicks, minute, minuteOf, ticksOf } from './time-zone.contract.ts'
import { parseTimeZone } from './time-zone.ts'

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

describeTicks([
  ['Europe/Berlin', 2025, 2026],
  ['Pacific/Apia', 2011, 2012],
])
