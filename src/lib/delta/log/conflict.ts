/**
 * Whether a change that was computed from one version may follow a commit that was made in between.
 *
 * Pure. The rules and their order are those of Delta's reference implementation (ConflictChecker). One is milder: a
 * rewrite that changes no data (`dataChange` false) does not conflict with a change that only read the files.
 */

import type { Action, AddFile } from './actions.ts'
import { fileIdentity } from './file-path.ts'
import { commitInfoOf } from './history.ts'

/** What the change depends on. */
export type ReadSet =
  /** Nothing was read: no other commit can make the rows wrong. */
  | { readonly kind: 'none' }
  /** All rows: any data that came or went makes the change wrong. */
  | { readonly kind: 'table' }
  /** The rows that satisfy a condition. */
  | {
      readonly kind: 'rows'
      /** The files in which such rows were looked for. */
      readonly files: readonly AddFile[]
      /** Of files that came later, those that may hold such rows. */
      readonly mayHold: (added: readonly AddFile[]) => Promise<readonly AddFile[]>
    }

/**
 * - `Serializable`: as if the commits had come one after the other, in the order of their versions.
 * - `WriteSerializable`: a blind append may come to stand before a change that did not see it.
 * - `SnapshotIsolation`: for changes that move rows and change none.
 */
export type Isolation = 'Serializable' | 'WriteSerializable' | 'SnapshotIsolation'

/** `replaced`: the log no longer has the commit that the change was computed from. */
export type ConflictKind =
  | 'protocol'
  | 'metadata'
  | 'transaction'
  | 'added'
  | 'removed'
  | 'domain'
  | 'replaced'

export type ConflictVerdict =
  | { readonly kind: 'compatible' }
  | { readonly kind: 'conflict'; readonly conflict: ConflictKind; readonly reason: string }

export interface JudgedChange {
  readonly actions: readonly Action[]
  readonly reads: ReadSet
  readonly isolation: Isolation
}

/**
 * @param winner The actions of one commit that came first.
 * @param addedToReads Of its files, those that may hold rows which the change would have read.
 */
export function judge(
  ours: JudgedChange,
  winner: readonly Action[],
  addedToReads: readonly AddFile[],
): ConflictVerdict {
  const ourApps = new Set(ours.actions.flatMap((action) => ('txn' in action ? [action.txn.appId] : [])))
  const ourRemoves = new Set(
    ours.actions.flatMap((action) => ('remove' in action ? [fileIdentity(action.remove.path)] : [])),
  )
  const ourDomains = new Set(
    ours.actions.flatMap((action) => ('domainMetadata' in action ? [action.domainMetadata.domain] : [])),
  )
  for (const action of winner) {
    if ('protocol' in action) return conflict('protocol', 'the protocol of the table was changed')
    if ('metaData' in action) return conflict('metadata', 'the schema or the properties were changed')
    if ('domainMetadata' in action && ourDomains.has(action.domainMetadata.domain)) {
      return conflict('domain', `metadata domain ${action.domainMetadata.domain} was changed`)
    }
    if ('txn' in action && ourApps.has(action.txn.appId)) {
      return conflict(
        'transaction',
        `${action.txn.appId} was written up to ${action.txn.version} by another writer`,
      )
    }
  }
  if (addsCount(ours, winner) && addedToReads.some(({ dataChange }) => dataChange !== false)) {
    return conflict('added', 'rows were added to what this change has read')
  }
  const readFiles =
    ours.reads.kind === 'rows' ? new Set(ours.reads.files.map(({ path }) => fileIdentity(path))) : new Set()
  for (const action of winner) {
    if (!('remove' in action)) continue
    const { path, dataChange } = action.remove
    const isRead = ours.reads.kind === 'table' || readFiles.has(fileIdentity(path))
    if (isRead && dataChange !== false && ours.isolation !== 'SnapshotIsolation') {
      return conflict('removed', 'rows were removed from what this change has read')
    }
    if (ourRemoves.has(fileIdentity(path))) {
      return conflict('removed', `file ${path} was removed by another writer`)
    }
  }
  return { kind: 'compatible' }
}

/** "Under WriteSerializable, files that a blind append added are not checked, unless we change the metadata." */
function addsCount({ actions, isolation }: JudgedChange, winner: readonly Action[]): boolean {
  if (isolation === 'SnapshotIsolation') return false
  const isBlindAppend = commitInfoOf(winner)?.isBlindAppend === true
  return isolation === 'Serializable' || !isBlindAppend || actions.some((action) => 'metaData' in action)
}

function conflict(kind: ConflictKind, reason: string): ConflictVerdict {
  return { kind: 'conflict', conflict: kind, reason }
}
