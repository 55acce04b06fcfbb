import { describe, expect, it } from 'vitest'
import { LakeError } from './errors.ts'
import { retry } from './retry.ts'

const instantly = { now: () => 0, sleep: async () => {} }
const down = new LakeError('STORE_UNAVAILABLE', 'no answer')

describe('retry(operation, options)', () => {
  it('tries again what may pass, and tells each wait', async () => {
    const waits: number[] = []

    const result = await retry(
      async (attempt) => {
        if (attempt < 3) throw down
        return attempt
      },
      { clock: instantly, random: () => 1, onRetry: (_, __, delayMs) => waits.push(delayMs) },
    )

    expect(result).toBe(3)
    expect(waits).toEqual([50, 100])
  })

  it('does not try again what will not pass', async () => {
    let attempts = 0
    const fatal = new LakeError('LOG_CORRUPT', 'torn')

    await expect(
      retry(
        async () => {
          attempts++
          throw fatal
        },
        { clock: instantly },
      ),
    ).rejects.toBe(fatal)
    expect(attempts).toBe(1)
  })

  it('gives the last error when the attempts are used up', async () => {
    await expect(retry(() => Promise.reject(down), { clock: instantly, maxAttempts: 2 })).rejects.toBe(down)
  })

  it('does not begin once aborted', async () => {
    const reason = new Error('stop')

    await expect(retry(async () => 1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})
