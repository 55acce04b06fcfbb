/**
 * The states of a streaming stage, which reads micro-batches and writes each of them into a sink.
 *
 *     reading ──batchRead──► writing ──written, superseded──► reading
 *     reading, writing ──failed──► retrying ──rested──► reading;  or ──failed──► failed
 *     reading ──pauseAsked──► paused ──resumed──► reading
 *     reading ──endReached──► ended;  any of them ──stopped──► ended
 *
 * A stage that writes is not paused before its batch is written. One batch is in flight while a stage is writing. `next` is pure: the loop around it does the work.
 */
import { assertNever, LakeError } from '../base/errors.ts'

export type StageState =
  | { readonly kind: 'reading'; readonly failures: number }
  | { readonly kind: 'writing'; readonly failures: number }
  /** After a failure that may pass. `failures` counts those in a row. */
  | { readonly kind: 'retrying'; readonly failures: number; readonly waitMs: number; readonly error: unknown }
  /** Somebody has paused it: nothing is written until it is resumed. */
  | { readonly kind: 'paused'; readonly failures: number }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: unknown }

export type StageOutcome =
  | { readonly kind: 'batchRead' }
  /** The sink has the batch. */
  | { readonly kind: 'written' }
  /** Another writer has some of these offsets: the stage reads on from where the sink is. */
  | { readonly kind: 'superseded' }
  /** A run with an end has read all of it. */
  | { readonly kind: 'endReached' }
  | { readonly kind: 'failed'; readonly error: unknown; readonly mayPass: boolean }
  | { readonly kind: 'rested' }
  | { readonly kind: 'pauseAsked' }
  | { readonly kind: 'resumed' }
  /** The stage was asked to end; while it writes: and the deadline has passed. */
  | { readonly kind: 'stopped' }

export interface StageRules {
  /** A run with an end gives up after some failures in a row; one without an end goes on for ever. */
  readonly hasEnd: boolean
}

export const firstState: StageState = { kind: 'reading', failures: 0 }

const firstWaitMs = 1_000
const longestWaitMs = 30_000
const attemptsWithEnd = 10

/** @throws LakeError `BUG` for an outcome that cannot happen in this state. */
export function next(state: StageState, outcome: StageOutcome, rules: StageRules): StageState {
  switch (state.kind) {
    case 'reading':
      if (outcome.kind === 'batchRead') return { kind: 'writing', failures: state.failures }
      if (outcome.kind === 'failed') return afterFailure(state.failures + 1, outcome, rules)
      if (outcome.kind === 'pauseAsked') return { kind: 'paused', failures: state.failures }
      if (outcome.kind === 'endReached' || outcome.kind === 'stopped') return { kind: 'ended' }
      throw illegal(state, outcome)
    case 'writing':
      if (outcome.kind === 'written' || outcome.kind === 'superseded') return firstState
      if (outcome.kind === 'failed') return afterFailure(state.failures + 1, outcome, rules)
      if (outcome.kind === 'stopped') return { kind: 'ended' }
      throw illegal(state, outcome)
    case 'retrying':
      if (outcome.kind === 'rested') return { kind: 'reading', failures: state.failures }
      if (outcome.kind === 'stopped') return { kind: 'ended' }
      throw illegal(state, outcome)
    case 'paused':
      if (outcome.kind === 'resumed') return { kind: 'reading', failures: state.failures }
      if (outcome.kind === 'stopped') return { kind: 'ended' }
      throw illegal(state, outcome)
    case 'ended':
    case 'failed':
      throw illegal(state, outcome)
    default:
      return assertNever(state, 'stage state')
  }
}

function afterFailure(
  failures: number,
  { error, mayPass }: Extract<StageOutcome, { readonly kind: 'failed' }>,
  { hasEnd }: StageRules,
): StageState {
  if (!mayPass || (hasEnd && failures >= attemptsWithEnd)) return { kind: 'failed', error }
  const waitMs = hasEnd ? firstWaitMs : Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - 1))
  return { kind: 'retrying', failures, waitMs, error }
}

function illegal(state: StageState, outcome: StageOutcome): LakeError {
  return new LakeError('BUG', `Stage: ${outcome.kind} cannot happen while ${state.kind}`)
}
