import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from './clock.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('systemClock.sleep(ms)', () => {
  it('sleeps on where one timer cannot wait for so long', async () => {
    const dayMs = 86_400_000
    let isAwake = false
    const sleep = systemClock.sleep(60 * dayMs).then(() => {
      isAwake = true
    })

    await vi.advanceTimersByTimeAsync(59 * dayMs)
    expect(isAwake).toBe(false)

    await vi.advanceTimersByTimeAsync(dayMs)
    await sleep
    expect(isAwake).toBe(true)
  })

  it('ends with the reason of an abort, also where it sleeps on', async () => {
    const controller = new AbortController()
    const sleep = systemClock.sleep(2 ** 31, { signal: controller.signal })
    const reason = expect(sleep).rejects.toThrow('enough')
    await vi.advanceTimersByTimeAsync(2 ** 31 - 1)

    controller.abort(new Error('enough'))

    await reason
  })
})
