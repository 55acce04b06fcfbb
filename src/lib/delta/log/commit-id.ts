/**
 * The identity of a commit. After a restore another commit may have a version number that was used before.
 *
 * So a reader that remembers a version as processed also remembers the identity of its commit, and a snapshot that is
 * kept is compared with the log before anything is built on it.
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

export const commitIdOf = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex').slice(0, idDigits)

/**
 * A digest of the commit's bytes, which works for the commits of every writer.
 *
 * @returns `undefined` if the commit is not in the log: it is not there yet, was lost, or was cleaned up.
 */
export function readCommitId(
  store: ObjectStore,
  of: number,
  { signal }: IoOptions = {},
): Promise<string | undefined> {
  return readId(store, commitKey(version(of)), { signal })
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

/** The newest file of the log that a version was read from, and how to tell that the log still has it. */
export class NewestLogFile {
  readonly #key: string
  /** As `commitIdOf`; not known of a checkpoint. */
  readonly #id: string | undefined
  /** Of the file when it was last found to be the same. */
  #revision: string | undefined

  constructor(
    key: string,
    { id, revision }: { readonly id?: string | undefined; readonly revision?: string | undefined },
  ) {
    this.#key = key
    this.#id = id
    this.#revision = revision
  }

  /** Costs one look at the file. It is read again only if it was written since the last look. */
  async isThere(store: ObjectStore, { signal }: IoOptions = {}): Promise<boolean> {
    const meta = await store.head(this.#key, { signal })
    if (meta === undefined) return false
    if (meta.revision === this.#revision) return true
    if (this.#id === undefined || this.#id !== (await readId(store, this.#key, { signal }))) return false
    this.#revision = meta.revision
    return true
  }
}

async function readId(store: ObjectStore, key: string, { signal }: IoOptions): Promise<string | undefined> {
  try {
    return commitIdOf(await store.read(key, { signal }))
  } catch (error) {
    if (isLakeError(error, 'OBJECT_MISSING')) return undefined
    throw error
  }
}
