/**
 * Whether a change that was computed from one version may still follow a commit that came in between.
 *
 * Pure. The rules are those of Delta's reference implementation (ConflictChecker), in its order.
 */
import type { Action } from './actions.ts'
import { fileIdentity } from './file-path.ts'

/** What the change depends on. */
export type ReadSet =
  /** Nothing was read: the rows are right whatever else is in the table. */
  | { readonly kind: 'none' }
  /** All rows: any data that came or went makes the change wrong. */
  | { readonly kind: 'table' }

export type ConflictKind = 'protocol' | 'metadata' | 'transaction' | 'added' | 'removed' | 'domain'

export type ConflictVerdict =
  | { readonly kind: 'compatible' }
  | { readonly kind: 'conflict'; readonly conflict: ConflictKind; readonly reason: string }

export function judge(
  ours: { readonly actions: readonly Action[]; readonly reads: ReadSet },
  winner: readonly Action[],
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
    if ('add' in action && action.add.dataChange && ours.reads.kind === 'table') {
      return conflict('added', 'rows were added to what this change has read')
    }
    if ('remove' in action) {
      if (ours.reads.kind === 'table' && action.remove.dataChange) {
        return conflict('removed', 'rows were removed from what this change has read')
      }
      if (ourRemoves.has(fileIdentity(action.remove.path))) {
        return conflict('removed', `file ${action.remove.path} was removed by another writer`)
      }
    }
  }
  return { kind: 'compatible' }
}

function conflict(kind: ConflictKind, reason: string): ConflictVerdict {
  return { kind: 'conflict', conflict: kind, reason }
}
