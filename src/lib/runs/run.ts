/**
 * What the run store keeps: runs of a DAG, and in each run the attempts at its nodes.
 *
 *     run       queued ──► running ──► succeeded | unchanged | failed | cancelled | abandoned
 *               queued ──► cancelled | abandoned
 *     attempt   waiting | up-for-retry ──► running ──► succeeded | unchanged | failed | cancelled | abandoned
 *               waiting ──► skipped | cancelled | abandoned
 *               up-for-retry ──► cancelled | abandoned
 *
 * `queued`: another run has to end first. `up-for-retry`: the attempt before it failed, and this one is due later.
 * `unchanged`: there was nothing to do. `abandoned`: the process ended without a word. The rest is final.
 */
import { LakeError } from '../base/errors.ts'
import type { JsonValue } from '../base/json.ts'
import type { RecordedError, TableVersions } from '../dag/recorder.ts'

const endings = ['succeeded', 'unchanged', 'failed', 'cancelled', 'abandoned'] as const

/** Those of a run that has ended. */
export const endedRunStates: readonly RunState[] = endings

export const runStates = ['queued', 'running', ...endings] as const
export type RunState = (typeof runStates)[number]

export const attemptStates = ['waiting', 'skipped', 'up-for-retry', 'running', ...endings] as const
export type AttemptState = (typeof attemptStates)[number]

const final: readonly never[] = []

const moves = {
  running: endings,
  succeeded: final,
  unchanged: final,
  failed: final,
  cancelled: final,
  abandoned: final,
} as const

const runMoves: Readonly<Record<RunState, readonly RunState[]>> = {
  ...moves,
  queued: ['running', 'cancelled', 'abandoned'],
}

const attemptMoves: Readonly<Record<AttemptState, readonly AttemptState[]>> = {
  ...moves,
  waiting: ['running', 'skipped', 'cancelled', 'abandoned'],
  'up-for-retry': ['running', 'cancelled', 'abandoned'],
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

/**
 * What started a run. `start`: the first one of a lake, as the platform came up. `catch-up`: a tick that was missed.
 * `retry` and `replay` have the number of the run that they repeat.
 */
export const triggers = [
  'manual',
  'start',
  'schedule',
  'catch-up',
  'retry',
  'replay',
  'backfill',
  'gate',
] as const
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
  /** Of a run that had to wait for another one. */
  readonly queuedMs?: number
  /** Absent until its turn has come. */
  readonly startedMs?: number
  readonly endedMs?: number
  readonly error?: RecordedError
  /** `host:pid:token` of the process that runs or ran it. */
  readonly owner: string
  /** Of a retry or a replay: the first run of this work. */
  readonly firstRun?: number
  /** The version of the code that computes, as the caller has it. */
  readonly code?: string
  /** When somebody asked for its end. */
  readonly cancelMs?: number
}

export interface Attempt {
  readonly node: string
  /** From 1. */
  readonly attempt: number
  readonly state: AttemptState
  readonly startedMs?: number
  readonly endedMs?: number
  /** Of one that is up for retry, or was: when it is due. */
  readonly retryMs?: number
  readonly rowsIn?: number
  readonly rowsOut?: number
  /** The versions that it has read. */
  readonly inputs?: TableVersions
  readonly versionsBefore?: TableVersions
  readonly versionsAfter?: TableVersions
  readonly error?: RecordedError
  readonly details?: JsonValue
}

export interface RunWithAttempts extends Run {
  /** In the order of the DAG, then by attempt. */
  readonly attempts: readonly Attempt[]
}
