import { describe, expect, it } from 'vitest'
import { describeBurst, RejectRate } from './reject-burst.ts'

describe('RejectRate', () => {
  it.each([
    ['at the limit', { events: 95, rejected: 5 }, false],
    ['above it', { events: 94, rejected: 6 }, true],
    ['all of them', { events: 0, rejected: 100 }, true],
    ['too few to say', { events: 9, rejected: 90 }, false],
    ['nothing', { events: 0, rejected: 0 }, false],
  ])('judges %s', (_, landed, isBurst) => {
    expect(new RejectRate(0.05).landed(landed, 0) !== undefined).toBe(isBurst)
  })

  it('counts the batches of a minute together, and forgets older ones', () => {
    const rate = new RejectRate(0.05)

    expect(rate.landed({ events: 0, rejected: 50 }, 0)).toBeUndefined()
    expect(rate.landed({ events: 90, rejected: 4 }, 60_000)).toBeUndefined()
    expect(rate.landed({ events: 0, rejected: 50 }, 119_999)).toEqual({
      rejected: 54,
      messages: 144,
      limit: 0.05,
    })
  })

  it('begins anew after a burst', () => {
    const rate = new RejectRate(0.05)
    rate.landed({ events: 0, rejected: 200 }, 0)

    expect(rate.landed({ events: 100, rejected: 1 }, 1_000)).toBeUndefined()
  })

  it('never judges if all may be rejected, and forgets what a clock that was set back calls the future', () => {
    expect(new RejectRate(1).landed({ events: 0, rejected: 500 }, 0)).toBeUndefined()
    const rate = new RejectRate(0.05)
    rate.landed({ events: 0, rejected: 99 }, 1_000_000)

    expect(rate.landed({ events: 1, rejected: 0 }, 0)).toBeUndefined()
  })
})

describe('describeBurst(burst)', () => {
  it('says how many, how many are allowed, and what to do', () => {
    const text = describeBurst({ rejected: 12, messages: 100, limit: 0.05 })

    expect(text).toMatch(/^12 of 100 messages .*\(12 %, allowed are 5 %\)/)
    expect(text).toContain('lake rejected list')
    expect(text).toContain('lake stream resume landing')
  })
})
