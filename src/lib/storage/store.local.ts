/**
 * Files in a folder. Invariant: a key appears whole or not at all, and survives a power cut once the call
 * that wrote it has resolved.
 *
 * `link(2)` is what makes `putIfAbsent` atomic: it fails with EEXIST where `rename(2)` would overwrite in
 * silence, and the content is complete and synced before the name exists.
 */
import { randomUUID } from 'node:crypto'
import { type FileHandle, link, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { isLakeError, LakeError, systemCode } from '../base/errors.ts'
import { makeFolders } from '../base/files/folders.ts'
import type { IoOptions } from '../base/io.ts'
import { fileFailure } from './file-failure.ts'
import { readRegularFile, requireRegularFile } from './regular-file.ts'
import { compareUtf8, type ObjectMeta, type ObjectStore, type PutOutcome, requireKeyWithin } from './store.ts'

/** @param root Made when the first file is written. */
export function openLocalStore(root: string): ObjectStore {
  return new LocalStore(resolve(root))
}

class LocalStore implements ObjectStore {
  readonly uri: string
  readonly stagingRoot: string
  /** Folders whose names are durable, with what tells one from another that is made anew in its place. */
  readonly #durable = new Map<string, string>()

  constructor(root: string) {
    this.uri = root
    this.stagingRoot = root
  }

  async read(key: string, { signal }: IoOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    const path = this.#path(key)
    return readRegularFile(path, { signal }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw isLakeError(error) ? error : fileFailure('Read', path, error)
    })
  }

  async head(key: string, { signal }: IoOptions = {}): Promise<ObjectMeta | undefined> {
    signal?.throwIfAborted()
    const path = this.#path(key)
    try {
      const { size, mtimeMs, ctimeMs, ino } = await stat(path)
      return {
        key,
        sizeBytes: size,
        modifiedMs: Math.floor(mtimeMs),
        revision: `${ino}:${size}:${mtimeMs}:${ctimeMs}`,
      }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw fileFailure('Look at', path, error)
    }
  }

  async *list(
    prefix: string,
    { signal, startAfter = '' }: IoOptions & { readonly startAfter?: string } = {},
  ): AsyncIterable<ObjectMeta> {
    requireKeyWithin(this.uri, prefix)
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    for await (const key of this.#walk(folder, startAfter, { signal })) {
      if (!key.startsWith(prefix)) continue
      const meta = await this.head(key, { signal })
      if (meta !== undefined) yield meta
    }
    signal?.throwIfAborted()
  }

  async *#walk(folder: string, startAfter: string, { signal }: IoOptions): AsyncIterable<string> {
    signal?.throwIfAborted()
    const entries = await readdir(this.#path(folder), { withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return []
      throw fileFailure('List', this.#path(folder), error)
    })
    const names = entries
      .filter((entry) => entry.isDirectory() || entry.isFile())
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      // Of a log with years of commits only the tail is wanted: what comes before is not sorted either.
      .filter((name) => name.endsWith('/') || compareUtf8(folder + name, startAfter) > 0)
      .sort(compareUtf8)
    for (const name of names) {
      if (name.endsWith('/')) yield* this.#walk(folder + name, startAfter, { signal })
      else yield folder + name
    }
  }

  async putIfAbsent(key: string, bytes: Uint8Array, { signal }: IoOptions = {}): Promise<PutOutcome> {
    signal?.throwIfAborted()
    const path = this.#path(key)
    const temporary = await this.#writeTemporary(path, bytes)
    // The name stands whether the draft's is taken away or not.
    const removeDraft = (): Promise<void> => unlink(temporary).catch(() => undefined)
    try {
      await link(temporary, path)
    } catch (error) {
      await removeDraft()
      if (systemCode(error) === 'EEXIST') return 'exists'
      throw fileFailure('Create', path, error)
    }
    const removed = removeDraft()
    await this.#syncFolders([path])
      .catch((cause: unknown) => {
        throw new LakeError(
          'COMMIT_UNKNOWN',
          `Create ${path}: it is there, and may not outlast a power cut`,
          {
            details: { path },
            cause,
          },
        )
      })
      .finally(() => removed)
    return 'created'
  }

  async put(key: string, bytes: Uint8Array, { signal }: IoOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const path = this.#path(key)
    const temporary = await this.#writeTemporary(path, bytes)
    await rename(temporary, path).catch(async (error: unknown) => {
      await unlink(temporary).catch(() => undefined)
      throw fileFailure('Replace', path, error)
    })
    await this.#syncFolders([path])
  }

  async delete(keys: readonly string[], { signal }: IoOptions = {}): Promise<void> {
    for (const path of keys.map((key) => this.#path(key))) {
      signal?.throwIfAborted()
      await rm(path, { force: true }).catch((error: unknown) => {
        throw fileFailure('Delete', path, error)
      })
    }
  }

  async localFile(key: string): Promise<string> {
    const path = this.#path(key)
    await requireRegularFile(path)
    return path
  }

  async publish(keys: readonly string[], { signal }: IoOptions = {}): Promise<void> {
    const paths = keys.map((key) => this.#path(key))
    const files = async (): Promise<void> => {
      for (const path of paths) {
        signal?.throwIfAborted()
        await sync(path)
      }
    }
    await Promise.all([files(), this.#syncFolders(paths)])
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #path(key: string): string {
    requireKeyWithin(this.uri, key)
    return join(this.uri, key)
  }

  async #writeTemporary(path: string, bytes: Uint8Array): Promise<string> {
    const temporary = join(dirname(path), `.${randomUUID()}.tmp`)
    try {
      const file = await openNew(temporary)
      try {
        await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
    } catch (error) {
      // What could not be written may not be there to remove either; the first error is the one to tell.
      await rm(temporary, { force: true }).catch(() => undefined)
      throw fileFailure('Write', path, error)
    }
    return temporary
  }

  /** A new name is durable once its folder is synced, and a new folder once its own parent is. */
  async #syncFolders(paths: readonly string[]): Promise<void> {
    for (const folder of new Set(paths.map(dirname))) await this.#syncFolder(folder)
  }

  async #syncFolder(folder: string): Promise<void> {
    const identity = await sync(folder)
    if (identity !== undefined && this.#durable.get(folder) === identity) return
    if (dirname(folder).length >= this.uri.length) await this.#syncFolder(dirname(folder))
    if (identity !== undefined) this.#durable.set(folder, identity)
  }
}

/** With the folders that it needs. */
async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx')
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    await makeFolders(dirname(path))
    return open(path, 'wx')
  }
}

/**
 * @returns What tells it from another that is made in its place later, where the system knows times of birth: inode
 * numbers are given anew.
 */
async function sync(path: string): Promise<string | undefined> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw fileFailure('Sync', path, error)
  })
  try {
    const [{ dev, ino, birthtimeNs }] = await Promise.all([handle.stat({ bigint: true }), handle.sync()])
    return birthtimeNs === 0n ? undefined : `${dev}:${ino}:${birthtimeNs}`
  } catch (error) {
    throw fileFailure('Sync', path, error)
  } finally {
    await handle.close()
  }
}

function isMissing(error: unknown): boolean {
  return systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR'
}
