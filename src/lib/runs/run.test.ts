import { describe, expect, it } from 'vitest'
import {
  type AttemptState,
  assertAttemptMove,
  assertRunMove,
  attemptStates,
  type RunState,
  runStates,
  statesBefore,
} from './run.ts'

const moves = <S>(states: readonly S[], assertMove: (from: S, to: S) => void): string[] =>
  states.flatMap((from) =>
    states
      .filter((to) => {
        try {
          assertMove(from, to)
          return true
        } catch {
          return false
        }
      })
      .map((to) => `${from} → ${to}`),
  )

describe('assertRunMove(from, to)', () => {
  it('lets a queued run begin or end, a running one end, and nothing else happen', () => {
    expect(moves<RunState>(runStates, assertRunMove)).toEqual([
      'queued → running',
      'queued → cancelled',
      'queued → abandoned',
      'running → succeeded',
      'running → unchanged',
      'running → failed',
      'running → cancelled',
      'running → abandoned',
    ])
  })

  it('names both states when it refuses', () => {
    expect(() => assertRunMove('failed', 'succeeded')).toThrow('no move from failed to succeeded')
  })
})

describe('assertAttemptMove(from, to)', () => {
  it('refuses every move that the header does not draw', () => {
    expect(moves<AttemptState>(attemptStates, assertAttemptMove)).toEqual([
      'waiting → skipped',
      'waiting → running',
      'waiting → cancelled',
      'waiting → abandoned',
      'up-for-retry → running',
      'up-for-retry → cancelled',
      'up-for-retry → abandoned',
      'running → succeeded',
      'running → unchanged',
      'running → failed',
      'running → cancelled',
      'running → abandoned',
    ])
  })
})

describe('statesBefore(to)', () => {
  it('gives the states that lead there', () => {
    expect(statesBefore('skipped')).toEqual(['waiting'])
    expect(statesBefore('cancelled')).toEqual(['waiting', 'up-for-retry', 'running'])
    expect(statesBefore('waiting')).toEqual([])
  })
})
