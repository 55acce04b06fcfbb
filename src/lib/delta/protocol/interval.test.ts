import { describe, expect, it } from 'vitest'
import { parseInterval } from './interval.ts'

describe('parseInterval(value)', () => {
  it.each([
    ['interval 7 days', 604_800_000],
    ['7 days', 604_800_000],
    ['INTERVAL 1 week 12 hours', 648_000_000],
    ["interval '30' day", 2_592_000_000],
    ['interval 0 seconds', 0],
    ['interval 1500 milliseconds', 1_500],
    ['interval 2 hours -30 minutes', 5_400_000],
  ])('takes %j for %d milliseconds', (value, ms) => {
    expect(parseInterval(value)).toBe(ms)
  })

  it.each([
    '',
    'interval',
    '7',
    '1 month',
    'interval 7 dayz',
    '7days',
    '-1 day',
    'one day',
    '1.5 days',
  ])('takes %j for no span', (value) => {
    expect(parseInterval(value)).toBeUndefined()
  })
})
