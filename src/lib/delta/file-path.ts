/**
 * The two encodings of a data file's path. Delta PROTOCOL.md, "Add File and Remove File".
 *
 * A partition folder is Hive-escaped on disk (`part=p%2F q`), and the whole relative path is URI-encoded once
 * more in the action (`part=p%252F%20q`). Decoding happens exactly once, and `+` is never a blank.
 */
import { LakeError } from '../base/errors.ts'

/** Path on disk, relative to the table → `add.path`. */
export function encodeFilePath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/').replaceAll('%3D', '=')
}

export type FileLocation =
  | { readonly kind: 'relative'; readonly key: string }
  | { readonly kind: 'absolute'; readonly uri: string }

/** @throws LakeError `LOG_CORRUPT` when the path is not well encoded. */
export function decodeFilePath(path: string): FileLocation {
  const decoded = decode(path)
  if (path.startsWith('/')) return { kind: 'absolute', uri: decoded }
  // Of the path as it stands: a colon that is encoded belongs to a name.
  if (/^[a-z][a-z0-9+.-]*:/i.test(path)) {
    return { kind: 'absolute', uri: decoded.replace(/^file:(?:\/\/)?(?=\/)/i, '') }
  }
  return { kind: 'relative', key: decoded }
}

function decode(path: string): string {
  if (!path.includes('%')) return path
  try {
    return decodeURIComponent(path)
  } catch (error) {
    throw new LakeError('LOG_CORRUPT', `File path ${path}: not URI-encoded`, { cause: error })
  }
}

/** The same file, however its path is written: the key of log replay. */
export function fileIdentity(path: string): string {
  // Most are spelt so that there is nothing to decode.
  if (!path.includes('%') && !path.includes(':')) return path
  const location = decodeFilePath(path)
  return location.kind === 'relative' ? location.key : location.uri
}
