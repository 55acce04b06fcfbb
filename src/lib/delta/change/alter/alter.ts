/**
 * Changes the schema, the partitioning or the properties of a table.
 *
 * The change is planned again if another commit came first. The protocol may grow; files and rows stay as they are.
 */

import type { Operation } from '../../log/commit.ts'
import type { ReadSet } from '../../log/conflict.ts'
import { type Alteration, altered } from '../../protocol/alteration.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import type { DeltaTable } from '../../table.ts'
import { type WriteOptions, type WriteOutcome, write } from '../write.ts'

export type AlterOptions = Omit<WriteOptions, 'transaction'>

export interface PlannedAlteration extends Alteration {
  readonly operation: Operation
  /** What was read to know that the change is right; nothing without it. */
  readonly reads?: ReadSet
}

/**
 * Commits what `plan` makes of the newest snapshot.
 *
 * @param plan Gives `undefined` where the table is so already.
 * @throws LakeError as `write`, `altered` and `plan` do. Nothing is changed then.
 */
export async function alterTable(
  table: DeltaTable,
  options: AlterOptions,
  plan: (snapshot: Snapshot) => PlannedAlteration | undefined | Promise<PlannedAlteration | undefined>,
): Promise<WriteOutcome> {
  return write(table, options, async (snapshot) => {
    table.requireWritable(snapshot)
    const planned = await plan(snapshot)
    if (planned === undefined) return undefined
    const { operation, reads = { kind: 'none' }, ...alteration } = planned
    return { ...altered(snapshot, alteration, table.uri), reads, operation }
  })
}
