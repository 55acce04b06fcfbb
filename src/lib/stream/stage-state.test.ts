import { describe, expect, it } from 'vitest'
import { LakeError } from '../base/errors.ts'
import { next, type StageOutcome, type StageState } from './stage-state.ts'

const error = new LakeError('CLICKHOUSE_UNAVAILABLE', 'no answer')
const endless = { hasEnd: false }
const states = {
  reading: { kind: 'reading', failures: 2 },
  writing: { kind: 'writing', failures: 2 },
  retrying: { kind: 'retrying', failures: 2, waitMs: 2_000, error },
  paused: { kind: 'paused', failures: 2 },
  ended: { kind: 'ended' },
  failed: { kind: 'failed', error },
} as const satisfies Record<string, StageState>
const outcomes = {
  batchRead: { kind: 'batchRead' },
  written: { kind: 'written' },
  superseded: { kind: 'superseded' },
  endReached: { kind: 'endReached' },
  passing: { kind: 'failed', error, mayPass: true },
  final: { kind: 'failed', error, mayPass: false },
  rested: { kind: 'rested' },
  pauseAsked: { kind: 'pauseAsked' },
  resumed: { kind: 'resumed' },
  stopped: { kind: 'stopped' },
} as const satisfies Record<string, StageOutcome>

type StateName = keyof typeof states
type OutcomeName = keyof typeof outcomes

const legal: readonly (readonly [StateName, OutcomeName, StageState])[] = [
  ['reading', 'batchRead', { kind: 'writing', failures: 2 }],
  ['reading', 'endReached', { kind: 'ended' }],
  ['reading', 'passing', { kind: 'retrying', failures: 3, waitMs: 4_000, error }],
  ['reading', 'final', { kind: 'failed', error }],
  ['reading', 'stopped', { kind: 'ended' }],
  ['writing', 'written', { kind: 'reading', failures: 0 }],
  ['writing', 'superseded', { kind: 'reading', failures: 0 }],
  ['writing', 'passing', { kind: 'retrying', failures: 3, waitMs: 4_000, error }],
  ['writing', 'final', { kind: 'failed', error }],
  ['writing', 'stopped', { kind: 'ended' }],
  ['retrying', 'rested', { kind: 'reading', failures: 2 }],
  ['retrying', 'stopped', { kind: 'ended' }],
  ['reading', 'pauseAsked', { kind: 'paused', failures: 2 }],
  ['paused', 'resumed', { kind: 'reading', failures: 2 }],
  ['paused', 'stopped', { kind: 'ended' }],
]

const illegal = (Object.keys(states) as StateName[]).flatMap((state) =>
  (Object.keys(outcomes) as OutcomeName[])
    .filter((outcome) => !legal.some(([from, by]) => from === state && by === outcome))
    .map((outcome) => [state, outcome] as const),
)

describe('next(state, outcome, rules)', () => {
  it.each(legal)('goes on from %s by %s', (state, outcome, to) => {
    expect(next(states[state], outcomes[outcome], endless)).toEqual(to)
  })

  it.each(illegal)('refuses, from %s, %s', (state, outcome) => {
    expect(() => next(states[state], outcomes[outcome], endless)).toThrow(`while ${state}`)
  })

  it.each([
    [0, 1_000],
    [1, 2_000],
    [4, 16_000],
    [5, 30_000],
    [40, 30_000],
  ])('without an end waits after %i earlier failures for %i ms', (failures, waitMs) => {
    const state = next({ kind: 'writing', failures }, outcomes.passing, endless)

    expect(state).toEqual({ kind: 'retrying', failures: failures + 1, waitMs, error })
  })

  it('with an end waits a second each time, and gives up at the tenth failure in a row', () => {
    const afterMore = (failures: number): StageState =>
      next({ kind: 'reading', failures }, outcomes.passing, { hasEnd: true })

    expect(afterMore(8)).toEqual({ kind: 'retrying', failures: 9, waitMs: 1_000, error })
    expect(afterMore(9)).toEqual({ kind: 'failed', error })
  })
})
