/** Runs as documents of JSON, and in the words of people. */
import type { RecordedError } from '../../lib/dag/recorder.ts'
import type { Attempt, Run, RunWithAttempts } from '../../lib/runs/run.ts'

export const isoOf = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString()

export function secondsOf({
  startedMs,
  endedMs,
}: {
  readonly startedMs?: number
  readonly endedMs?: number
}): number | null {
  return startedMs === undefined || endedMs === undefined ? null : (endedMs - startedMs) / 1000
}

export function runDocument(
  { startedMs, endedMs, queuedMs, cancelMs, firstRun, code, tick, attempts, error, ...run }: RunWithAttempts,
  release: number | undefined,
): object {
  return {
    ...run,
    firstRun: firstRun ?? null,
    code: code ?? null,
    release: release ?? null,
    queuedAt: isoOf(queuedMs),
    startedAt: isoOf(startedMs),
    endedAt: isoOf(endedMs),
    cancelRequestedAt: isoOf(cancelMs),
    tick: tick === undefined ? null : { schedule: tick.schedule, at: isoOf(tick.tickMs) },
    ...(error && { error }),
    tasks: lastAttempts(attempts).map(taskDocument),
  }
}

function taskDocument({ node, startedMs, endedMs, retryMs, ...attempt }: Attempt): object {
  return {
    name: node,
    state: attempt.state,
    attempt: attempt.attempt,
    startedAt: isoOf(startedMs),
    endedAt: isoOf(endedMs),
    retryAt: isoOf(retryMs),
    rowsIn: attempt.rowsIn ?? null,
    rowsOut: attempt.rowsOut ?? null,
    inputs: attempt.inputs ?? {},
    versionsBefore: attempt.versionsBefore ?? {},
    versionsAfter: attempt.versionsAfter ?? {},
    error: attempt.error ?? null,
  }
}

export function attemptDocument({ startedMs, endedMs, retryMs, ...attempt }: Attempt): object {
  return { ...attempt, startedAt: isoOf(startedMs), endedAt: isoOf(endedMs), retryAt: isoOf(retryMs) }
}

/** Of each task the newest attempt, in the order of the DAG. */
export function lastAttempts(attempts: readonly Attempt[]): readonly Attempt[] {
  return [...new Map(attempts.map((attempt) => [attempt.node, attempt])).values()]
}

/** Why a run has not ended well, or not yet: which task, and what it said. */
export function reasonOf({ attempts, error, state, cancelMs }: RunWithAttempts): string | undefined {
  if (state === 'running' && cancelMs !== undefined) return 'somebody asked for its end'
  const last = lastAttempts(attempts)
  const waiting = last.find((attempt) => attempt.state === 'up-for-retry')
  if (state === 'running' && waiting?.retryMs !== undefined) {
    const before = attempts.find(
      ({ node, attempt }) => node === waiting.node && attempt === waiting.attempt - 1,
    )
    return `${waiting.node}, attempt ${waiting.attempt} at ${isoOf(waiting.retryMs)}: ${before?.error?.message ?? ''}`
  }
  const failed = last.find((attempt) => attempt.error !== undefined)
  return failed === undefined ? error?.message : textOf(failed.node, failed.error ?? error)
}

/** Many messages begin with the task. */
function textOf(node: string, error: RecordedError | undefined): string {
  const message = error?.message ?? ''
  return message.startsWith(`${node}:`) ? message : `${node}: ${message}`
}

/** `retry of 12` */
export const triggerText = ({ trigger, firstRun }: Run): string =>
  firstRun === undefined ? trigger : `${trigger} of ${firstRun}`
