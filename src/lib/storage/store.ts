/**
 * Port: where the files of one table live.
 *
 * The Delta log needs two promises from storage, and every adapter is held to both by `store.contract.ts`:
 * `putIfAbsent` is atomic, and `list` is ordered by key (UTF-8 bytes). Keys are relative to the root, with
 * `/` between the parts; they are names, never URL-encoded. A key that leaves the root is refused by each adapter.
 */
import { posix } from 'node:path'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'

export interface ObjectMeta {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedMs: number
  /** Another for other content of the key; it may also change with the same content. `head` and `list` agree on it. */
  readonly revision: string
}

/** Losing the race is an answer, not a failure: the caller decides what it means. */
export type PutOutcome = 'created' | 'exists'

export interface LocalFileOptions extends IoOptions {
  readonly fresh?: boolean
}

export interface ObjectStore extends AsyncDisposable {
  /** Where the root is, for people: a path, `s3://bucket/prefix`, `memory:`. */
  readonly uri: string
  /** @throws LakeError `OBJECT_MISSING` when there is nothing at `key`. */
  read(key: string, options?: IoOptions): Promise<Uint8Array>
  /** `undefined` when there is nothing at `key`. */
  head(key: string, options?: IoOptions): Promise<ObjectMeta | undefined>
  /** All keys that begin with `prefix`, at any depth, strictly greater than `startAfter`. */
  list(prefix: string, options?: IoOptions & { readonly startAfter?: string }): AsyncIterable<ObjectMeta>
  /** Durable when it resolves. Of many racing writers exactly one creates the key. */
  putIfAbsent(key: string, bytes: Uint8Array, options?: IoOptions): Promise<PutOutcome>
  /** Creates or replaces as a whole: no reader sees half of it. */
  put(key: string, bytes: Uint8Array, options?: IoOptions): Promise<void>
  /** Keys that are not there are no fault. */
  delete(keys: readonly string[], options?: IoOptions): Promise<void>
  /**
   * A local file with the content of `key`, for an engine that reads files. It may be a copy that was made before: the
   * store is asked whether that is still the content if `fresh`, for keys that may be written again.
   */
  localFile(key: string, options?: LocalFileOptions): Promise<string>
  /** A local folder that stands for the root: files written below it are nobody's until they are published. */
  readonly stagingRoot: string
  /** Makes files written below `stagingRoot` durable under the same keys. */
  publish(keys: readonly string[], options?: IoOptions): Promise<void>
}

/** What every adapter asks of every key. @throws LakeError `BUG` for one that names something outside of the root. */
export function requireKeyWithin(uri: string, key: string): void {
  if (!key.includes('..') && !key.includes('\0')) return
  const normal = posix.normalize(key)
  if (normal !== '..' && !normal.startsWith('../') && !key.includes('\0')) return
  throw new LakeError('BUG', `${uri}: expected a key below the root, got ${JSON.stringify(key)}`, {
    details: { uri, key },
  })
}

/**
 * Order of UTF-8 bytes, as the protocol asks. `<` on strings compares UTF-16 units, which differs where a
 * surrogate meets a unit from U+E000 on: a character beyond U+FFFF comes after all of those.
 */
export function compareUtf8(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length)
  for (let at = 0; at < shorter; at++) {
    const [unitA, unitB] = [a.charCodeAt(at), b.charCodeAt(at)]
    if (unitA === unitB) continue
    const [isPairA, isPairB] = [isSurrogate(unitA), isSurrogate(unitB)]
    if (isPairA !== isPairB) return isPairA ? 1 : -1
    return unitA - unitB
  }
  return a.length - b.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}
