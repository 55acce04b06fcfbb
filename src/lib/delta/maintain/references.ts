/**
 * The files in a table's folder that the log names.
 *
 * An absolute path may name a file of the folder in another way: by a link, a mount or another scheme. So it counts for
 * every key that it ends with: rather one file too many is kept than one too few.
 */

import { posix } from 'node:path'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { DeletionVector } from '../log/actions.ts'
import { listCommitTimes } from '../log/commit-times.ts'
import { decodeFilePath } from '../log/file-path.ts'
import { commitInfoOf, committedMs } from '../log/history.ts'
import { readCommitIfThere } from '../log/read-commit.ts'
import { deletionVectorPlace } from '../snapshot/deletion-vector.ts'

export class References {
  readonly #keys = new Set<string>()

  has(key: string): boolean {
    return this.#keys.has(posix.normalize(key))
  }

  /** A data file and its deletion vector. */
  add({ path, deletionVector }: { readonly path: string; readonly deletionVector?: DeletionVector }): void {
    this.#addPath(path)
    if (deletionVector === undefined) return
    const place = deletionVectorPlace(deletionVector)
    if (place.kind === 'file') this.#addPath(place.path)
  }

  #addPath(path: string): void {
    const place = decodeFilePath(path)
    if (place.kind === 'relative') {
      this.#keys.add(posix.normalize(place.key))
      return
    }
    const parts = posix.normalize(place.uri).split('/')
    for (let from = 1; from < parts.length; from++) this.#keys.add(parts.slice(from).join('/'))
  }
}

/** Commits are read so many at a time. */
const readAhead = 32
/** Clocks of writers differ: commits are read until one is older by this. */
const slackMs = 86_400_000

/**
 * Adds what the commits since a time removed, and their change data: a checkpoint does not hold the one, and of the
 * other only as much as its writer kept.
 *
 * @param sinceMs Milliseconds since the epoch.
 */
export async function addRecentReferences(
  references: References,
  store: ObjectStore,
  sinceMs: number,
  { signal }: IoOptions = {},
): Promise<void> {
  const commits = (await listCommitTimes(store, { signal })).toReversed()
  for (let from = 0; from < commits.length; from += readAhead) {
    const chunk = commits.slice(from, from + readAhead)
    const read = await Promise.all(
      chunk.map(async ({ version, timestampMs }) => {
        const actions = (await readCommitIfThere(store, version, { signal })) ?? []
        return { actions, timestampMs: committedMs(commitInfoOf(actions)) ?? timestampMs }
      }),
    )
    for (const { actions, timestampMs } of read) {
      for (const action of actions) {
        if ('cdc' in action && timestampMs >= sinceMs) references.add(action.cdc)
        if ('remove' in action && (action.remove.deletionTimestamp ?? 0) >= sinceMs) {
          references.add(action.remove)
        }
      }
    }
    if (read.every(({ timestampMs }) => timestampMs < sinceMs - slackMs)) return
  }
}
