/**
 * The run store: runs, leases, ticks, releases, results of checks, candidates and the ledger in one database, SQLite or
 * MySQL by its URL.
 */
import type { Clock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import { type CandidateBook, createCandidateBook } from './candidate-book.ts'
import { type CheckBook, createCheckBook } from './check-book.ts'
import { type MysqlAddress, openMysql } from './database.mysql.ts'
import { openSqlite } from './database.sqlite.ts'
import type { RunDatabase } from './database.ts'
import { createLeases, type Leases } from './leases.ts'
import { createLedgerBook, type LedgerBook } from './ledger-book.ts'
import { createReleaseBook, type ReleaseBook } from './release-book.ts'
import { createRunBook, type RunBook } from './run-book.ts'
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
}

export interface OpenRunStoreOptions {
  /** `sqlite:/path/file.db`, or `mysql://user:password@host:port/database`, with `?tls=true` for TLS. */
  readonly url: string
  /** Goes before the one in the URL. */
  readonly password?: string | undefined
  /** Takes the place of the database's own clock: for tests. */
  readonly clock?: Clock | undefined
  readonly leaseTtlMs?: number
}

export type RunStoreAddress =
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'mysql' } & MysqlAddress)

/** @throws LakeError `CONFIG_INVALID`, which never repeats the URL: it may hold a password. */
export function parseRunStoreUrl(url: string): RunStoreAddress {
  const path = /^sqlite:(?<path>.+)$/s.exec(url)?.groups?.['path']
  if (path !== undefined) return { kind: 'sqlite', path: path.replace(/^\/\/(?=\/)/, '') }
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['mysql:', 'mariadb:'].includes(parsed.protocol)) {
    const got = parsed === undefined ? 'something else' : `${parsed.protocol}…`
    throw invalid(`sqlite:/path/file.db or mysql://user:password@host:port/database, got ${got}`)
  }
  const database = decoded(parsed.pathname.slice(1))
  if (parsed.hostname === '') throw invalid('a host after mysql://')
  if (database === '') throw invalid(`a database after ${parsed.host}/`)
  for (const name of parsed.searchParams.keys())
    if (name !== 'tls') throw invalid(`no parameter but tls, got ${name}`)
  const tls = parsed.searchParams.get('tls') ?? 'false'
  if (!['true', 'false'].includes(tls)) throw invalid(`tls to be true or false, got ${tls}`)
  return {
    kind: 'mysql',
    host: parsed.hostname,
    port: parsed.port === '' ? 3306 : Number(parsed.port),
    user: decoded(parsed.username),
    password: decoded(parsed.password),
    database,
    hasTls: tls === 'true',
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid('user, password and database percent-encoded: % is written %25')
  }
}

const invalid = (expected: string): LakeError =>
  new LakeError('CONFIG_INVALID', `URL of the run store: expected ${expected}`)

/**
 * Opens the store and brings its tables up to date; safe for many processes at once, and after a SIGKILL.
 *
 * @throws LakeError `CONFIG_INVALID`, `RUNSTORE_UNAVAILABLE`, `RUNSTORE_REFUSED`, `FILE_UNWRITABLE`, naming
 * the file or the host.
 */
export async function openRunStore(options: OpenRunStoreOptions): Promise<RunStore> {
  const { clock, leaseTtlMs } = options
  const database = await openDatabase(parseRunStoreUrl(options.url), options)
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
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

function openDatabase(
  address: RunStoreAddress,
  { clock, password }: OpenRunStoreOptions,
): Promise<RunDatabase> {
  switch (address.kind) {
    case 'sqlite':
      return openSqlite(address.path, { clock })
    case 'mysql':
      return openMysql({ ...address, password: password ?? address.password, clock })
  }
}
