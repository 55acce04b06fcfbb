/** Converts errors of SQLite to errors of the event log. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { LakeError, messageOf, systemCode } from '../base/errors.ts'

/** The error of a driver call in the words of the catalogue. */
export function fromSqlite(error: unknown, operation: string, path: string): unknown {
  if (error instanceof LakeError) return error
  const details = { path, sqlite: systemCode(error) }
  const message = `${operation} ${path}: ${messageOf(error)}`
  switch (systemCode(error)) {
    case 'SQLITE_FULL':
    case 'ENOSPC':
      return new LakeError('DISK_FULL', message, { details, cause: error })
    case 'SQLITE_READONLY':
    case 'SQLITE_PERM':
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new LakeError('FILE_UNWRITABLE', message, { details, cause: error })
    case 'SQLITE_CORRUPT':
    case 'SQLITE_NOTADB':
      return new LakeError('LOG_CORRUPT', message, {
        details: { ...details, fault: 'event-log-damaged', folder: path },
        cause: error,
      })
    default:
      return new LakeError('EVENTLOG_UNAVAILABLE', message, {
        details: { ...details, fault: existsSync(dirname(path)) ? 'file-unusable' : 'folder-gone' },
        cause: error,
      })
  }
}

/** A file of the log that is lost or cut off, which does not pass by itself. */
export function damaged(logFolder: string, file: string, cause: unknown): LakeError {
  return new LakeError('LOG_CORRUPT', `open ${file}: ${messageOf(cause)}`, {
    details: { file, fault: 'event-log-damaged', folder: logFolder },
    cause,
  })
}
