import { describe, expect, it } from 'vitest'
import { allEnded } from './all-ended.ts'
import { ManualClock } from './clock.ts'

describe('allEnded(work)', () => {
  it('gives the results in the order of the work', async () => {
    expect(await allEnded([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2])
  })

  it('rejects with what was thrown, but not before the others have ended', async () => {
    const clock = new ManualClock()
    let hasEnded = false
    const slow = clock.sleep(1).then(() => {
      hasEnded = true
    })
    const failure = new Error('no')

    const all = allEnded([Promise.reject(failure), slow]).catch((error: unknown) => [error, hasEnded])
    setImmediate(() => clock.advance(1))

    expect(await all).toEqual([failure, true])
  })
})
