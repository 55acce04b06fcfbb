/**
 * Folds the actions of a log into the state of a table. Delta PROTOCOL.md, "Action Reconciliation".
 *
 * Law: replaying a checkpoint and the commits after it gives the state of replaying all commits.
 */

import type {
  Action,
  AddFile,
  DeletionVector,
  DomainMetadata,
  RemoveFile,
  Transaction,
} from '../log/actions.ts'
import type { CheckpointPart } from '../log/checkpoint-reader.ts'
import { fileIdentity } from '../log/file-path.ts'
import { LayeredMap } from '../log/layered-map.ts'
import type { Metadata, Protocol } from '../protocol/metadata.ts'
import { deletionVectorId } from './deletion-vector.ts'

export class TableState {
  protocol: Protocol | undefined
  metadata: Metadata | undefined
  files = new LayeredMap<AddFile>(fileKey)
  tombstones = new LayeredMap<RemoveFile>(fileKey)
  readonly transactions = new Map<string, Transaction>()
  readonly domains = new Map<string, DomainMetadata>()
  /** Of the newest commit, where it has one. Milliseconds since the epoch. */
  inCommitTimestampMs: number | undefined

  /** Takes in a part of the checkpoint that everything begins with. */
  load(part: CheckpointPart): void {
    if (part.kind === 'files') {
      this.files.load(part)
      return
    }
    for (const action of part.actions) {
      // The files of a checkpoint are there, whatever it says was removed.
      if ('remove' in action) this.tombstones.set(action.remove)
      else this.#apply(action)
    }
  }

  /** Applies the actions of one version. Versions must come in order. */
  apply(actions: readonly Action[]): void {
    // A commit may remove a file and add it again with another deletion vector: removes go first.
    for (const action of actions) if ('remove' in action) this.#remove(action.remove)
    for (const action of actions) this.#apply(action)
  }

  #apply(action: Action): void {
    if ('add' in action) {
      this.files.set(action.add)
      this.tombstones.delete(fileKey(action.add))
    } else if ('txn' in action) {
      this.transactions.set(action.txn.appId, action.txn)
    } else if ('metaData' in action) {
      this.metadata = action.metaData
    } else if ('protocol' in action) {
      this.protocol = action.protocol
    } else if ('domainMetadata' in action) {
      if (action.domainMetadata.removed) this.domains.delete(action.domainMetadata.domain)
      else this.domains.set(action.domainMetadata.domain, action.domainMetadata)
    } else if ('commitInfo' in action) {
      this.inCommitTimestampMs = action.commitInfo.inCommitTimestamp
    }
  }

  #remove(remove: RemoveFile): void {
    this.files.delete(fileKey(remove))
    this.tombstones.set(remove)
  }

  /** A state that can go its own way. */
  copy(): TableState {
    const copy = new TableState()
    copy.protocol = this.protocol
    copy.metadata = this.metadata
    copy.inCommitTimestampMs = this.inCommitTimestampMs
    copy.files = this.files.copy()
    copy.tombstones = this.tombstones.copy()
    for (const [key, transaction] of this.transactions) copy.transactions.set(key, transaction)
    for (const [key, domain] of this.domains) copy.domains.set(key, domain)
    return copy
  }
}

/** "The primary key of a logical file is its path and the unique id of its deletion vector." */
export function fileKey({ path, deletionVector }: { path: string; deletionVector?: DeletionVector }): string {
  const identity = fileIdentity(path)
  return deletionVector === undefined ? identity : `${identity}\0${deletionVectorId(deletionVector)}`
}
