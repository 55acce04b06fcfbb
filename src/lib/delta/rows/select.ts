/** A SELECT of some of a table's rows: columns, a condition, a limit. */

import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { someOf } from '../../base/some-of.ts'
import { mostColumns } from '../../duckdb/column-type.ts'
import { settleTime } from '../../duckdb/current-time.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { columnNames, nodesOf, parseExpression } from '../../duckdb/expression.ts'
import { identifier } from '../../duckdb/sql-text.ts'
import type { AddFile } from '../log/actions.ts'
import { changeColumns } from '../protocol/change-columns.ts'
import { sameNameIn } from '../schema/names.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { parsePredicate } from './predicate.ts'
import { type Pruning, pruneFiles } from './pruning.ts'
import type { ReadableTable } from './readable-table.ts'

export interface RowSelection {
  /** In this order; all of the schema, in its order, without it. */
  readonly columns?: readonly string[] | undefined
  /** One expression of DuckDB's SQL over the columns of the table. */
  readonly where?: string | undefined
  readonly limit?: number | undefined
}

/**
 * SQL that is valid only in `session`. Files that cannot hold a row of the condition are not read.
 *
 * @throws LakeError `COLUMN_MISSING`, or `SQL_INVALID` when the condition is not one expression.
 */
export async function selectRows(
  session: DuckDbSession,
  table: ReadableTable,
  snapshot: Snapshot,
  { columns, where: given, limit, signal }: RowSelection & IoOptions = {},
): Promise<string> {
  const known = snapshot.schema.fields.map(({ name }) => name)
  // Files are chosen now and rows later: both by the same time.
  const where = given === undefined ? undefined : await settleTime(session, given, { columns: known, signal })
  const { files } = await pruneBy(session, snapshot, where, { signal })
  const scan = await table.scan(session, snapshot, {
    files,
    ...(columns !== undefined &&
      known.length > mostColumns && {
        columns: await neededColumns(session, known, columns, where, { signal }),
      }),
    signal,
  })
  return selected(scan, known, { columns, where, limit }, table.uri)
}

/** Of a table with more columns than can be read at once: those wanted, and those of the condition. */
async function neededColumns(
  session: DuckDbSession,
  known: readonly string[],
  wanted: readonly string[],
  where: string | undefined,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const tree = where === undefined ? undefined : await parseExpression(session, where, { signal })
  const named = tree === undefined ? [] : [...nodesOf(tree)].flatMap((node) => columnNames(node)?.[0] ?? [])
  const needed = new Set([...wanted, ...named].map((name) => name.toLowerCase()))
  return known.filter((name) => needed.has(name.toLowerCase()))
}

/**
 * What the versions from `from` up to `to`'s changed: the columns of `to`, and how and when each row changed.
 *
 * @throws LakeError as `selectRows` and `DeltaTable.changes` do.
 */
export async function selectChanges(
  session: DuckDbSession,
  table: ReadableTable,
  to: Snapshot,
  { from, columns, where, limit, signal }: RowSelection & IoOptions & { readonly from: number },
): Promise<string> {
  if (where !== undefined) await parseExpression(session, where, { signal })
  const changes = await table.changes(session, to, { from, signal })
  const known = [...to.schema.fields.map(({ name }) => name), ...changeColumns]
  const select = selected(changes, known, { columns, where }, table.uri)
  const inOrder = columns === undefined ? ' order by _commit_version, _change_type' : ''
  return `select * from (${select}\n)${inOrder}${limit === undefined ? '' : ` limit ${limit}`}`
}

function selected(
  rows: string,
  known: readonly string[],
  { columns, where, limit }: RowSelection,
  table: string,
): string {
  const wanted = (columns ?? known).map((name) => {
    const found = sameNameIn(known, name)
    if (found !== undefined) return found
    throw new LakeError('COLUMN_MISSING', `${table}: no column ${name}; it has ${someOf(known)}`, {
      details: { uri: table, column: name },
    })
  })
  const parts = [`select ${wanted.map(identifier).join(', ')} from (${rows})`]
  // On lines of its own, so that a comment at its end ends there.
  if (where !== undefined) parts.push(`where (\n${where}\n)`)
  if (limit !== undefined) parts.push(`limit ${Number(limit)}`)
  return parts.join(' ')
}

export interface ReadPlan {
  readonly files: number
  readonly filesRead: number
  readonly skippedByPartition: number
  readonly skippedByStatistics: number
  readonly sizeBytes: number
  readonly sizeBytesRead: number
}

/** Which files a condition needs, and why the others are skipped. No data file is read for it. */
export async function explainRead(
  session: DuckDbSession,
  snapshot: Snapshot,
  { where: given, signal }: Pick<RowSelection, 'where'> & IoOptions,
): Promise<ReadPlan> {
  const columns = snapshot.schema.fields.map(({ name }) => name)
  const where = given === undefined ? undefined : await settleTime(session, given, { columns, signal })
  const { files, skippedByPartition, skippedByStatistics } = await pruneBy(session, snapshot, where, {
    signal,
  })
  return {
    files: snapshot.files.length,
    filesRead: files.length,
    skippedByPartition: skippedByPartition.length,
    skippedByStatistics: skippedByStatistics.length,
    sizeBytes: snapshot.sizeBytes,
    sizeBytesRead: files.reduce((sum: number, file: AddFile) => sum + file.size, 0),
  }
}

async function pruneBy(
  session: DuckDbSession,
  snapshot: Snapshot,
  where: string | undefined,
  { signal }: IoOptions,
): Promise<Pick<Pruning, 'files' | 'skippedByPartition' | 'skippedByStatistics'>> {
  const { schema, partitionColumns, files } = snapshot
  if (where === undefined) return { files, skippedByPartition: [], skippedByStatistics: [] }
  const predicate = await parsePredicate(session, where, { schema, partitionColumns, signal })
  return pruneFiles(session, snapshot, files, predicate, { signal })
}
