/** Who did what to a table, newest first: the `commitInfo` of each commit that is still in the log. */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { CommitInfo } from './actions.ts'
import { listCommitTimes } from './commit-times.ts'
import type { Version } from './log-path.ts'
import { readCommit } from './read-commit.ts'

export interface HistoryEntry extends CommitInfo {
  readonly version: Version
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
}

/** @throws LakeError `TABLE_MISSING` when there is no log. */
export async function* readHistory(
  store: ObjectStore,
  { signal }: IoOptions = {},
): AsyncIterable<HistoryEntry> {
  const commits = await listCommitTimes(store, { signal })
  if (commits.length === 0) {
    throw new LakeError('TABLE_MISSING', `${store.uri} is not a Delta table: it has no _delta_log`)
  }
  for (const { version, timestampMs } of commits.toReversed()) {
    const actions = await readCommit(store, version, { signal })
    const info = actions.flatMap((action) => ('commitInfo' in action ? [action.commitInfo] : []))[0] ?? {}
    yield { ...info, version, timestampMs: info.inCommitTimestamp ?? timestampMs }
  }
}
