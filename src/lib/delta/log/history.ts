/** The commits that are still in the log, with the `commitInfo` of each: who changed what, and when. */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { Action, CommitInfo } from './actions.ts'
import { listCommitTimes } from './commit-times.ts'
import { type Version, version } from './log-path.ts'
import { readCommit, readCommitIfThere } from './read-commit.ts'

export interface HistoryEntry extends CommitInfo {
  readonly version: Version
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
}

/** One commit, as its file has it. */
export interface TableCommit {
  readonly version: Version
  readonly info: CommitInfo
  /** Application → the version that the commit records of it. */
  readonly transactions: Readonly<Record<string, number>>
  readonly actions: readonly Action[]
}

/** What a commit says of itself; `undefined` if it says nothing. */
export function commitInfoOf(actions: readonly Action[]): CommitInfo | undefined {
  for (const action of actions) if ('commitInfo' in action) return action.commitInfo
  return undefined
}

/** When a commit was made, by what it says of itself. Milliseconds since the epoch. */
export function committedMs(info: CommitInfo | undefined): number | undefined {
  return info?.inCommitTimestamp ?? info?.timestamp
}

/** From `newest` back, as far as commits are still in the log. Each is read when it is asked for. */
export async function* commitsBackFrom(
  store: ObjectStore,
  newest: Version,
  { signal }: IoOptions = {},
): AsyncIterable<TableCommit> {
  for (let at: number = newest; at >= 0; at--) {
    const actions = await readCommitIfThere(store, version(at), { signal })
    if (actions === undefined) return
    yield commitOf(version(at), actions)
  }
}

function commitOf(of: Version, actions: readonly Action[]): TableCommit {
  const transactions = actions.flatMap((action) =>
    'txn' in action ? [[action.txn.appId, action.txn.version] as const] : [],
  )
  return {
    version: of,
    info: commitInfoOf(actions) ?? {},
    transactions: Object.fromEntries(transactions),
    actions,
  }
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
  for (const { version: at, timestampMs } of commits.toReversed()) {
    const actions = await readCommit(store, at, { signal })
    const info = commitInfoOf(actions) ?? {}
    yield { ...info, version: at, timestampMs: info.inCommitTimestamp ?? timestampMs }
  }
}
