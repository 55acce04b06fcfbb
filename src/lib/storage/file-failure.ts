/** Failures of the file system in the words of the catalogue. */
import { LakeError, systemCode } from '../base/errors.ts'

/** The error to throw when `operation` on `path` failed with `error`. */
export function fileFailure(operation: string, path: string, error: unknown): LakeError {
  const details = { path }
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      if (operation === 'Write') {
        return new LakeError('FILE_UNWRITABLE', `Write ${path}: its folder cannot be made`, {
          details,
          cause: error,
        })
      }
      return new LakeError('OBJECT_MISSING', `${operation}: no file at ${path}`, { details, cause: error })
    case 'ENOSPC':
    case 'EDQUOT':
      return new LakeError('DISK_FULL', `${operation} ${path}: the disk is full`, { details, cause: error })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new LakeError('FILE_UNWRITABLE', `${operation} ${path}: not allowed`, { details, cause: error })
    default:
      return new LakeError('STORE_UNAVAILABLE', `${operation} ${path}: ${String(error)}`, {
        details,
        cause: error,
      })
  }
}
