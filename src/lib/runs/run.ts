/**
 * What the run store keeps: runs of a DAG, and in each run the attempts at its nodes.
 *
 *     run       running ──► succeeded | unchanged | failed | cancelled | abandoned
 *     attempt   waiting ──► running ──► succeeded | unchanged | failed | cancelled | abandoned
 *               waiting ──► skipped | cancelled | abandoned
 *
 * `unchanged`: there was nothing to do. `abandoned`: the process ended without a word. The rest is final.
 */
import { LakeError } from '../base/errors.ts'
import type { JsonValue } from '../base/json.ts'
import type { RecordedError, TableVersions } from '../dag/recorder.ts'

export const runStates = ['running', 'succeeded', 'unchanged', 'failed', 'cancelled', 'abandoned'] as const
export type RunState = (typeof runStates)[number]

export const attemptStates = ['waiting', 'skipped', ...runStates] as const
export type AttemptState = (typeof attemptStates)[number]

const final: readonly AttemptState[] = []

const runMoves: Readonly<Record<RunState, readonly AttemptState[]>> = {
  running: ['succeeded', 'unchanged', 'failed', 'cancelled', 'abandoned'],
  succeeded: final,
  unchanged: final,
  failed: final,
  cancelled: final,
  abandoned: final,
}

const attemptMoves: Readonly<Record<AttemptState, readonly AttemptState[]>> = {
  ...runMoves,
  waiting: ['running', 'skipped', 'cancelled', 'abandoned'],
  skipped: final,
}

/** @throws LakeError `BUG` when a run may not go from one to the other. */
export function assertRunMove(from: RunState, to: RunState): void {
  if (!runMoves[from].includes(to)) throw new LakeError('BUG', `Run: expected no move from ${from} to ${to}`)
}

/** @throws LakeError `BUG` when an attempt may not go from one to the other. */
export function assertAttemptMove(from: AttemptState, to: AttemptState): void {
  if (!attemptMoves[from].includes(to))
    throw new LakeError('BUG', `Attempt: expected no move from ${from} to ${to}`)
}

/** The states from which an attempt may go to `to`. */
export function statesBefore(to: AttemptState): readonly AttemptState[] {
  return attemptStates.filter((from) => attemptMoves[from].includes(to))
}

export const triggers = ['manual', 'schedule', 'catch-up', 'gate'] as const
export type Trigger = (typeof triggers)[number]

export interface ScheduledTick {
  readonly schedule: string
  readonly tickMs: number
}

export interface Run {
  readonly id: number
  readonly dag: string
  readonly trigger: Trigger
  /** Of a run that a schedule started. */
  readonly tick?: ScheduledTick
  readonly state: RunState
  readonly parameters: JsonValue
  readonly startedMs: number
  readonly endedMs?: number
  readonly error?: RecordedError
  /** `host:pid:token` of the process that runs or ran it. */
  readonly owner: string
}

export interface Attempt {
  readonly node: string
  /** From 1. */
  readonly attempt: number
  readonly state: AttemptState
  readonly startedMs?: number
  readonly endedMs?: number
  readonly rowsIn?: number
  readonly rowsOut?: number
  readonly versionsBefore?: TableVersions
  readonly versionsAfter?: TableVersions
  readonly error?: RecordedError
  readonly details?: JsonValue
}

export interface RunWithAttempts extends Run {
  /** In the order of the DAG, then by attempt. */
  readonly attempts: readonly Attempt[]
}
