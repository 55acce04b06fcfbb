/** Port: where an execution records what it does, as it does it. One recorder records one run. */
import { isLakeError, messageOf } from '../base/errors.ts'
import type { JsonValue } from '../base/json.ts'

/** Table → version, or null where the table was not there. */
export type TableVersions = Readonly<Record<string, number | null>>

export interface RecordedError {
  readonly code: string
  readonly message: string
}

export function recordedError(error: unknown): RecordedError {
  return { code: isLakeError(error) ? error.code : 'BUG', message: messageOf(error) }
}

export interface NodeEnd {
  readonly node: string
  readonly attempt: number
  readonly state: 'succeeded' | 'unchanged' | 'failed' | 'skipped' | 'cancelled'
  readonly endedMs: number
  readonly rowsIn?: number
  readonly rowsOut?: number
  readonly inputs?: TableVersions
  readonly versionsBefore?: TableVersions
  readonly versionsAfter?: TableVersions
  readonly error?: RecordedError
  readonly details?: JsonValue
  /** Of a failed attempt: when the next one is due. It is recorded together with the failure. */
  readonly retryMs?: number
}

/** Each call is durable when it resolves; one that rejects ends the execution: no work without its record. */
export interface RunRecorder {
  /** @returns The id of the run. `nodes` is all of them, in the order of the plan. */
  runStarted(start: { readonly nodes: readonly string[]; readonly startedMs: number }): Promise<number>
  /** Attempts count from 1. A node that is skipped or cancelled before its turn has none. */
  attemptStarted(start: {
    readonly node: string
    readonly attempt: number
    readonly startedMs: number
  }): Promise<void>
  nodeEnded(end: NodeEnd): Promise<void>
  runEnded(end: {
    readonly state: 'succeeded' | 'unchanged' | 'failed' | 'cancelled'
    readonly endedMs: number
    readonly error?: RecordedError
  }): Promise<void>
}
