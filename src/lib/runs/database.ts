/** What the run store needs of its database, whether SQLite or MySQL. */
import type { Kysely, RawBuilder, Transaction } from 'kysely'
import { isLakeError, LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type RetryOptions, retry } from '../base/retry.ts'
import type { Schema } from './schema.ts'

export interface RunDatabase extends AsyncDisposable {
  readonly db: Kysely<Schema>
  /** For messages: names the file, or host and database; never a password. */
  readonly place: string
  /** The present in milliseconds as all processes that share the store see it: one clock decides over leases. */
  nowMs(): RawBuilder<number>
  /** How the waits before another try are paced; the host's own clock without it. */
  readonly pace?: Pick<RetryOptions, 'clock' | 'random'>
  /** An insert met a row with the same key. */
  isDuplicate(error: unknown): boolean
  /** What the driver threw, as an error of the catalogue; one that is there already stays as it is. */
  toLakeError(error: unknown): LakeError
}

const patience = {
  maxAttempts: 10,
  firstDelayMs: 25,
  maxDelayMs: 1_000,
  isRetryable: (error: unknown): boolean => isLakeError(error, 'RUNSTORE_UNAVAILABLE'),
}

/**
 * Runs `work` in one transaction, again where the database was busy, chose us as a deadlock's victim, or was
 * briefly gone. The answer may get lost after the commit, so it must be safe to do `work` twice.
 */
export function transact<T>(
  { db, toLakeError, pace }: RunDatabase,
  work: (trx: Transaction<Schema>) => Promise<T>,
  { signal }: IoOptions = {},
): Promise<T> {
  return retry(
    async () => {
      try {
        return await db.transaction().execute(work)
      } catch (error) {
        throw toLakeError(error)
      }
    },
    { signal, ...patience, ...pace },
  )
}

/** Runs queries that change nothing; again if the database was busy or briefly gone. */
export function read<T>(
  { db, toLakeError, pace }: RunDatabase,
  work: (db: Kysely<Schema>) => Promise<T>,
  { signal }: IoOptions = {},
): Promise<T> {
  return retry(
    async () => {
      try {
        return await work(db)
      } catch (error) {
        throw toLakeError(error)
      }
    },
    { signal, ...patience, ...pace },
  )
}

/** A 64-bit integer of any driver, as a number. @throws LakeError `BUG` rather than round it. */
export function integer(value: number | bigint | string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number))
    throw new LakeError('BUG', `Run store: expected a safe integer, got ${value}`)
  return number
}

export function optionalInteger(value: number | bigint | string | null): number | undefined {
  return value === null ? undefined : integer(value)
}
