/** Runs of the batch with their tasks, as the console lists them. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { RecordedError } from '../../lib/dag/recorder.ts'
import type { Attempt, RunWithAttempts } from '../../lib/runs/run.ts'
import type { RunBook } from '../../lib/runs/run-book.ts'
import { batchDag } from '../../pipeline/batch/dag-name.ts'
import type { RunAnswer, Task } from '../answers.ts'
import type { HintOf } from '../problem.ts'

export type RunReader = Pick<RunBook, 'list' | 'show'>

const shownRuns = 10

/** The newest runs, newest first. */
export function createRunsReader(
  book: RunReader,
  hintOf: HintOf,
): (options?: IoOptions) => Promise<readonly RunAnswer[]> {
  return async (options = {}) => {
    const runs = await book.list({ dag: batchDag, limit: shownRuns }, options)
    return runs.map((run) => runAnswerOf(run, hintOf))
  }
}

const iso = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString())

export function runAnswerOf(run: RunWithAttempts, hintOf: HintOf): RunAnswer {
  return {
    id: run.id,
    dag: run.dag,
    trigger: run.trigger,
    state: run.state,
    firstRun: run.firstRun ?? null,
    queuedAt: iso(run.queuedMs),
    startedAt: iso(run.startedMs),
    endedAt: iso(run.endedMs),
    error: errorOf(run.error, hintOf),
    tasks: run.attempts.map((attempt) => taskOf(attempt, hintOf)),
  }
}

function taskOf(attempt: Attempt, hintOf: HintOf): Task {
  return {
    node: attempt.node,
    attempt: attempt.attempt,
    state: attempt.state,
    startedAt: iso(attempt.startedMs),
    endedAt: iso(attempt.endedMs),
    retryAt: iso(attempt.retryMs),
    rowsIn: attempt.rowsIn ?? null,
    rowsOut: attempt.rowsOut ?? null,
    versionsBefore: attempt.versionsBefore ?? {},
    versionsAfter: attempt.versionsAfter ?? {},
    error: errorOf(attempt.error, hintOf),
  }
}

function errorOf(error: RecordedError | undefined, hintOf: HintOf): RunAnswer['error'] {
  return error === undefined ? null : { code: error.code, message: error.message, hint: hintOf(error) }
}
