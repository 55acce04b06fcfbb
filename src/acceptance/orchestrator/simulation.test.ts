/** The promises of the orchestrator in random histories. The seeds of those that fail are in the message. */
import { describe, expect, it } from 'vitest'
import { seedsToTry, simulate } from './simulate.fixture.ts'

describe('the orchestrator in random histories', () => {
  it('makes each tick once, nothing twice at once, and loses no run', async () => {
    expect(await simulate(seedsToTry(4))).toEqual([])
  })
})
