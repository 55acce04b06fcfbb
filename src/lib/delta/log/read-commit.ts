/** The actions of one version, read from its commit. */
import { isLakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { type Action, decodeActions, decodeLogFile } from './actions.ts'
import { commitKey, type Version } from './log-path.ts'
import { requireUnbroken } from './seal.ts'

export async function readCommit(
  store: ObjectStore,
  of: Version,
  { signal }: IoOptions = {},
): Promise<readonly Action[]> {
  return (await readCommitFile(store, of, { signal })).actions
}

export interface CommitFile {
  readonly actions: readonly Action[]
  readonly bytes: Uint8Array
}

export async function readCommitFile(
  store: ObjectStore,
  of: Version,
  { signal }: IoOptions = {},
): Promise<CommitFile> {
  const bytes = await store.read(commitKey(of), { signal })
  return { bytes, actions: decodeLogFile(bytes, `${store.uri}/${commitKey(of)}`) }
}

/** `undefined` when the version is not there (yet). */
export async function readCommitIfThere(
  store: ObjectStore,
  of: Version,
  options: IoOptions = {},
): Promise<readonly Action[] | undefined> {
  return (await readCommitFileIfThere(store, of, options))?.actions
}

/** As `readCommitIfThere`, with the bytes. */
export async function readCommitFileIfThere(
  store: ObjectStore,
  of: Version,
  options: IoOptions = {},
): Promise<CommitFile | undefined> {
  try {
    return await readCommitFile(store, of, options)
  } catch (error) {
    if (isLakeError(error, 'OBJECT_MISSING')) return undefined
    throw error
  }
}

/**
 * A checkpoint holds no commitInfo; the commit of its version does, as its first line, as long as it is kept.
 * `undefined` where the version is not there, or has none.
 */
export async function readInCommitTimestamp(
  store: ObjectStore,
  of: Version,
  { signal }: IoOptions = {},
): Promise<number | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await store.read(commitKey(of), { signal })
  } catch (error) {
    if (isLakeError(error, 'OBJECT_MISSING')) return undefined
    throw error
  }
  const file = `${store.uri}/${commitKey(of)}`
  requireUnbroken(bytes, file)
  const end = bytes.indexOf(0x0a)
  const first = decodeActions(end === -1 ? bytes : bytes.subarray(0, end), file)[0]
  return first !== undefined && 'commitInfo' in first ? first.commitInfo.inCommitTimestamp : undefined
}
