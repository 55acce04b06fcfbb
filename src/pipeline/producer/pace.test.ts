import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import { Pace } from './pace.ts'

const aDayMs = 86_400_000

describe('Pace.due(limit)', () => {
  it('keeps the rate where the clock goes back', async () => {
    const clock = new ManualClock(aDayMs)
    const pace = new Pace(10, clock)
    expect(await pace.due(100)).toBe(1)
    clock.advance(1_000)
    expect(await pace.due(100)).toBe(10)

    clock.advance(-3_600_000)
    const next = pace.due(100)
    await expect.poll(() => clock.sleeping).toBe(1)
    clock.advance(1_000)

    expect(clock.sleeping).toBe(0)
    expect(await next).toBe(10)
  })

  it('leaves out the time that a long hold-up took', async () => {
    const clock = new ManualClock(aDayMs)
    const pace = new Pace(10, clock)
    expect(await pace.due(100)).toBe(1)

    clock.advance(3_600_000)

    expect(await pace.due(100)).toBe(1)
  })
})
