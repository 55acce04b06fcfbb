import { describe, expect, it } from 'vitest'
import { check, type Model, model, type Step, steps } from './model.fixture.ts'

/** Enough to show each of the faults below. */
const small: Model = { ...model, faults: 1 }

const swapped = (at: number): readonly Step[] =>
  steps.map((step, index) => (index === at ? steps[at + 1] : index === at + 1 ? steps[at] : step) ?? step)

describe('the publication model', () => {
  it('keeps every promise in every state that can be reached', () => {
    const { states, violation } = check(model)

    expect(violation).toBeUndefined()
    expect(states).toBeGreaterThan(5_000)
  })

  it('breaks a promise where any two steps change places, but two gold tables', () => {
    const kept = steps
      .slice(1)
      .filter((_, at) => check({ ...small, steps: swapped(at) }).violation === undefined)

    // Neither is made from the other, and the code makes them side by side.
    expect(kept).toEqual(['commit-gold-b'])
  })

  it('breaks a promise where any step is missing', () => {
    const kept = steps.filter(
      (step) => check({ ...small, steps: steps.filter((other) => other !== step) }).violation === undefined,
    )

    expect(kept).toEqual([])
  })

  it.each([
    [{ isFenced: false }, 'a release goes back'],
    [{ loadsByTime: false }, 'a release is not in ClickHouse'],
    [{ detectsConflicts: false }, 'ClickHouse shows part of a run'],
    [{ checksFirst: false }, 'after recovery'],
  ])('breaks a promise with %j', (change, problem) => {
    expect(check({ ...small, ...change }).violation?.problem).toMatch(problem)
  })
})
