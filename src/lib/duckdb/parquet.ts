/**
 * Parquet out, with the statistics that a table format wants, in one pass (`COPY … RETURN_STATS`).
 *
 * DuckDB neither syncs nor renames what it writes: the caller publishes the files before it makes them visible.
 */

import { randomUUID } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { LakeError } from '../base/errors.ts'
import { makeFolders } from '../base/files/folders.ts'
import type { IoOptions } from '../base/io.ts'
import type { DuckDbSession } from './duckdb.ts'
import { identifier, text } from './sql-text.ts'
import type { Row, Value } from './values.ts'

export interface ColumnStatistics {
  /** From the top column down: `['address', 'city']`. */
  readonly path: readonly string[]
  /** As DuckDB prints the value; absent when there is none, or it is too long to keep. */
  readonly min?: string
  readonly max?: string
  readonly nullCount?: bigint
  readonly hasNan: boolean
}

export interface WrittenFile {
  /** Relative to the folder that was written to, with `/`. */
  readonly key: string
  readonly sizeBytes: number
  readonly rows: number
  /** Partition column → value as text, null for the null partition. */
  readonly partition: Readonly<Record<string, string | null>>
  readonly columns: readonly ColumnStatistics[]
}

export interface WriteParquetOptions extends IoOptions {
  readonly directory: string
  /** Columns that name folders and are left out of the files. */
  readonly partitionBy?: readonly string[]
  /** Files are closed once they are about this large. */
  readonly targetFileBytes?: number
  /** How fine statistics within a file are. A multiple of 2,048; as many as the engine likes without it. */
  readonly rowGroupRows?: number
  /** Parquet field ids by column, as DuckDB writes them: `{a: 1, s: {__duckdb_field_id: 2, x: 3}}`. */
  readonly fieldIds?: string
}

/** Level 3, the engine's own, takes a sixth more time of the processor and makes files one hundredth smaller. */
const zstdLevel = 1

/**
 * Writes the rows of `select`. No rows, no files; where it throws, none stays either.
 *
 * @throws LakeError `SOURCE_FAILED` where the engine has written outside of the folder.
 */
export async function writeParquet(
  session: DuckDbSession,
  select: string,
  { directory, partitionBy = [], targetFileBytes, rowGroupRows, fieldIds, signal }: WriteParquetOptions,
): Promise<readonly WrittenFile[]> {
  await makeFolders(directory)
  const options = ['format parquet', 'compression zstd', `compression_level ${zstdLevel}`, 'return_stats']
  if (fieldIds !== undefined) options.push(`field_ids ${fieldIds}`)
  if (rowGroupRows !== undefined) options.push(`row_group_size ${rowGroupRows}`)
  if (targetFileBytes !== undefined) options.push(`file_size_bytes ${targetFileBytes}`)
  const isFolder = partitionBy.length > 0 || targetFileBytes !== undefined
  const name = `part-${randomUUID()}`
  // DuckDB strips letters beyond ASCII from the end of a folder's path, and would write beside it: a dot comes last.
  const target = isFolder ? `${directory}${sep}.` : join(directory, `${name}.zstd.parquet`)
  if (isFolder) {
    options.push(
      ...(partitionBy.length > 0
        ? [`partition_by (${partitionBy.map(identifier).join(', ')})`, 'write_partition_columns false']
        : []),
      'overwrite_or_ignore',
      `filename_pattern '${name}-{uuid}.zstd'`,
    )
  }
  const copy = `copy (${select}) to ${text(target)} (${options.join(', ')})`
  const rows = await session.rows(copy, { signal }).catch(async (error: unknown) => {
    await removeBegun(directory, name)
    throw error
  })
  await requireBelow(
    directory,
    rows.map((row) => String(row['filename'])),
    name,
  )
  const files = rows.map((row) => writtenFile(row, directory, partitionBy))
  for (const { key } of files.filter((file) => file.rows === 0)) await rm(join(directory, key))
  return files.filter((file) => file.rows > 0)
}

/** An engine's word for where it has written is not enough: what lies elsewhere is taken away, and said. */
async function requireBelow(directory: string, paths: readonly string[], name: string): Promise<void> {
  const outside = paths.filter((path) => !isBelow(directory, path))
  if (outside.length === 0) return
  const own = paths.filter((path) => basename(path).startsWith(name))
  await Promise.all(own.map((path) => rm(path, { force: true }).catch(() => undefined)))
  throw new LakeError(
    'SOURCE_FAILED',
    `Write Parquet: expected files below ${resolve(directory)}, DuckDB wrote ${outside[0]}`,
    { details: { directory, outside, fault: 'written-elsewhere' } },
  )
}

function isBelow(directory: string, path: string): boolean {
  const key = relative(directory, path)
  return key !== '' && key !== '..' && !key.startsWith(`..${sep}`) && !isAbsolute(key)
}

/** Best effort: what stays is seen by nobody, and is vacuumed. */
async function removeBegun(directory: string, name: string): Promise<void> {
  const keys = await readdir(directory, { recursive: true }).catch(() => [])
  const begun = keys.filter((key) => basename(key).startsWith(name))
  await Promise.all(begun.map((key) => rm(join(directory, key), { force: true }).catch(() => undefined)))
}

function writtenFile(row: Row, directory: string, partitionBy: readonly string[]): WrittenFile {
  const values = new Map(entriesOf(row['partition_keys']).map(([name, value]) => [name, textOf(value)]))
  return {
    key: relative(directory, String(row['filename'])).split(sep).join('/'),
    sizeBytes: Number(row['file_size_bytes']),
    rows: Number(row['count']),
    // By the keys, never by the folder: null and the text that a folder has for it are in one.
    partition: Object.fromEntries(partitionBy.map((name) => [name, values.get(name) ?? null])),
    columns: entriesOf(row['column_statistics']).map(([path, statistics]) =>
      columnStatistics(path, statistics),
    ),
  }
}

function columnStatistics(path: string, statistics: Value): ColumnStatistics {
  const found = new Map(entriesOf(statistics).map(([name, value]) => [name, textOf(value)]))
  const [min, max, nullCount] = [found.get('min'), found.get('max'), found.get('null_count')]
  return {
    path: parseQuotedPath(path),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(nullCount !== undefined && { nullCount: BigInt(nullCount) }),
    hasNan: found.get('has_nan') === 'true',
  }
}

/** `"s"."a ""b"""` → `['s', 'a "b"']`. */
export function parseQuotedPath(path: string): readonly string[] {
  const parts = [...path.matchAll(/"(?<part>(?:[^"]|"")*)"(?:\.|$)/g)]
  if (parts.length === 0) throw new LakeError('BUG', `Column path: expected quoted names, got ${path}`)
  return parts.map(({ groups }) => (groups?.['part'] ?? '').replaceAll('""', '"'))
}

/** The entries of a DuckDB map, which arrive as `{key, value}` objects. */
function entriesOf(map: Value | undefined): readonly (readonly [string, Value])[] {
  if (!Array.isArray(map)) return []
  return (map as readonly { readonly key: Value; readonly value: Value }[]).map(({ key, value }) => [
    String(key),
    value,
  ])
}

function textOf(value: Value): string | undefined {
  return value === null ? undefined : String(value)
}
