/** Delta tables as the console lists them. What a version says never changes, so it is read once. */
import { isLakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import { readCommit, type Snapshot } from '../lib/delta/snapshot.ts'
import type { DeltaTable } from '../lib/delta/table.ts'
import type { TableSummary } from './answers.ts'

export interface NamedTable {
  readonly name: string
  readonly table: DeltaTable
}

/** Reads all tables, in the order given; one that is not there has no version. */
export type TablesReader = (options?: IoOptions) => Promise<readonly TableSummary[]>

export function createTablesReader(tables: readonly NamedTable[]): TablesReader {
  const known = new Map<string, { readonly snapshot: Snapshot; readonly summary: TableSummary }>()

  async function read({ name, table }: NamedTable, options: IoOptions): Promise<TableSummary> {
    const snapshot = await snapshotIfThere(table, options)
    if (snapshot === undefined) return missing(name)
    const before = known.get(name)
    if (before?.snapshot === snapshot) return before.summary
    const summary = await summaryOf(name, table, snapshot, options)
    known.set(name, { snapshot, summary })
    return summary
  }

  return (options = {}) => Promise.all(tables.map((table) => read(table, options)))
}

async function snapshotIfThere(table: DeltaTable, options: IoOptions): Promise<Snapshot | undefined> {
  try {
    return await table.snapshot(options)
  } catch (error) {
    if (isLakeError(error, 'TABLE_MISSING')) return undefined
    throw error
  }
}

function missing(name: string): TableSummary {
  return {
    name,
    version: null,
    rows: null,
    files: null,
    sizeBytes: null,
    committedAt: null,
    operation: null,
  }
}

async function summaryOf(
  name: string,
  { store }: DeltaTable,
  snapshot: Snapshot,
  options: IoOptions,
): Promise<TableSummary> {
  const actions = await readCommit(store, snapshot.version, options)
  const commit = actions.flatMap((action) => ('commitInfo' in action ? [action.commitInfo] : []))[0]
  const committedMs = commit?.inCommitTimestamp ?? commit?.timestamp
  return {
    name,
    version: snapshot.version,
    rows: snapshot.numRecords ?? null,
    files: snapshot.files.length,
    sizeBytes: snapshot.sizeBytes,
    committedAt: committedMs === undefined ? null : new Date(committedMs).toISOString(),
    operation: commit?.operation ?? null,
  }
}
