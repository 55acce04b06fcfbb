import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseIsoTime } from './iso-time.ts'

let zoneBefore: string | undefined
beforeEach(() => {
  zoneBefore = process.env['TZ']
  process.env['TZ'] = 'America/New_York'
})
afterEach(() => {
  if (zoneBefore === undefined) delete process.env['TZ']
  else process.env['TZ'] = zoneBefore
})

describe('parseIsoTime(text)', () => {
  it.each([
    ['2026-01-31', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31T12:30', '2026-01-31T12:30:00.000Z'],
    ['2026-01-31 12:30:05', '2026-01-31T12:30:05.000Z'],
    ['2026-01-31T12:30:05.25+02:00', '2026-01-31T10:30:05.250Z'],
    ['2026-01-31 12:30:05,123456-0130', '2026-01-31T14:00:05.123Z'],
    ['2026-01-31 12:30:05+00', '2026-01-31T12:30:05.000Z'],
    ['2026-01-31t12:30z', '2026-01-31T12:30:00.000Z'],
  ])('reads %s, whatever zone the machine is in', (text, expected) => {
    expect(new Date(parseIsoTime(text) ?? Number.NaN).toISOString()).toBe(expected)
  })

  it.each([
    '',
    'yesterday',
    '2026',
    'Jan 31 2026',
    '2026-02-30',
    '2026-02-30T12:00:00Z',
    '2026-01-01T25:00',
    '1e3',
  ])('reads nothing from %j', (text) => {
    expect(parseIsoTime(text)).toBeUndefined()
  })
})
