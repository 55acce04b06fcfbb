/** The run store in MySQL 8 or MariaDB 10.6 and newer. The server's clock decides over leases. */
import { createHash } from 'node:crypto'
import { Kysely, MysqlDialect, sql } from 'kysely'
import { createPool } from 'mysql2'
import type { Clock } from '../base/clock.ts'
import { isLakeError, LakeError, messageOf, systemCode } from '../base/errors.ts'
import { retry } from '../base/retry.ts'
import type { RunDatabase } from './database.ts'
import { snapshotMysql } from './migration/snapshot.mysql.ts'
import { migrate, type Schema, schemaVersion } from './schema.ts'

/** Where the database is, and who asks. */
export interface MysqlAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  readonly hasTls: boolean
}

export interface MysqlOptions extends MysqlAddress {
  /** The server's own clock by default. */
  readonly clock?: Clock | undefined
  /** Of the schema: an earlier one for tests. */
  readonly to?: number
}

/** Seconds that a start waits for another one that brings the tables up to date. */
const migrationWaitSeconds = 60

/** Connects, and brings the tables up to date; the database itself has to be there. */
export async function openMysql(options: MysqlOptions): Promise<RunDatabase> {
  const { host, port, user, password, database, hasTls, clock, to = schemaVersion } = options
  const place = `MySQL at ${host}:${port}, database ${database}, user ${user}`
  const toLakeError = (error: unknown): LakeError => mysqlError(error, place)
  const pool = createPool({
    host,
    port,
    user,
    password,
    database,
    ...(hasTls && { ssl: {} }),
    connectionLimit: 4,
    connectTimeout: 5_000,
    // Integers beyond 2^53 arrive as text instead of rounded.
    supportBigNumbers: true,
    bigNumberStrings: false,
    timezone: 'Z',
    charset: 'utf8mb4',
  })
  const db = new Kysely<Schema>({ dialect: new MysqlDialect({ pool }) })
  try {
    await retry(() => migrateAlone(db, { place, database, to }, toLakeError), { maxAttempts: 3 })
  } catch (error) {
    await db.destroy()
    throw error
  }
  return {
    db,
    place,
    toLakeError,
    nowMs: () =>
      clock === undefined
        ? // In UTC: `unix_timestamp(now())` jumps by an hour, there and back, where the server's zone sets its clock back.
          sql<number>`timestampdiff(microsecond, '1970-01-01', utc_timestamp(3)) div 1000`
        : sql<number>`${clock.now()}`,
    isDuplicate: (error) => systemCode(error) === 'ER_DUP_ENTRY',
    [Symbol.asyncDispose]: () => db.destroy(),
  }
}

/** MySQL gives the lock back by itself when the connection that took it ends. */
async function migrateAlone(
  db: Kysely<Schema>,
  { place, database, to }: { readonly place: string; readonly database: string; readonly to: number },
  toLakeError: (error: unknown) => LakeError,
): Promise<void> {
  const lock = `lake-runs-${createHash('sha256').update(database).digest('hex').slice(0, 32)}`
  try {
    await db.connection().execute(async (connection) => {
      const { rows } = await sql<{
        taken: number | null
      }>`select get_lock(${lock}, ${migrationWaitSeconds}) as taken`.execute(connection)
      if (rows[0]?.taken !== 1) {
        throw new LakeError(
          'RUNSTORE_UNAVAILABLE',
          `${place}: another process has been making the tables for ${migrationWaitSeconds} s`,
        )
      }
      try {
        await migrate(connection, {
          place,
          end: sql`engine = innodb default charset = utf8mb4 collate = utf8mb4_bin`,
          to,
          snapshot: (versions) => snapshotMysql(connection, versions),
        })
      } finally {
        await sql`select release_lock(${lock})`.execute(connection)
      }
    })
  } catch (error) {
    throw toLakeError(error)
  }
}

const refusals = [
  'ER_ACCESS_DENIED_ERROR',
  'ER_ACCESS_DENIED_NO_PASSWORD_ERROR',
  'ER_DBACCESS_DENIED_ERROR',
  'ER_TABLEACCESS_DENIED_ERROR',
  'ER_SPECIFIC_ACCESS_DENIED_ERROR',
  'ER_BAD_DB_ERROR',
  'ER_HOST_NOT_PRIVILEGED',
  'ER_ACCOUNT_HAS_BEEN_LOCKED',
  'ER_NOT_SUPPORTED_AUTH_MODE',
]

/** A server that is not there, goes away, or ended this transaction for another: a retry may succeed. */
const outages = [
  'ER_LOCK_DEADLOCK',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_CON_COUNT_ERROR',
  'ER_SERVER_SHUTDOWN',
  'ER_QUERY_INTERRUPTED',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]

function mysqlError(error: unknown, place: string): LakeError {
  if (isLakeError(error)) return error
  const code = systemCode(error) ?? ''
  const message = `${place}: ${messageOf(error) || code}`
  const options = { cause: error, details: { place } }
  if (refusals.includes(code)) return new LakeError('RUNSTORE_REFUSED', message, options)
  if (outages.includes(code) || /closed state|Pool is closed/.test(message)) {
    return new LakeError('RUNSTORE_UNAVAILABLE', message, options)
  }
  if (code === 'ER_DISK_FULL' || code === 'ER_RECORD_FILE_FULL') {
    return new LakeError('DISK_FULL', message, options)
  }
  return new LakeError('RUNSTORE_REFUSED', message, {
    ...options,
    details: { ...options.details, fault: 'statement-refused' },
  })
}
