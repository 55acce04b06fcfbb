/**
 * The run store: runs, leases, ticks, backfills, releases, results of checks, candidates, streaming stages, replays of
 * messages and the ledger in one database, SQLite or MySQL by its URL.
 */
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { type AlertBook, createAlertBook } from './alerts/alert-book.ts'
import { type CandidateBook, createCandidateBook } from './candidate-book.ts'
import { type CheckBook, createCheckBook } from './check-book.ts'
import { type BackfillBook, createBackfillBook } from './control/backfill-book.ts'
import type { RunDatabase } from './database.ts'
import { createLeases, type Leases } from './leases.ts'
import { createLedgerBook, type LedgerBook } from './ledger-book.ts'
import { createLogBook, type LogBook } from './log/log-book.ts'
import { createReleaseBook, type ReleaseBook } from './release-book.ts'
import { createReplayBook, type ReplayBook } from './replay/replay-book.ts'
import { createRunBook, type RunBook } from './run-book.ts'
import { parseRunStoreUrl, type RunStoreAddress } from './run-store-url.ts'
import { createStageBook, type StageBook } from './streaming/stage-book.ts'
import { createTicks, type Ticks } from './ticks.ts'

export interface RunStore extends AsyncDisposable {
  /** For messages: names the file, or host and database; never a password. */
  readonly place: string
  readonly runs: RunBook
  readonly leases: Leases
  readonly ticks: Ticks
  readonly releases: ReleaseBook
  readonly checks: CheckBook
  readonly candidates: CandidateBook
  readonly ledger: LedgerBook
  readonly logs: LogBook
  readonly backfills: BackfillBook
  readonly alerts: AlertBook
  readonly stages: StageBook
  readonly replays: ReplayBook
}

export interface OpenRunStoreOptions {
  /** `sqlite:/path/file.db`, or `mysql://user:password@host:port/database`, with `?tls=true` for TLS. */
  readonly url: string
  /** Goes before the one in the URL. */
  readonly password?: string | undefined
  /** Takes the place of the database's own clock: for tests. */
  readonly clock?: Clock | undefined
  readonly leaseTtlMs?: number
  /** Where this machine keeps the logs of attempts, of a store in MySQL; those of a SQLite store are beside its file. */
  readonly logDirectory?: string
  /** Texts that are in no log: passwords, tokens. */
  readonly secrets?: readonly string[]
  /** Told if a log cannot be kept. */
  readonly logger?: Logger
}

/**
 * Opens the store and brings its tables up to date; safe for many processes at once, and after a SIGKILL.
 *
 * @throws LakeError `CONFIG_INVALID`, `RUNSTORE_UNAVAILABLE`, `RUNSTORE_REFUSED`, `FILE_UNWRITABLE`, naming
 * the file or the host.
 */
export async function openRunStore(options: OpenRunStoreOptions): Promise<RunStore> {
  const { clock, leaseTtlMs, secrets, logger } = options
  const address = parseRunStoreUrl(options.url)
  const database = await openDatabase(address, options)
  const leases = createLeases(database, { clock, ...(leaseTtlMs !== undefined && { ttlMs: leaseTtlMs }) })
  return {
    place: database.place,
    runs: createRunBook(database, clock),
    leases,
    ticks: createTicks(database, leases),
    releases: createReleaseBook(database, clock),
    checks: createCheckBook(database, clock),
    candidates: createCandidateBook(database, clock),
    ledger: createLedgerBook(database, clock),
    logs: createLogBook(database, {
      directory: logDirectoryOf(address, options),
      isShared: address.kind === 'mysql',
      clock,
      ...(secrets && { secrets }),
      ...(logger && { logger }),
    }),
    backfills: createBackfillBook(database, clock),
    alerts: createAlertBook(database),
    stages: createStageBook(database),
    replays: createReplayBook(database),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

/** Two stores on one machine have logs of their own: both have a run 1. */
function logDirectoryOf(address: RunStoreAddress, { logDirectory }: OpenRunStoreOptions): string {
  if (address.kind === 'sqlite') return `${resolve(address.path)}-logs`
  const { host, port, database } = address
  const name = encodeURIComponent(`${host}:${port}-${database}`)
  return join(logDirectory ?? join(tmpdir(), 'run-logs'), name)
}

/** The driver of the other database is not loaded. */
async function openDatabase(
  address: RunStoreAddress,
  { clock, password }: OpenRunStoreOptions,
): Promise<RunDatabase> {
  switch (address.kind) {
    case 'sqlite': {
      const { openSqlite } = await import('./database.sqlite.ts')
      return openSqlite(address.path, { clock })
    }
    case 'mysql': {
      const { openMysql } = await import('./database.mysql.ts')
      return openMysql({ ...address, password: password ?? address.password, clock })
    }
  }
}
