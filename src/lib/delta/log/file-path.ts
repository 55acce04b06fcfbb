/**
 * The two encodings of a data file's path. Delta PROTOCOL.md, "Add File and Remove File".
 *
 * A partition folder is Hive-escaped on disk (`part=p%2F q`), and the whole relative path is URI-encoded once
 * more in the action (`part=p%252F%20q`). Decoding happens exactly once, and `+` is never a blank. A relative path
 * that leaves the table is refused: a log is not to be trusted with the files beside it.
 */
import { posix } from 'node:path'
import { LakeError, messageOf } from '../../base/errors.ts'

/** Path on disk, relative to the table → `add.path`. */
export function encodeFilePath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/').replaceAll('%3D', '=')
}

export type FileLocation =
  | { readonly kind: 'relative'; readonly key: string }
  | { readonly kind: 'absolute'; readonly uri: string }

/** @throws LakeError `LOG_CORRUPT` when the path is not well encoded, or leaves the table. */
export function decodeFilePath(path: string): FileLocation {
  const decoded = decode(path)
  if (decoded.includes('\0')) throw corrupt(path, 'it holds a zero byte')
  if (path.startsWith('/')) return { kind: 'absolute', uri: decoded }
  // In the encoded path: an encoded colon belongs to a name.
  if (/^[a-z][a-z0-9+.-]*:/i.test(path)) {
    return { kind: 'absolute', uri: decoded.replace(/^file:(?:\/\/)?(?=\/)/i, '') }
  }
  requireWithin(path, decoded)
  return { kind: 'relative', key: decoded }
}

function requireWithin(path: string, key: string): void {
  if (key !== '' && key !== '.' && !key.includes('..')) return
  const normal = posix.normalize(key)
  if (normal === '.' || normal === '..' || normal.startsWith('../')) {
    throw corrupt(path, 'it names no file below the table')
  }
}

function corrupt(path: string, what: string, cause?: unknown): LakeError {
  return new LakeError('LOG_CORRUPT', `File path ${JSON.stringify(path)}: ${what}`, {
    cause,
    details: { path, fault: 'path-leaves-table' },
  })
}

function decode(path: string): string {
  if (!path.includes('%')) return path
  try {
    return decodeURIComponent(path)
  } catch (error) {
    throw corrupt(path, 'it is not URI-encoded', error)
  }
}

/** @param where names the path in errors. @throws LakeError `LOG_CORRUPT` as `decodeFilePath` does. */
export function requireWithinTable(path: string, where: string): void {
  if (!unusual.test(path)) return
  try {
    decodeFilePath(path)
  } catch (error) {
    throw new LakeError('LOG_CORRUPT', `${where}: ${messageOf(error)}`, { cause: error, details: { path } })
  }
}

/** What a path has where more than a look is needed: a zero byte among it. */
const unusual = /^\.?$|[%:\0]|\.\./

/** The same file, however its path is written: the key of log replay. */
export function fileIdentity(path: string): string {
  // Most are spelt so that there is nothing to decode.
  if (!unusual.test(path)) return path
  const location = decodeFilePath(path)
  return location.kind === 'relative' ? location.key : location.uri
}
