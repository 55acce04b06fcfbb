/**
 * The identity of a commit. After a restore another commit may have a version number that was used before.
 *
 * So a reader that remembers a version as processed also remembers the identity of its commit.
 */
import { createHash } from 'node:crypto'
import { isLakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { commitKey, version } from './log-path.ts'

/** One commit of one table. */
export interface CommitRef {
  readonly version: number
  /** As `readCommitId` says it. */
  readonly id: string
}

const idDigits = 32

/**
 * A digest of the commit's bytes, which works for the commits of every writer.
 *
 * @returns `undefined` if the commit is not in the log: it is not there yet, was lost, or was cleaned up.
 */
export async function readCommitId(
  store: ObjectStore,
  of: number,
  { signal }: IoOptions = {},
): Promise<string | undefined> {
  try {
    const bytes = await store.read(commitKey(version(of)), { signal })
    return createHash('sha256').update(bytes).digest('hex').slice(0, idDigits)
  } catch (error) {
    if (isLakeError(error, 'OBJECT_MISSING')) return undefined
    throw error
  }
}

/** The commit of a version, or `undefined` as `readCommitId`. */
export async function readCommitRef(
  store: ObjectStore,
  of: number,
  options: IoOptions = {},
): Promise<CommitRef | undefined> {
  const id = await readCommitId(store, of, options)
  return id === undefined ? undefined : { version: of, id }
}
