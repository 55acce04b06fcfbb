/**
 * A lock between processes, and between holders in one process, that dies with its holder.
 *
 * It is SQLite's exclusive lock on an empty database file: the kernel takes it back when the process ends,
 * however it ends. A process must not open the lock file in another way: closing any descriptor of a file
 * gives up all POSIX locks that the process holds on it.
 */
import { type Connection, isBusy, openConnection } from './connection.ts'

export interface ExclusiveLock {
  /** Lets the next one in. Doing it twice is no fault. */
  release(): void
}

/** The lock, or `undefined` while another holds it. The file is made where it is missing, and stays. */
export function tryExclusiveLock(path: string): ExclusiveLock | undefined {
  let connection: Connection | undefined
  try {
    connection = openConnection(path, { create: true, busyTimeoutMs: 0 })
    connection.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    connection?.close()
    if (isBusy(error)) return undefined
    throw error
  }
  const held = connection
  return {
    release() {
      if (held.open) held.close()
    },
  }
}
