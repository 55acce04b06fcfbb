/**
 * Every failure that is raised on purpose: one class, and one table of codes.
 *
 * `code` is for machines, `message` says what failed and on what, and `details` are the facts. Whether a failure may
 * be retried is a property of its code. What to do about it depends on the program, which looks at code and details.
 */
export const errorCatalogue = {
  BUG: { retryable: false },
  USAGE: { retryable: false },
  CONFIG_INVALID: { retryable: false },
  FILE_MISSING: { retryable: false },
  FILE_UNWRITABLE: { retryable: false },
  DISK_FULL: { retryable: true },
  FILES_EXHAUSTED: { retryable: true },
  OUT_OF_MEMORY: { retryable: false },
  PORT_TAKEN: { retryable: false },
  HOME_LOCKED: { retryable: false },
  TOOL_MISSING: { retryable: false },
  INTERRUPTED: { retryable: false },

  OBJECT_MISSING: { retryable: false },
  STORE_UNAVAILABLE: { retryable: true },
  STORE_REFUSED: { retryable: false },

  TABLE_MISSING: { retryable: false },
  TABLE_EXISTS: { retryable: false },
  VERSION_MISSING: { retryable: false },
  LOG_CORRUPT: { retryable: false },
  PROTOCOL_UNSUPPORTED: { retryable: false },
  SCHEMA_MISMATCH: { retryable: false },
  CONSTRAINT_VIOLATED: { retryable: false },
  COLUMN_MISSING: { retryable: false },
  COMMIT_CONFLICT: { retryable: true },
  COMMIT_LOST: { retryable: true },
  COMMIT_UNKNOWN: { retryable: true },

  EVENTLOG_UNAVAILABLE: { retryable: true },
  EVENTLOG_REFUSED: { retryable: false },
  EVENTLOG_RESET: { retryable: false },
  EVENTLOG_GAP: { retryable: false },
  MESSAGE_MISSING: { retryable: false },

  STAGE_PAUSED: { retryable: false },

  CLICKHOUSE_UNAVAILABLE: { retryable: true },
  CLICKHOUSE_REFUSED: { retryable: false },
  CLICKHOUSE_FAILED: { retryable: false },

  ENGINE_UNAVAILABLE: { retryable: true },
  ENGINE_REFUSED: { retryable: false },
  ENGINE_FAILED: { retryable: false },
  ENGINE_OUT_OF_MEMORY: { retryable: false },

  SQL_INVALID: { retryable: false },

  RUNSTORE_UNAVAILABLE: { retryable: true },
  RUNSTORE_REFUSED: { retryable: false },
  RUN_MISSING: { retryable: false },
  RELEASE_MISSING: { retryable: false },
  BOOKS_UNBALANCED: { retryable: false },
  RUN_BUSY: { retryable: true },
  LEASE_LOST: { retryable: true },
  RUN_CANCELLED: { retryable: false },
  TASK_FAILED: { retryable: false },
  TASK_TIMED_OUT: { retryable: true },
  CHECK_FAILED: { retryable: false },
  METRIC_REFUSED: { retryable: false },
  CELL_FAILED: { retryable: false },
  SOURCE_FAILED: { retryable: false },

  WEBHOOK_UNAVAILABLE: { retryable: true },
  WEBHOOK_REFUSED: { retryable: false },
} as const satisfies Record<string, { readonly retryable: boolean }>

export type ErrorCode = keyof typeof errorCatalogue

export interface LakeErrorOptions {
  /**
   * What the message is about, as data: table, version, topic, partition, offset. `fault` tells apart failures of one
   * code that are fixed in different ways. Never a secret.
   */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

export class LakeError extends Error {
  override readonly name = 'LakeError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, { details = {}, cause }: LakeErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
  }

  get retryable(): boolean {
    return errorCatalogue[this.code].retryable
  }
}

/** True for our own errors; with codes, true only for those. Total: any thrown value may be asked. */
export function isLakeError(error: unknown, ...codes: readonly ErrorCode[]): error is LakeError {
  return error instanceof LakeError && (codes.length === 0 || codes.includes(error.code))
}

/** Marks the branch that the type checker has proved unreachable. */
export function assertNever(value: never, what: string): never {
  throw new LakeError('BUG', `Unknown ${what}: ${JSON.stringify(value)}`)
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` that Node and many drivers put on their errors (`ENOENT`, `ECONNREFUSED`). */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/**
 * Whether work was cut short: the store of its records did not answer, or another process has taken its place. Its result
 * is not known, and it is done again.
 */
export function isCutShort(error: unknown): boolean {
  return isLakeError(error, 'LEASE_LOST', 'RUNSTORE_UNAVAILABLE')
}
