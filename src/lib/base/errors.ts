/**
 * Every failure that the platform raises on purpose, in one table.
 *
 * `code` is for machines, `message` for the reader of a log, `hint` for whoever has to mend it. Whether a
 * failure may be retried, and which exit code a command ends with, are properties of the code, never of
 * the call site. Exit 1: data or a task failed. Exit 2: usage, configuration or infrastructure.
 */
export const errorCatalogue = {
  BUG: { retryable: false, exit: 1, hint: 'An invariant of ours does not hold. Report it with the details.' },
  USAGE: { retryable: false, exit: 2, hint: 'See the command with --help.' },
  CONFIG_INVALID: { retryable: false, exit: 2, hint: 'Correct the setting named in the message.' },
  FILE_MISSING: { retryable: false, exit: 2, hint: 'Check the path named in the message.' },
  FILE_UNWRITABLE: { retryable: false, exit: 2, hint: 'Make the path writable, or name another one.' },
  DISK_FULL: {
    retryable: true,
    exit: 2,
    hint: 'Free space; nothing was committed, and work goes on from there.',
  },
  FILES_EXHAUSTED: {
    retryable: true,
    exit: 2,
    hint: 'Raise the limit of open files (`ulimit -n`), or stop what holds so many.',
  },
  OUT_OF_MEMORY: {
    retryable: false,
    exit: 2,
    hint: 'Give the process, or DuckDB in it (DUCKDB_MEMORY_LIMIT), more memory, and run it again: nothing is half done.',
  },
  PORT_TAKEN: { retryable: false, exit: 2, hint: 'Stop what listens on that port, or choose another one.' },
  HOME_LOCKED: {
    retryable: false,
    exit: 2,
    hint: 'Stop the other process, or set LAKE_HOME to another folder.',
  },
  INTERRUPTED: { retryable: false, exit: 130, hint: 'Run the command again: it goes on where it was.' },

  OBJECT_MISSING: {
    retryable: false,
    exit: 1,
    hint: 'Check the path. A file of a table was vacuumed or deleted: bring it back, or `lake table restore` an older version.',
  },
  STORE_UNAVAILABLE: {
    retryable: true,
    exit: 2,
    hint: 'The object store did not answer. It is safe to retry.',
  },
  STORE_REFUSED: { retryable: false, exit: 2, hint: 'Check the credentials and rights at the object store.' },

  TABLE_MISSING: { retryable: false, exit: 2, hint: '`lake table list` shows the tables there are.' },
  TABLE_EXISTS: { retryable: false, exit: 1, hint: 'Open the table instead, or choose another path.' },
  VERSION_MISSING: {
    retryable: false,
    exit: 1,
    hint: '`lake table history TABLE` shows the versions there are.',
  },
  LOG_CORRUPT: {
    retryable: false,
    exit: 1,
    hint: 'Stop the writers and inspect _delta_log at the named version.',
  },
  PROTOCOL_UNSUPPORTED: { retryable: false, exit: 1, hint: 'The table needs a feature that we lack.' },
  SCHEMA_MISMATCH: { retryable: false, exit: 1, hint: 'Bring the rows into the schema of the table.' },
  CONSTRAINT_VIOLATED: {
    retryable: false,
    exit: 1,
    hint: 'Nothing was written. Mend the rows, or change the constraint with `lake table alter`.',
  },
  COLUMN_MISSING: { retryable: false, exit: 1, hint: '`lake table show TABLE` shows its columns.' },
  COMMIT_CONFLICT: {
    retryable: true,
    exit: 1,
    hint: 'Rebuild the change from a fresh snapshot, then commit again.',
  },
  COMMIT_LOST: { retryable: true, exit: 1, hint: 'Other writers were faster each time. Try again.' },
  COMMIT_UNKNOWN: { retryable: true, exit: 1, hint: 'Read the newest version: the change may be there.' },

  EVENTLOG_UNAVAILABLE: {
    retryable: true,
    exit: 2,
    hint: 'Check that the event log is up and KAFKA_BROKERS is right.',
  },
  EVENTLOG_REFUSED: { retryable: false, exit: 2, hint: 'Check user, password and rights at the brokers.' },
  EVENTLOG_RESET: {
    retryable: false,
    exit: 1,
    hint: 'The topic was made anew. Point KAFKA_TOPIC, or LAKE_URI and CLICKHOUSE_URL, elsewhere, or put the old topic back.',
  },
  EVENTLOG_GAP: {
    retryable: false,
    exit: 1,
    hint: 'Retention took messages before they were read. Raise the retention; --accept-gap of `lake land` and `lake realtime` goes on after what is lost, and records it.',
  },

  CLICKHOUSE_UNAVAILABLE: {
    retryable: true,
    exit: 2,
    hint: 'Check that ClickHouse is up and CLICKHOUSE_URL is right.',
  },
  CLICKHOUSE_REFUSED: {
    retryable: false,
    exit: 2,
    hint: 'Check the user and the password of CLICKHOUSE_URL.',
  },
  CLICKHOUSE_FAILED: {
    retryable: false,
    exit: 1,
    hint: 'ClickHouse refused the statement; its own words are in the message.',
  },

  SQL_INVALID: {
    retryable: false,
    exit: 1,
    hint: 'Correct the SQL; the engine’s own words are in the message.',
  },

  RUNSTORE_UNAVAILABLE: { retryable: true, exit: 2, hint: 'Check that the database of METADATA_URL is up.' },
  RUNSTORE_REFUSED: { retryable: false, exit: 2, hint: 'Check user, password and rights in METADATA_URL.' },
  RUN_MISSING: { retryable: false, exit: 1, hint: '`lake runs list` shows the runs there are.' },
  RUN_BUSY: { retryable: true, exit: 2, hint: 'Wait for the run that is named, or cancel it.' },
  LEASE_LOST: { retryable: true, exit: 1, hint: 'Another process took over. Run again where it did not.' },
  TASK_FAILED: { retryable: false, exit: 1, hint: '`lake runs show RUN` shows the error of each task.' },
  CHECK_FAILED: {
    retryable: false,
    exit: 1,
    hint: 'Readers keep the last good version. Look at the rows named.',
  },
  SOURCE_FAILED: { retryable: false, exit: 1, hint: 'See the cause in the message.' },
} as const satisfies Record<
  string,
  { readonly retryable: boolean; readonly exit: 1 | 2 | 130; readonly hint: string }
>

export type ErrorCode = keyof typeof errorCatalogue

export interface LakeErrorOptions {
  /** What the message is about, as data: table, version, topic, partition, offset. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
  /** The mend, where this place knows a better one than the catalogue. */
  readonly hint?: string
}

export class LakeError extends Error {
  override readonly name = 'LakeError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  readonly hint: string

  constructor(code: ErrorCode, message: string, { details = {}, cause, hint }: LakeErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
    this.hint = hint ?? errorCatalogue[code].hint
  }

  get retryable(): boolean {
    return errorCatalogue[this.code].retryable
  }

  get exitCode(): 1 | 2 | 130 {
    return errorCatalogue[this.code].exit
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
