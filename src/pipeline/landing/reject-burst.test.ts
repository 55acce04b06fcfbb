import { describe, expect, it } from 'vitest'
import { describeBurst, RejectRate } from './reject-burst.ts'

describe('RejectRate', () => {
  it.each([
    ['at the limit', { events: 950, rejected: 50 }, false],
    ['above it', { events: 940, rejected: 60 }, true],
    ['all of them', { events: 0, rejected: 1_000 }, true],
    ['too few to say', { events: 99, rejected: 900 }, false],
    ['nothing', { events: 0, rejected: 0 }, false],
  ])('judges a thousand messages at once: %s', (_, landed, isBurst) => {
    expect(new RejectRate(0.05).landed(landed, 0) !== undefined).toBe(isBurst)
  })

  it('judges a hundred once it has counted for a minute, and forgets older ones', () => {
    const rate = new RejectRate(0.05)

    expect(rate.landed({ events: 0, rejected: 150 }, 0)).toBeUndefined()
    expect(rate.landed({ events: 0, rejected: 99 }, 60_000)).toBeUndefined()
    expect(rate.landed({ events: 1, rejected: 0 }, 119_999)).toEqual({
      rejected: 99,
      messages: 100,
      limit: 0.05,
    })
  })

  it('starts its count at zero after a burst', () => {
    const rate = new RejectRate(0.05)
    rate.landed({ events: 0, rejected: 2_000 }, 0)

    expect(rate.landed({ events: 1_000, rejected: 1 }, 1_000)).toBeUndefined()
  })

  it('counts for another minute after a burst before it judges few messages again', () => {
    const rate = new RejectRate(0.05)
    rate.landed({ events: 0, rejected: 100 }, 0)

    expect(rate.landed({ events: 0, rejected: 100 }, 60_000)).toBeDefined()
    expect(rate.landed({ events: 0, rejected: 200 }, 61_000)).toBeUndefined()
  })

  it('never judges if all may be rejected, and forgets what a clock that was set back calls the future', () => {
    expect(new RejectRate(1).landed({ events: 0, rejected: 5_000 }, 0)).toBeUndefined()
    const rate = new RejectRate(0.05)
    rate.landed({ events: 0, rejected: 999 }, 1_000_000)

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
