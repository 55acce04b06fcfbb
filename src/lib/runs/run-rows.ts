/** Converts rows of the run store to runs and attempts. No other file knows the names of their columns. */
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { parseJson } from '../base/json.ts'
import { integer, optionalInteger } from './database.ts'
import {
  type Attempt,
  type AttemptState,
  attemptStates,
  type Run,
  type RunState,
  runStates,
  type Trigger,
  triggers,
} from './run.ts'
import type { AttemptsTable, RunsTable } from './schema.ts'

export type RunRow = Selectable<RunsTable>

const runState = z.enum<readonly RunState[]>(runStates)
const attemptState = z.enum<readonly AttemptState[]>(attemptStates)
const trigger = z.enum<readonly Trigger[]>(triggers)
const versions = z.record(z.string(), z.number().int().nullable())
/** As it is kept, in JSON. A store of an earlier release has a hint as well, which is left out. */
export const recordedError = z.object({ code: z.string(), message: z.string() })

export function decodeRun(row: RunRow): Run {
  const id = integer(row.id)
  const what = `Run ${id}`
  return {
    id,
    dag: row.dag,
    trigger: trigger.parse(row.trigger),
    state: runState.parse(row.state),
    parameters: parseJson(row.parameters, what),
    owner: row.owner,
    // 0: its turn has not come.
    ...(integer(row.started_ms) > 0 && { startedMs: integer(row.started_ms) }),
    ...definite({
      queuedMs: optionalInteger(row.queued_ms),
      firstRun: optionalInteger(row.first_run),
      cancelMs: optionalInteger(row.cancel_ms),
    }),
    ...(row.code !== null && { code: row.code }),
    ...(row.schedule !== null &&
      row.tick_ms !== null && { tick: { schedule: row.schedule, tickMs: integer(row.tick_ms) } }),
    ...(row.ended_ms !== null && { endedMs: integer(row.ended_ms) }),
    ...(row.error !== null && { error: recordedError.parse(parseJson(row.error, what)) }),
  }
}

export function decodeAttempt(row: Selectable<AttemptsTable>): Attempt {
  const what = `Run ${row.run_id}, node ${row.node}`
  return {
    node: row.node,
    attempt: integer(row.attempt),
    state: attemptState.parse(row.state),
    ...definite({
      startedMs: optionalInteger(row.started_ms),
      endedMs: optionalInteger(row.ended_ms),
      retryMs: optionalInteger(row.retry_ms),
      rowsIn: optionalInteger(row.rows_in),
      rowsOut: optionalInteger(row.rows_out),
    }),
    ...(row.inputs !== null && { inputs: versions.parse(parseJson(row.inputs, what)) }),
    ...(row.versions_before !== null && {
      versionsBefore: versions.parse(parseJson(row.versions_before, what)),
    }),
    ...(row.versions_after !== null && {
      versionsAfter: versions.parse(parseJson(row.versions_after, what)),
    }),
    ...(row.error !== null && { error: recordedError.parse(parseJson(row.error, what)) }),
    ...(row.details !== null && { details: parseJson(row.details, what) }),
  }
}

/** Leaves out what is undefined, so that absence has one spelling. */
function definite(integers: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(integers).filter((entry): entry is [string, number] => entry[1] !== undefined),
  )
}
