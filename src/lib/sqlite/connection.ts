/** SQLite files: the only home of the driver. */
import { pathToFileURL } from 'node:url'
import Database from 'libsql'
import { systemCode } from '../base/errors.ts'

export type Connection = InstanceType<typeof Database>
export type Statement = Database.Statement

export interface OpenOptions {
  /** `false`: the file must be there. */
  readonly create: boolean
  /** How long one call may wait, with the event loop, for another connection's lock. */
  readonly busyTimeoutMs: number
}

/** A connection that reads integers as bigint, and whose commits survive a power cut. */
export function openConnection(path: string, { create, busyTimeoutMs }: OpenOptions): Connection {
  const connection = new Database(`${pathToFileURL(path).href}?mode=${create ? 'rwc' : 'rw'}`, {
    timeout: busyTimeoutMs,
  })
  connection.defaultSafeIntegers(true)
  connection.exec('PRAGMA synchronous = FULL')
  return connection
}

/** Another connection holds the lock: nothing was done, and the same call may be made again. */
export function isBusy(error: unknown): boolean {
  return systemCode(error)?.startsWith('SQLITE_BUSY') ?? false
}

/** A connection as the driver makes it: the file is made where it is missing, and integers are numbers. */
export function openPlainConnection(
  path: string,
  { busyTimeoutMs }: Pick<OpenOptions, 'busyTimeoutMs'>,
): Connection {
  return new Database(path, { timeout: busyTimeoutMs })
}
