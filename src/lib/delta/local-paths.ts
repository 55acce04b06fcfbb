/** Where an engine that reads local files finds the files of a table. */
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import type { ObjectStore } from '../storage/store.ts'
import type { AddFile } from './actions.ts'
import { decodeFilePath } from './file-path.ts'

/** Files of a remote store are fetched so many at a time. */
const concurrency = 16

/** In the order of the files. @throws LakeError `SOURCE_FAILED` for a file at another store. */
export async function localPaths(
  store: ObjectStore,
  files: readonly AddFile[],
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const paths: string[] = new Array(files.length)
  const entries = files.entries()
  const fetchAll = async (): Promise<void> => {
    for (const [index, { path }] of entries) paths[index] = await localPath(store, path, { signal })
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, files.length) }, fetchAll))
  return paths
}

/** @param path As the log has it: relative or absolute, URI-encoded. */
export async function localPath(store: ObjectStore, path: string, options: IoOptions): Promise<string> {
  const location = decodeFilePath(path)
  if (location.kind === 'relative') return store.localFile(location.key, options)
  if (location.uri.startsWith('/')) return location.uri
  const root = store.uri.endsWith('/') ? store.uri : `${store.uri}/`
  if (location.uri.startsWith(root)) return store.localFile(location.uri.slice(root.length), options)
  throw new LakeError(
    'SOURCE_FAILED',
    `Cannot read ${store.uri}: its file ${location.uri} lies at another store`,
    { details: { uri: store.uri, file: location.uri } },
  )
}
