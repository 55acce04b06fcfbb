/**
 * Delta tables as the console lists them. A version never changes, so it is read once. If a table cannot be read, it
 * keeps its last figures and says so, and the other tables go on.
 */

import { isLakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import { committedMs, type DeltaTable, type Snapshot, type TableCommit } from '../../lib/delta/index.ts'
import type { TableSummary } from '../answers.ts'
import { type HintOf, problemOf } from '../problem.ts'

export interface NamedTable {
  readonly name: string
  readonly table: DeltaTable
}

/**
 * Reads all tables, in the order given; one that is not there has no version, and one that cannot be read a
 * problem. Where none of them can be read it fails, with the first failure.
 */
export type TablesReader = (options?: IoOptions) => Promise<readonly TableSummary[]>

export function createTablesReader(
  tables: readonly NamedTable[],
  { hintOf, logger = silentLogger }: { readonly hintOf: HintOf; readonly logger?: Logger },
): TablesReader {
  const known = new Map<string, { readonly snapshot: Snapshot; readonly summary: TableSummary }>()

  async function read({ name, table }: NamedTable, options: IoOptions): Promise<TableSummary> {
    const snapshot = await snapshotIfThere(table, options)
    if (snapshot === undefined) return missing(name)
    const before = known.get(name)
    if (before?.snapshot === snapshot) return before.summary
    const summary = await summaryOf(name, snapshot, options)
    known.set(name, { snapshot, summary })
    return summary
  }

  function unread(name: string, error: unknown): TableSummary {
    const isEnding = isLakeError(error, 'INTERRUPTED')
    if (!isEnding) logger.warn({ err: error }, `Table ${name} could not be read`)
    return { ...(known.get(name)?.summary ?? missing(name)), problem: problemOf(error, hintOf) }
  }

  return async (options = {}) => {
    const failures: unknown[] = []
    const summaries = await Promise.all(
      tables.map((named) =>
        read(named, options).catch((error: unknown) => {
          failures.push(error)
          return unread(named.name, error)
        }),
      ),
    )
    if (failures.length > 0 && failures.length === tables.length) throw failures[0]
    return summaries
  }
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
    problem: null,
  }
}

async function newestCommit(snapshot: Snapshot, options: IoOptions): Promise<TableCommit | undefined> {
  for await (const commit of snapshot.commits(options)) return commit
  return undefined
}

async function summaryOf(name: string, snapshot: Snapshot, options: IoOptions): Promise<TableSummary> {
  const info = (await newestCommit(snapshot, options))?.info
  const atMs = committedMs(info)
  return {
    name,
    version: snapshot.version,
    rows: snapshot.numRecords ?? null,
    files: snapshot.files.length,
    sizeBytes: snapshot.sizeBytes,
    committedAt: atMs === undefined ? null : new Date(atMs).toISOString(),
    operation: info?.operation ?? null,
    problem: null,
  }
}
