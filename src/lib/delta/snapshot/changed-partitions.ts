/** The partitions whose rows a range of commits has changed. */
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { Action } from '../log/actions.ts'
import { version } from '../log/log-path.ts'
import { readCommitIfThere } from '../log/read-commit.ts'
import type { Field } from '../schema/schema.ts'
import { partitionValueOf } from './partition-value.ts'

export type ChangedPartitions =
  /** Values of the partition column as the log has them, each once. */
  | { readonly kind: 'known'; readonly values: ReadonlySet<string | null> }
  /** A commit does not say it, or is no longer in the log: it may be any. */
  | { readonly kind: 'unknown' }

const notTold: ChangedPartitions = { kind: 'unknown' }

/**
 * Of which partitions the actions of a commit change rows; rows that only moved do not count.
 *
 * @param column The partition column; `undefined` if the table is not partitioned by it: any row may be of any value.
 */
export function partitionsChangedBy(
  actions: readonly Action[],
  column: Field | undefined,
): ChangedPartitions {
  const valueIn = column === undefined ? undefined : partitionValueOf(column)
  const values = new Set<string | null>()
  for (const action of actions) {
    const file = 'add' in action ? action.add : 'remove' in action ? action.remove : undefined
    if (file?.dataChange !== true) continue
    // The protocol lets a writer leave them out of what it removes.
    if (file.partitionValues === undefined || valueIn === undefined) return notTold
    values.add(valueIn({ partitionValues: file.partitionValues }))
  }
  return { kind: 'known', values }
}

/** Commits that are read at once. */
const readAhead = 32

/** As `partitionsChangedBy`, of the commits from `from` up to and with `to`. */
export async function changedPartitions(
  store: ObjectStore,
  column: Field | undefined,
  { from, to, signal }: IoOptions & { readonly from: number; readonly to: number },
): Promise<ChangedPartitions> {
  const all = new Set<string | null>()
  for (let at = from; at <= to; at += readAhead) {
    const versions = Array.from({ length: Math.min(readAhead, to - at + 1) }, (_, index) =>
      version(at + index),
    )
    const commits = await Promise.all(versions.map((each) => readCommitIfThere(store, each, { signal })))
    for (const actions of commits) {
      const changed = actions === undefined ? notTold : partitionsChangedBy(actions, column)
      if (changed.kind === 'unknown') return notTold
      for (const value of changed.values) all.add(value)
    }
  }
  return { kind: 'known', values: all }
}
