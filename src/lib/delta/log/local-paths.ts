/** The local paths of files that the log names: relative to the table, or absolute, as path or URI. */
import { access } from 'node:fs/promises'
import { isLakeError, LakeError, systemCode } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { readRegularFile, requireRegularFile } from '../../storage/regular-file.ts'
import type { LocalFileOptions, ObjectStore } from '../../storage/store.ts'
import { decodeFilePath, encodeFilePath } from './file-path.ts'

/** Files of a remote store are fetched so many at a time. */
const concurrency = 16

/**
 * Local files with the content of `files`, in their order, for an engine that reads files.
 *
 * @throws LakeError `SOURCE_FAILED` for a file at another store, and for a path that is no regular file.
 */
export async function localPaths(
  store: ObjectStore,
  files: readonly { readonly path: string }[],
  options: LocalFileOptions = {},
): Promise<readonly string[]> {
  const paths: string[] = new Array(files.length)
  const entries = files.entries()
  const fetchAll = async (): Promise<void> => {
    for (const [index, { path }] of entries) {
      const place = placeOf(store, path)
      if (place.kind === 'local') await requireRegularFile(place.path)
      paths[index] = place.kind === 'local' ? place.path : await store.localFile(place.key, options)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, files.length) }, fetchAll))
  return paths
}

/**
 * @param path As the log has it: URI-encoded.
 * @throws LakeError `OBJECT_MISSING`, or `SOURCE_FAILED` for a file at another store.
 */
export async function readTableFile(
  store: ObjectStore,
  path: string,
  { signal }: IoOptions = {},
): Promise<Uint8Array> {
  const place = placeOf(store, path)
  if (place.kind === 'stored') return store.read(place.key, { signal })
  try {
    return await readRegularFile(place.path, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    if (isLakeError(error)) throw error
    const code = systemCode(error) === 'ENOENT' ? 'OBJECT_MISSING' : 'SOURCE_FAILED'
    throw new LakeError(code, `Read ${place.path}: ${systemCode(error)}`, { cause: error })
  }
}

/** @param path As the log has it: URI-encoded. @throws LakeError `SOURCE_FAILED` for a file at another store. */
export async function isThere(
  store: ObjectStore,
  path: string,
  { signal }: IoOptions = {},
): Promise<boolean> {
  const place = placeOf(store, path)
  if (place.kind === 'stored') return (await store.head(place.key, { signal })) !== undefined
  return access(place.path).then(
    () => true,
    () => false,
  )
}

type Place =
  | { readonly kind: 'stored'; readonly key: string }
  | { readonly kind: 'local'; readonly path: string }

function placeOf(store: ObjectStore, path: string): Place {
  const location = decodeFilePath(path)
  if (location.kind === 'relative') return { kind: 'stored', key: location.key }
  const root = store.uri.endsWith('/') ? store.uri : `${store.uri}/`
  if (location.uri.startsWith(root)) return { kind: 'stored', key: keyBelow(location.uri.slice(root.length)) }
  if (location.uri.startsWith('/')) return { kind: 'local', path: location.uri }
  throw new LakeError(
    'SOURCE_FAILED',
    `Cannot read ${store.uri}: its file ${location.uri} lies at another store`,
    { details: { uri: store.uri, file: location.uri } },
  )
}

/** An absolute path below the root may leave it again. @throws LakeError `LOG_CORRUPT` where it does. */
function keyBelow(key: string): string {
  decodeFilePath(encodeFilePath(key))
  return key
}
