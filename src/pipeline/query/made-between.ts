/** Why a table of the batch has changed between two versions: the runs that made them, and what they had read. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import { madeFromOf, runOf } from '../model/made-from.ts'
import type { LakeTable } from '../model/tables.ts'

/** A commit that changed the table. */
export interface Making {
  readonly version: number
  /** When, as ISO in UTC; absent if the commit does not say. */
  readonly at?: string
  readonly operation?: string
  /** The run of the batch; absent if it was none. */
  readonly run?: number
  /** The versions that the rows were computed from, the nearest table first. */
  readonly madeFrom: readonly { readonly table: LakeTable; readonly version: number }[]
}

export interface MadeBetweenContext {
  readonly table: (name: LakeTable) => Promise<DeltaTable>
}

/** The commits after `from`, up to the version of the snapshot, oldest first, as far as they are still in the log. */
export async function madeBetween(
  context: MadeBetweenContext,
  name: LakeTable,
  snapshot: Snapshot,
  { from, signal }: IoOptions & { readonly from: number },
): Promise<readonly Making[]> {
  const makings: Making[] = []
  for await (const { version, info } of snapshot.commits({ signal })) {
    if (version <= from) break
    const run = runOf(info)
    const input = madeFromOf(info)?.version
    makings.push({
      version,
      ...(info.timestamp !== undefined && { at: new Date(info.timestamp).toISOString() }),
      ...(info.operation !== undefined && { operation: info.operation }),
      ...(run !== undefined && { run }),
      madeFrom: input === undefined ? [] : await inputsOf(context, name, input, { signal }),
    })
  }
  return makings.reverse()
}

async function inputsOf(
  { table }: MadeBetweenContext,
  name: LakeTable,
  version: number,
  { signal }: IoOptions,
): Promise<Making['madeFrom']> {
  if (name.startsWith('silver/')) return [{ table: 'bronze/events', version }]
  const silver = { table: 'silver/events', version } as const
  const newest = await (await table('silver/events')).snapshot({ signal })
  for await (const commit of newest.commits({ signal })) {
    if (commit.version > version) continue
    const bronze = madeFromOf(commit.info)?.version
    if (bronze !== undefined) return [silver, { table: 'bronze/events', version: bronze }]
  }
  return [silver]
}
