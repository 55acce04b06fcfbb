/**
 * Makes a staged change visible: the only place that writes a commit to `_delta_log`.
 *
 * Data files are written once, before this runs, and every attempt uses them again: N racing writers write N data
 * files. If the answer to a put is lost, the version is read again and searched for our own `txnId`; neither success
 * nor conflict is assumed.
 */

import { randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { isLakeError, LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { JsonValue } from '../../base/json.ts'
import type { ObjectStore, PutOutcome } from '../../storage/store.ts'
import type { StringMap } from '../protocol/metadata.ts'
import { tableProperties } from '../protocol/properties.ts'
import { type Action, type AddFile, type CommitInfo, decodeActions, encodeActions } from './actions.ts'
import { commitIdOf, type NewestLogFile } from './commit-id.ts'
import { type ConflictKind, type Isolation, judge, type ReadSet } from './conflict.ts'
import { commitInfoOf } from './history.ts'
import { commitKey, type Version, version } from './log-path.ts'
import { readCommitIfThere } from './read-commit.ts'

export interface Operation {
  /** As the reference implementation names it: `WRITE`, `CREATE TABLE`, `OPTIMIZE`. */
  readonly name: string
  readonly parameters?: Readonly<Record<string, JsonValue>>
  readonly metrics?: Readonly<Record<string, JsonValue>>
  /** Our own: which run and task made the commit. */
  readonly tags?: StringMap
}

export interface StagedChange {
  /** The version that this change was computed from; `undefined` for the commit that makes the table. */
  readonly readVersion: Version | undefined
  /** What the version was read from: while the log has it, the change may follow. */
  readonly readFrom?: NewestLogFile
  readonly actions: readonly Action[]
  readonly reads: ReadSet
  readonly isolation: Isolation
  readonly operation: Operation
  /** Of the version read, where the table has in-commit timestamps. */
  readonly inCommitTimestamps:
    | { readonly kind: 'off' }
    | { readonly kind: 'on'; readonly previousMs: number | undefined }
    /** This change turns them on; `previousMs` is when the version before it was committed, by its file. */
    | { readonly kind: 'begin'; readonly previousMs: number | undefined }
}

export type CommitOutcome =
  | { readonly kind: 'committed'; readonly version: Version }
  | {
      readonly kind: 'conflict'
      readonly winner: Version
      readonly conflict: ConflictKind
      readonly reason: string
    }

/** `actions` are those of the version, as its file has them, and `id` is what `readCommitId` says of it. */
export type CommitResult =
  | {
      readonly kind: 'committed'
      readonly version: Version
      readonly actions: readonly Action[]
      readonly id: string
    }
  | Extract<CommitOutcome, { readonly kind: 'conflict' }>

export interface CommitOptions extends IoOptions {
  readonly clock: Clock
  readonly maxAttempts?: number
}

export const engineInfo = 'lakeshore/0.1.0'

/**
 * Commits at the first free version after the one that was read.
 *
 * @returns `conflict` when a winner's commit makes the change wrong, or the version that it was computed from is gone:
 * the caller must compute it again.
 * @throws LakeError `COMMIT_LOST` when `maxAttempts` compatible writers were faster, `COMMIT_UNKNOWN` when
 * the store did not answer and does not say what became of the commit.
 */
export async function commit(
  store: ObjectStore,
  change: StagedChange,
  { signal, clock, maxAttempts = 100 }: CommitOptions,
): Promise<CommitResult> {
  const txnId = randomUUID()
  let attempt = version(change.readVersion === undefined ? 0 : change.readVersion + 1)
  const { inCommitTimestamps, readVersion, readFrom } = change
  if (readVersion !== undefined && (await readFrom?.isThere(store, { signal })) === false) {
    return {
      kind: 'conflict',
      winner: readVersion,
      conflict: 'replaced',
      reason: replacedReason(readVersion),
    }
  }
  let previousMs = inCommitTimestamps.kind === 'off' ? undefined : inCommitTimestamps.previousMs
  for (let attempts = 0; attempts < maxAttempts; attempts++) {
    // Past this line a commit is never abandoned half-way: the put is atomic, and we wait for its answer.
    signal?.throwIfAborted()
    const info = commitInfo(change, txnId, clock, previousMs)
    const body = encodeActions([info, ...actionsAt(change, attempt, info.commitInfo)])
    const outcome = await putCommit(store, attempt, body)
    const committed = (): CommitResult => ({
      kind: 'committed',
      version: attempt,
      actions: decodeActions(body, `${store.uri}/${commitKey(attempt)}`),
      id: commitIdOf(body),
    })
    if (outcome === 'created') return committed()

    const winner = await readWinner(store, attempt)
    const theirs = commitInfoOf(winner)
    if (theirs?.txnId === txnId) return committed()
    const verdict = judge(change, winner, await addedToReads(change.reads, winner))
    if (verdict.kind === 'conflict') return { ...verdict, winner: attempt }
    previousMs = theirs?.inCommitTimestamp ?? previousMs
    if (inCommitTimestamps.kind === 'begin') {
      previousMs = Math.max(previousMs ?? 0, (await store.head(commitKey(attempt)))?.modifiedMs ?? 0)
    }
    attempt = version(attempt + 1)
  }
  throw new LakeError('COMMIT_LOST', `${store.uri}: lost ${maxAttempts} races in a row`, {
    details: { uri: store.uri, readVersion: change.readVersion, maxAttempts },
  })
}

/** Says what has become of a version that was read, and is not in the log as it was read. */
const replacedReason = (read: Version): string =>
  `version ${read} is no longer in the log as it was read: the table was restored from a copy, or replaced`

/** 'exists' also if the answer was lost and the version is there: the caller finds out whose it is. */
async function putCommit(store: ObjectStore, at: Version, body: Uint8Array): Promise<PutOutcome> {
  try {
    return await store.putIfAbsent(commitKey(at), body)
  } catch (error) {
    if (!isLakeError(error, 'STORE_UNAVAILABLE')) throw error
    const there = await readCommitIfThere(store, at).catch((cause: unknown) => {
      throw new LakeError('COMMIT_UNKNOWN', `${store.uri}: no answer to the commit of version ${at}`, {
        cause,
        details: { uri: store.uri, version: at },
      })
    })
    if (there === undefined) throw error
    return 'exists'
  }
}

/** Delta PROTOCOL.md, "Writer Requirements for In-commit Timestamps": the metadata says which version was the first. */
function actionsAt(
  { actions, inCommitTimestamps }: StagedChange,
  at: Version,
  { inCommitTimestamp }: CommitInfo,
): readonly Action[] {
  if (inCommitTimestamps.kind !== 'begin') return actions
  return actions.map((action) => {
    if (!('metaData' in action)) return action
    const configuration = {
      ...action.metaData.configuration,
      [tableProperties.inCommitTimestampsSince.name]: String(at),
      [tableProperties.inCommitTimestampsSinceMs.name]: String(inCommitTimestamp),
    }
    return { metaData: { ...action.metaData, configuration } }
  })
}

async function addedToReads(reads: ReadSet, winner: readonly Action[]): Promise<readonly AddFile[]> {
  const added = winner.flatMap((action) => ('add' in action ? [action.add] : []))
  switch (reads.kind) {
    case 'none':
      return []
    case 'table':
      return added
    case 'rows':
      return added.length === 0 ? added : reads.mayHold(added)
  }
}

async function readWinner(store: ObjectStore, at: Version): Promise<readonly Action[]> {
  const winner = await readCommitIfThere(store, at)
  if (winner !== undefined) return winner
  throw new LakeError('LOG_CORRUPT', `${store.uri}: version ${at} exists and cannot be read`, {
    details: { uri: store.uri, version: at },
  })
}

function commitInfo(
  change: StagedChange,
  txnId: string,
  clock: Clock,
  previousMs: number | undefined,
): { readonly commitInfo: CommitInfo } {
  const now = clock.now()
  const { name, parameters = {}, metrics, tags } = change.operation
  return {
    commitInfo: {
      // In-commit timestamps must rise; a clock that went back must not stop a writer.
      ...(change.inCommitTimestamps.kind !== 'off' && {
        inCommitTimestamp: Math.max(now, (previousMs ?? 0) + 1),
      }),
      timestamp: now,
      operation: name,
      operationParameters: parameters,
      ...(change.readVersion !== undefined && { readVersion: change.readVersion }),
      isolationLevel: change.isolation,
      isBlindAppend: change.reads.kind === 'none' && !change.actions.some((action) => 'remove' in action),
      ...(metrics !== undefined && { operationMetrics: metrics }),
      engineInfo,
      txnId,
      ...(tags !== undefined && { tags }),
    },
  }
}
