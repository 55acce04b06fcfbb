/**
 * How the streaming stages of the platform are: what each process last said of itself, judged by its age.
 *
 * The one home of a stage's health: the command, the console, and the alerts read it here.
 */
import type { IoOptions } from '../../lib/base/io.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import type { StagePause, StageRow } from '../../lib/runs/streaming/stage-book.ts'
import { parseReading, type StageReading } from '../streaming/stage-reading.ts'

/** What a stage that gets on is never silent for. */
export const stuckAfterMs = 60_000

export const stageStates = [
  'running',
  'paused',
  'retrying',
  'stuck',
  'gone',
  'failed',
  'stopped',
  'unknown',
] as const
/**
 * `stuck`: nothing was heard of it for a minute, or it has neither read nor written for so long. `gone`: its process has
 * ended and did not say so. `unknown`: another release wrote what cannot be read.
 */
export type StageState = (typeof stageStates)[number]

export interface StageStatus {
  readonly stage: string
  readonly state: StageState
  /** Running, paused by somebody, or stopped in order. */
  readonly isHealthy: boolean
  readonly host: string
  readonly pid: number
  readonly heardMs: number
  readonly silentMs: number
  readonly reading: StageReading | undefined
}

export interface StreamStatus {
  /** By stage; of one stage the process that was heard last comes first. */
  readonly stages: readonly StageStatus[]
  readonly pauses: readonly StagePause[]
}

/** @throws what the run store throws. */
export async function readStreamStatus(
  { stages }: Pick<RunStore, 'stages'>,
  options: IoOptions = {},
): Promise<StreamStatus> {
  const [rows, pauses] = [await stages.list(options), await stages.pauses(options)]
  return { stages: present(rows).map(statusOf), pauses }
}

/**
 * Those that are of interest: what has ended in order gives way to a process that runs, and whatever has ended to one
 * that began after it.
 */
function present(rows: readonly StageRow[]): readonly StageRow[] {
  return rows.filter((row) => {
    const others = rows.filter(({ stage, owner }) => stage === row.stage && owner !== row.owner)
    const isOver = row.hasEnded || row.isDead || row.silentMs > stuckAfterMs
    if (!isOver) return true
    if (others.some(({ startedMs }) => startedMs > row.heardMs)) return false
    if (!row.hasEnded || parseReading(row.content)?.state === 'failed') return true
    return others.every(({ hasEnded, heardMs }) => hasEnded && heardMs <= row.heardMs)
  })
}

function statusOf(row: StageRow): StageStatus {
  const { stage, host, pid, heardMs, silentMs } = row
  const reading = parseReading(row.content)
  const state = stateOf(row, reading)
  const isHealthy = state === 'running' || state === 'paused' || state === 'stopped'
  return { stage, state, isHealthy, host, pid, heardMs, silentMs, reading }
}

function stateOf({ hasEnded, isDead, silentMs }: StageRow, reading: StageReading | undefined): StageState {
  if (isDead) return 'gone'
  if (reading === undefined) return 'unknown'
  if (hasEnded) return reading.state === 'failed' ? 'failed' : 'stopped'
  if (silentMs > stuckAfterMs) return 'stuck'
  if (reading.state === 'running' && reading.quietMs + silentMs > stuckAfterMs) return 'stuck'
  return reading.state
}
