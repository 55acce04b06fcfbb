import { describe, expect, it } from 'vitest'
import { everyBin, totalsOf } from './bins.ts'

const at = (clock: string): string => `2026-11-23T${clock}.000Z`
const range = { from: at('07:00:00'), to: at('07:10:30'), stepSeconds: 60 }
const points = [
  { time: at('07:01:00'), value: 5 },
  { time: at('07:03:00'), value: 2 },
]

describe('everyBin(points, range, newestEvent)', () => {
  it('puts zeros where nothing was counted, up to the newest event', () => {
    expect(everyBin(points, range, at('07:04:59'))).toEqual([
      { time: at('07:00:00'), value: 0 },
      { time: at('07:01:00'), value: 5 },
      { time: at('07:02:00'), value: 0 },
      { time: at('07:03:00'), value: 2 },
      { time: at('07:04:00'), value: 0 },
    ])
  })

  it('leaves out the minute of the newest event where the last is to be whole', () => {
    expect(everyBin(points, range, at('07:03:20'), { isLastWhole: true }).at(-1)).toEqual({
      time: at('07:02:00'),
      value: 0,
    })
  })

  it('ends with the range when events come from the future', () => {
    expect(everyBin(points, range, at('09:00:00')).at(-1)).toEqual({ time: at('07:10:00'), value: 0 })
  })

  it('ends with the last point when nobody knows the newest event', () => {
    expect(everyBin(points, range, null)).toHaveLength(4)
  })

  it('takes bins of several minutes', () => {
    const quarters = { from: at('07:00:00'), to: at('08:01:00'), stepSeconds: 900 }

    expect(everyBin([{ time: at('07:30:00'), value: 7 }], quarters, at('07:50:00'))).toEqual([
      { time: at('07:00:00'), value: 0 },
      { time: at('07:15:00'), value: 0 },
      { time: at('07:30:00'), value: 7 },
      { time: at('07:45:00'), value: 0 },
    ])
  })
})

describe('totalsOf(series)', () => {
  it('adds up what is of one time', () => {
    const other = [{ time: at('07:02:00'), value: 1 }, ...points]

    expect(totalsOf([points, other])).toEqual([
      { time: at('07:01:00'), value: 10 },
      { time: at('07:02:00'), value: 1 },
      { time: at('07:03:00'), value: 4 },
    ])
  })
})
