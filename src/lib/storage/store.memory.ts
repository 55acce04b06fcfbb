import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { LakeError } from '../base/errors.ts'
import { replaceFile } from '../base/files/replace-file.ts'
import type { IoOptions } from '../base/io.ts'
import { compareUtf8, type ObjectMeta, type ObjectStore, type PutOutcome, requireKeyWithin } from './store.ts'

interface Stored {
  readonly bytes: Uint8Array
  readonly modifiedMs: number
}

export class MemoryStore implements ObjectStore {
  readonly uri = 'memory:'
  readonly stagingRoot: string
  /** Public, so that a test can plant or inspect any state. */
  readonly files = new Map<string, Stored>()

  private constructor(stagingRoot: string) {
    this.stagingRoot = stagingRoot
  }

  static async open(): Promise<MemoryStore> {
    return new MemoryStore(await mkdtemp(join(tmpdir(), 'lakeshore-memory-')))
  }

  async read(key: string, { signal }: IoOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    requireKeyWithin(this.uri, key)
    const stored = this.files.get(key)
    if (stored === undefined) {
      throw new LakeError('OBJECT_MISSING', `Read: no object at ${key}`, { details: { key } })
    }
    return stored.bytes
  }

  async head(key: string, { signal }: IoOptions = {}): Promise<ObjectMeta | undefined> {
    signal?.throwIfAborted()
    requireKeyWithin(this.uri, key)
    const stored = this.files.get(key)
    return stored && metaOf(key, stored)
  }

  async *list(
    prefix: string,
    { signal, startAfter = '' }: IoOptions & { readonly startAfter?: string } = {},
  ): AsyncIterable<ObjectMeta> {
    requireKeyWithin(this.uri, prefix)
    const found = [...this.files]
      .filter(([key]) => key.startsWith(prefix) && compareUtf8(key, startAfter) > 0)
      .sort(([a], [b]) => compareUtf8(a, b))
    for (const [key, stored] of found) {
      signal?.throwIfAborted()
      yield metaOf(key, stored)
    }
    signal?.throwIfAborted()
  }

  async putIfAbsent(key: string, bytes: Uint8Array, { signal }: IoOptions = {}): Promise<PutOutcome> {
    signal?.throwIfAborted()
    requireKeyWithin(this.uri, key)
    if (this.files.has(key)) return 'exists'
    this.files.set(key, { bytes, modifiedMs: Date.now() })
    return 'created'
  }

  async put(key: string, bytes: Uint8Array, { signal }: IoOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    requireKeyWithin(this.uri, key)
    this.files.set(key, { bytes, modifiedMs: Date.now() })
  }

  async delete(keys: readonly string[], { signal }: IoOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    for (const key of keys) requireKeyWithin(this.uri, key)
    for (const key of keys) this.files.delete(key)
  }

  async localFile(key: string, options: IoOptions = {}): Promise<string> {
    requireKeyWithin(this.uri, key)
    const path = join(this.stagingRoot, key)
    await mkdir(dirname(path), { recursive: true })
    // Another reader of the same key must not meet half a file.
    await replaceFile(path, await this.read(key, options))
    return path
  }

  async publish(keys: readonly string[], options: IoOptions = {}): Promise<void> {
    for (const key of keys) requireKeyWithin(this.uri, key)
    for (const key of keys) await this.put(key, await readFile(join(this.stagingRoot, key)), options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.files.clear()
    await rm(this.stagingRoot, { recursive: true, force: true })
  }
}

const revisions = new WeakMap<Stored, string>()
let revisionsGiven = 0

function metaOf(key: string, stored: Stored): ObjectMeta {
  const revision = revisions.get(stored) ?? String(revisionsGiven++)
  revisions.set(stored, revision)
  return { key, sizeBytes: stored.bytes.byteLength, modifiedMs: stored.modifiedMs, revision }
}
