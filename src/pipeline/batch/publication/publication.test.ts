import { describe, expect, it } from 'vitest'
import { check, type Model, model, type Step, steps } from './model.fixture.ts'
import { describePublication, movesOfRun } from './publication.contract.ts'

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

describePublication({
  'a release that arrives after that of the next run': [
    ...movesOfRun(0, 'publish-release'),
    'run 0 is late at publish-release',
    'bronze grows',
    ...movesOfRun(1),
    'run 0 publish-release arrives late',
  ],
  'a run that is killed at its last table, one that fails a check there, and one that passes': [
    ...movesOfRun(0, 'commit-gold-b'),
    'run 0 is late at commit-gold-b',
    'run 0 never makes commit-gold-b',
    'bronze grows by what fails a check',
    ...movesOfRun(1),
    'bronze grows',
    ...movesOfRun(0),
  ],
})
