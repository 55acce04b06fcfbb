/**
 * The run store in a SQLite file. Several processes of one machine may share it: it is in WAL mode, and one writes at
 * a time.
 */
import { dirname, resolve } from 'node:path'
import {
  type DatabaseConnection,
  type Driver,
  Kysely,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  sql,
} from 'kysely'
import type { Clock } from '../base/clock.ts'
import { isLakeError, LakeError, messageOf, systemCode } from '../base/errors.ts'
import { makeFolders } from '../base/files/folders.ts'
import { retry } from '../base/retry.ts'
import { type Connection, openPlainConnection } from '../sqlite/connection.ts'
import type { RunDatabase } from './database.ts'
import { snapshotSqlite } from './migration/snapshot.sqlite.ts'
import { migrate, type Schema, schemaVersion } from './schema.ts'

/** The driver waits inside a call and holds up the event loop: briefly here, the rest of the wait is ours. */
const busyTimeoutMs = 20

export interface SqliteOptions {
  /** The host's own clock by default. */
  readonly clock?: Clock | undefined
  /** Of the schema: an earlier one for tests. */
  readonly to?: number
}

/** Opens or makes the file, its folder included, and brings its tables up to date. */
export async function openSqlite(
  file: string,
  { clock, to = schemaVersion }: SqliteOptions = {},
): Promise<RunDatabase> {
  const path = resolve(file)
  const place = `SQLite file ${path}`
  const toLakeError = (error: unknown): LakeError => sqliteError(error, place, path)
  return retry(
    async () => {
      let database: Connection | undefined
      try {
        await makeFolders(dirname(path))
        database = openPlainConnection(path, { busyTimeoutMs })
        database.pragma('journal_mode = wal')
        database.pragma('synchronous = full')
        // Each commit is copied to the file itself, so that no run is lost with `-wal`, in a copy or after a kill.
        database.pragma('wal_autocheckpoint = 1')
        const db = new Kysely<Schema>({ dialect: new ImmediateDialect(database) })
        await db.transaction().execute((trx) =>
          // Nobody else writes meanwhile: the copy is what the steps begin with.
          migrate(trx, { place, to, snapshot: (versions) => snapshotSqlite(path, versions) }),
        )
        return {
          db,
          place,
          toLakeError,
          nowMs: () =>
            clock === undefined
              ? sql<number>`cast(unixepoch('subsec') * 1000 as integer)`
              : sql<number>`${clock.now()}`,
          isDuplicate: (error) =>
            ['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY'].includes(systemCode(error) ?? ''),
          [Symbol.asyncDispose]: () => db.destroy(),
        }
      } catch (error) {
        database?.close()
        throw toLakeError(error)
      }
    },
    // Many processes that start at once take turns at the tables.
    {
      maxAttempts: 30,
      firstDelayMs: 25,
      maxDelayMs: 500,
      isRetryable: (error) => isLakeError(error, 'RUNSTORE_UNAVAILABLE'),
    },
  )
}

/**
 * Begins as a writer: a transaction that begins as a reader may be refused when it turns writer, and no waiting
 * would help. Begins by `exec`: a prepared BEGIN that libsql found busy stays open, and bars every later COMMIT.
 */
class ImmediateDriver extends SqliteDriver {
  readonly #database: Connection

  constructor(settings: SqliteDialectConfig, database: Connection) {
    super(settings)
    this.#database = database
  }

  override async beginTransaction(_connection: DatabaseConnection): Promise<void> {
    this.#database.exec('begin immediate')
  }

  /** A full disk makes SQLite roll back by itself; a second time would fail, and hide why. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.inTransaction) await super.rollbackTransaction(connection)
  }
}

class ImmediateDialect extends SqliteDialect {
  readonly #settings: SqliteDialectConfig
  readonly #database: Connection

  constructor(database: Connection) {
    const settings = { database: kyselyView(database) }
    super(settings)
    this.#settings = settings
    this.#database = database
  }

  override createDriver(): Driver {
    return new ImmediateDriver(this.#settings, this.#database)
  }
}

function kyselyView(database: Connection): SqliteDatabase {
  return {
    close: () => void database.close(),
    prepare: (text) => {
      const statement = database.prepare(text)
      return {
        reader: statement.reader,
        all: (parameters) => statement.all([...parameters]),
        run: (parameters) => statement.run([...parameters]),
        iterate: (parameters) => statement.iterate([...parameters]),
      }
    },
  }
}

function sqliteError(error: unknown, place: string, path: string): LakeError {
  if (isLakeError(error)) return error
  const options = { cause: error, details: { path } }
  const message = `${place}: ${messageOf(error)}`
  const code = systemCode(error) ?? ''
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new LakeError('RUNSTORE_UNAVAILABLE', message, {
      ...options,
      details: { path, fault: 'file-held' },
    })
  }
  if (/^SQLITE_(FULL|IOERR_WRITE)/.test(code) || code === 'ENOSPC') {
    return new LakeError('DISK_FULL', message, options)
  }
  if (/^SQLITE_(READONLY|CANTOPEN|PERM)/.test(code) || /^E[A-Z]+$/.test(code) || /: 14"\)$/.test(message)) {
    return new LakeError('FILE_UNWRITABLE', message, options)
  }
  return new LakeError('RUNSTORE_REFUSED', message, {
    ...options,
    details: { path, fault: 'not-a-run-store' },
  })
}
