/**
 * A release: the versions of all tables of one run, which readers see together.
 *
 * It is made of the load that ClickHouse shows, after it: one row in the run store, written last. Killed before that
 * row, readers of the lake keep the release before, and the next run writes the row.
 */
import type { IoOptions } from '../../lib/base/io.ts'
import { formatJson } from '../../lib/base/json.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { Lease } from '../../lib/runs/leases.ts'
import type { Release, ReleaseBook, ReleasedTable } from '../../lib/runs/release-book.ts'
import { goldTableNames } from '../model/gold.ts'
import { madeFrom } from '../model/made-from.ts'
import type { LakeTable } from '../model/tables.ts'
import { snapshotAt } from './load-plan.ts'

export interface ReleaseContext {
  readonly table: (name: LakeTable) => DeltaTable
  readonly releases: ReleaseBook
  /** Held by the run, where runs take turns: one that has lost it publishes nothing more. */
  readonly lease?: Lease
}

export interface ReleaseRequest {
  readonly runId: number
  /** The versions of gold that ClickHouse shows, by `gold/…`. */
  readonly gold: Readonly<Record<string, number>>
}

/** @returns the release that readers see now: a new one, or the one before if no version has changed. */
export async function publishRelease(
  { table, releases, lease }: ReleaseContext,
  { runId, gold }: ReleaseRequest,
  { signal }: IoOptions = {},
): Promise<Release> {
  const tables: Record<string, ReleasedTable> = {}
  const bronze = await table('bronze/events').snapshot({ signal })
  const newestSilver = await table('silver/events').snapshot({ signal })
  let silverVersion: number = newestSilver.version
  for (const metric of goldTableNames) {
    const name = `gold/${metric}` as const
    const version = gold[name]
    if (version === undefined) continue
    const snapshot = await table(name).snapshot({ version, signal })
    tables[name] = await released(snapshot, { signal })
    silverVersion = snapshot.transactionVersion(madeFrom('silver/events', newestSilver)) ?? silverVersion
  }
  const silver = (await snapshotAt(table('silver/events'), silverVersion, { signal })) ?? newestSilver
  tables['silver/events'] = await released(silver, { signal })
  tables['silver/quarantine'] = await released(await table('silver/quarantine').snapshot({ signal }), {
    signal,
  })
  const bronzeVersion = silver.transactionVersion(madeFrom('bronze/events', bronze)) ?? bronze.version
  const pinned = (await snapshotAt(table('bronze/events'), bronzeVersion, { signal })) ?? bronze
  tables['bronze/events'] = await released(pinned, { signal })
  const newest = await releases.newest({ signal })
  if (newest !== undefined && formatJson(sorted(newest.tables)) === formatJson(sorted(tables))) return newest
  return releases.publish({ runId, tables: sorted(tables) }, { lease, signal })
}

async function released(snapshot: Snapshot, { signal }: IoOptions): Promise<ReleasedTable> {
  const commit = await snapshot.commitRef({ signal })
  return {
    version: snapshot.version,
    ...(commit !== undefined && { commit: commit.id }),
    id: snapshot.metadata.id,
  }
}

function sorted<T>(tables: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(tables).sort(([a], [b]) => (a < b ? -1 : 1)))
}
