import { describe, expect, it } from 'vitest'
import { everyMinute } from './minutes.ts'

const at = (clock: string): string => `2026-11-23T${clock}.000Z`
const range = { from: at('07:00:00'), to: at('07:10:30') }
const points = [
  { time: at('07:01:00'), value: 5 },
  { time: at('07:03:00'), value: 2 },
]

describe('everyMinute(points, range, newestEvent)', () => {
  it('puts zeros where nothing was counted, up to the newest event', () => {
    expect(everyMinute(points, range, at('07:04:59'))).toEqual([
      { time: at('07:00:00'), value: 0 },
      { time: at('07:01:00'), value: 5 },
      { time: at('07:02:00'), value: 0 },
      { time: at('07:03:00'), value: 2 },
      { time: at('07:04:00'), value: 0 },
    ])
  })

  it('leaves out the minute of the newest event where the last is to be whole', () => {
    expect(everyMinute(points, range, at('07:03:20'), { isLastWhole: true }).at(-1)).toEqual({
      time: at('07:02:00'),
      value: 0,
    })
  })

  it('ends with the range when events come from the future', () => {
    expect(everyMinute(points, range, at('09:00:00')).at(-1)).toEqual({ time: at('07:10:00'), value: 0 })
  })

  it('ends with the last point when nobody knows the newest event', () => {
    expect(everyMinute(points, range, null)).toHaveLength(4)
  })
})
