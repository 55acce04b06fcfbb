/**
 * The plan loop: plans a change from a snapshot, commits it, and plans again if another commit made it wrong.
 *
 * When a plan is given up, its staged files are removed. They stay if its commit may have been made.
 */
import { isLakeError, LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { Operation } from '../log/commit.ts'
import type { Version } from '../log/log-path.ts'
import type { StringMap } from '../protocol/metadata.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { Change, DeltaTable, StagedFiles } from '../table.ts'

export interface WriteOptions extends IoOptions {
  /** How an application writes once: its version goes into the same commit, and is never written again. */
  readonly transaction?: ApplicationVersion
  /**
   * The version that what is written was computed from: a change since then that makes it wrong fails the write,
   * which is otherwise planned again.
   */
  readonly computedFrom?: number
  /** Further properties of the commit, shown in the history. */
  readonly tags?: StringMap
}

export interface ApplicationVersion {
  readonly appId: string
  readonly version: number
}

export type WriteOutcome =
  | { readonly kind: 'committed'; readonly version: Version; readonly metrics: Metrics }
  /** The application's version, or a later one, was in the table already: nothing was written. */
  | { readonly kind: 'repeated'; readonly version: Version }
  /** No row of the table, and nothing of its metadata, would be another. */
  | { readonly kind: 'unchanged'; readonly version: Version }

/** By the names that the reference implementation gives them (`numOutputRows`). */
export type Metrics = NonNullable<Operation['metrics']>

export interface Plan extends Change {
  readonly staged?: StagedFiles
}

/** So often is a write planned before it is given up. Each time another writer has got on. */
const maxPlans = 20

/**
 * Commits what `plan` makes of the newest snapshot.
 *
 * @param plan Gives `undefined` where nothing is to be done.
 * @throws LakeError `COMMIT_CONFLICT` when others were faster each time, and as `plan` and the commit do.
 */
export async function write(
  table: DeltaTable,
  { transaction, computedFrom, tags, signal }: WriteOptions,
  plan: (snapshot: Snapshot) => Promise<Plan | undefined>,
): Promise<WriteOutcome> {
  let reason = ''
  for (let plans = 0; plans < maxPlans; plans++) {
    const newest = await table.snapshot({ signal })
    if (transaction !== undefined && isWritten(newest, transaction)) {
      return { kind: 'repeated', version: newest.version }
    }
    const snapshot =
      computedFrom === undefined ? newest : await table.snapshot({ version: computedFrom, signal })
    const planned = await plan(snapshot)
    if (planned === undefined && transaction === undefined) {
      return { kind: 'unchanged', version: snapshot.version }
    }
    const { staged, ...change } = planned ?? noRows
    const { operation } = change
    try {
      const outcome = await table.commit(
        snapshot,
        {
          ...change,
          ...(transaction !== undefined && {
            transactions: { ...change.transactions, [transaction.appId]: transaction.version },
          }),
          operation: tags === undefined ? operation : { ...operation, tags: { ...operation.tags, ...tags } },
        },
        { signal },
      )
      if (outcome.kind === 'committed') {
        return { kind: 'committed', version: outcome.version, metrics: operation.metrics ?? {} }
      }
      reason = outcome.reason
    } catch (error) {
      if (isLakeError(error, 'COMMIT_LOST') && staged !== undefined) await table.discard(staged)
      throw error
    }
    if (staged !== undefined) await table.discard(staged)
    if (computedFrom !== undefined) {
      throw new LakeError('COMMIT_CONFLICT', `${table.uri}: since version ${computedFrom} ${reason}`, {
        details: { uri: table.uri, computedFrom, fault: 'table-changed' },
      })
    }
  }
  throw new LakeError(
    'COMMIT_CONFLICT',
    `${table.uri}: other writers were faster ${maxPlans} times, at last ${reason}`,
    {
      details: { uri: table.uri, fault: 'writers-faster' },
    },
  )
}

const noRows: Plan = { reads: { kind: 'none' }, operation: { name: 'WRITE', metrics: { numOutputRows: 0 } } }

function isWritten(snapshot: Snapshot, { appId, version }: ApplicationVersion): boolean {
  const written = snapshot.transactionVersion(appId)
  return written !== undefined && written >= version
}
