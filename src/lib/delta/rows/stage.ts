/**
 * Writes rows to data files that no reader sees yet: checked, cast without loss, partitioned, with statistics.
 *
 * The result is `add` actions as plain data. A commit that writes them to the log makes the files visible.
 */

import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { someOf } from '../../base/some-of.ts'
import { columnTypes, type TypedColumn } from '../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { type WrittenFile, writeParquet } from '../../duckdb/parquet.ts'
import { identifier } from '../../duckdb/sql-text.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { AddFile } from '../log/actions.ts'
import { encodeFilePath } from '../log/file-path.ts'
import {
  type Constraint,
  constraintsOf,
  enforced,
  finiteness,
  reportViolations,
} from '../protocol/constraints.ts'
import { fileSchema } from '../protocol/mapping.ts'
import type { Metadata } from '../protocol/metadata.ts'
import { fieldIds, nameInFiles, partitionKeys, spelledBy } from '../schema/column-mapping.ts'
import { findNamed } from '../schema/names.ts'
import { type DataType, type Field, type StructType, structOf } from '../schema/schema.ts'
import { fieldsOf } from '../schema/walk.ts'
import { checksumTags } from '../snapshot/data-checksum.ts'
import { partitionTextSql } from '../snapshot/partition-value.ts'
import { encodeStatistics } from '../snapshot/statistics.ts'
import { castSql } from './columns/lossless-cast.ts'

/** Files that are durable and not yet visible, as the adds that would make them so. */
export interface StagedFiles {
  readonly files: readonly AddFile[]
  readonly rows: number
  readonly sizeBytes: number
}

export interface StageOptions extends IoOptions {
  /** What becomes of a column that the rows lack: an error, or null where the schema allows it. */
  readonly missing?: 'error' | 'null'
  /** False for rows that are in the table already and only move. */
  readonly dataChange?: boolean
  /** SQL to sort the rows by within a file. */
  readonly orderBy?: string
  readonly targetFileBytes?: number
  /** As `writeParquet` takes it. */
  readonly rowGroupRows?: number
  /** What each of the rows must satisfy besides what the table asks. */
  readonly constraints?: readonly Constraint[]
  /** Below the table's own; the table itself without it. */
  readonly folder?: string
  /** The one partition of all rows, as the log writes it. The rows are then not examined, and no folders are made. */
  readonly partition?: AddFile['partitionValues']
}

export interface StageTarget {
  readonly store: ObjectStore
  readonly clock: Clock
  /** Schema, partitioning, properties: those that the files will be read with. */
  readonly metadata: Metadata
}

/**
 * Columns are matched by name, ignoring case where no name is the same.
 *
 * @throws LakeError `SCHEMA_MISMATCH` naming columns that are missing, too many, or of a type that does not fit;
 * `SQL_INVALID` for a value that does not fit; `CONSTRAINT_VIOLATED`; `PROTOCOL_UNSUPPORTED` for a constraint that
 * cannot be checked. Nothing is staged then.
 */
export async function stageRows(
  session: DuckDbSession,
  { store, clock, metadata }: StageTarget,
  select: string,
  {
    missing = 'error',
    dataChange = true,
    orderBy,
    targetFileBytes,
    rowGroupRows,
    constraints: further = [],
    folder,
    partition,
    signal,
  }: StageOptions = {},
): Promise<StagedFiles> {
  const schema = fileSchema(metadata)
  const partitionColumns = spelledBy(schema, metadata.partitionColumns)
  const rows = await tableRows(session, schema, select, { missing, table: store.uri })
  // Rows that only move were judged when they came.
  const constraints: readonly Constraint[] = dataChange
    ? [...(await constraintsOf(session, metadata, { signal })), ...finiteness(schema.fields), ...further]
    : []
  const stored = structOf(...schema.fields.filter(({ name }) => !partitionColumns.includes(name)))
  const inFiles = (partition === undefined ? schema : stored).fields.map(
    (field) => `${storedSql(field, partitionColumns)} as ${identifier(nameInFiles(field))}`,
  )
  const order = orderBy === undefined ? '' : ` order by ${orderBy}`
  const ordered = `select ${inFiles.join(', ')} from (${enforced(rows, constraints)})${order}`
  const ids = fieldIds(schema, partitionColumns)
  const inFolder = await reportViolations(store.uri, constraints, () =>
    writeParquet(session, ordered, {
      directory: folder === undefined ? store.stagingRoot : join(store.stagingRoot, folder),
      partitionBy: partition === undefined ? partitionKeys(schema, partitionColumns) : [],
      ...(targetFileBytes !== undefined && { targetFileBytes }),
      ...(rowGroupRows !== undefined && { rowGroupRows }),
      ...(ids !== undefined && { fieldIds: ids }),
      signal,
    }),
  )
  const written = inFolder.map((file) => ({
    ...file,
    key: folder === undefined ? file.key : `${folder}/${file.key}`,
  }))
  const now = clock.now()
  const files = await published(store, written, { signal })
  return {
    files: files.map(({ file, tags }) => ({
      path: encodeFilePath(file.key),
      partitionValues: partition ?? file.partition,
      size: file.sizeBytes,
      modificationTime: now,
      dataChange,
      stats: encodeStatistics(file.rows, file.columns, stored, metadata.configuration),
      tags,
    })),
    rows: written.reduce((sum, { rows }) => sum + rows, 0),
    sizeBytes: written.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  }
}

interface PublishedFile {
  readonly file: WrittenFile
  readonly tags: Readonly<Record<string, string>>
}

/** Makes the files durable. Their checksums are computed before, since a store may move them. */
async function published(
  store: ObjectStore,
  written: readonly WrittenFile[],
  { signal }: IoOptions,
): Promise<readonly PublishedFile[]> {
  const files: PublishedFile[] = []
  for (const file of written) {
    files.push({ file, tags: await checksumTags(join(store.stagingRoot, file.key), { signal }) })
  }
  await store.publish(
    written.map(({ key }) => key),
    { signal },
  )
  return files
}

/**
 * A SELECT of the rows of `select` as rows of the table: its columns, in its order, cast without loss.
 *
 * @param table names it in errors. @throws LakeError `SCHEMA_MISMATCH` as `stageRows` does.
 */
export async function tableRows(
  session: DuckDbSession,
  schema: StructType,
  select: string,
  { missing, table }: { readonly missing: 'error' | 'null'; readonly table: string },
): Promise<string> {
  const columns = matchColumns(schema, await columnTypes(session, select), missing, table)
  const cast = columns.map(({ field, source }) => `${castSql(field, source)} as ${identifier(field.name)}`)
  return `select ${cast.join(', ')} from (${select}\n)`
}

/** The files of both. */
export function combined(a: StagedFiles, b: StagedFiles): StagedFiles {
  return {
    files: [...a.files, ...b.files],
    rows: a.rows + b.rows,
    sizeBytes: a.sizeBytes + b.sizeBytes,
  }
}

interface MatchedColumn {
  readonly field: Field
  /** `undefined` where the rows have no such column. */
  readonly source: TypedColumn | undefined
}

function matchColumns(
  schema: StructType,
  given: readonly TypedColumn[],
  missing: 'error' | 'null',
  table: string,
): readonly MatchedColumn[] {
  const columns = schema.fields.map((field) => ({
    field,
    source: findNamed(given, field.name),
  }))
  const matched = new Set(columns.map(({ source }) => source))
  const unknown = given.filter((column) => !matched.has(column)).map(({ name }) => name)
  const lacking = columns
    .filter(({ field, source }) => source === undefined && (missing === 'error' || !field.nullable))
    .map(({ field }) => field.name)
  if (lacking.length === 0 && unknown.length === 0) return columns
  const faults = [
    ...(lacking.length > 0 ? [`missing: ${someOf(lacking)}`] : []),
    ...(unknown.length > 0 ? [`not in the table: ${someOf(unknown)}`] : []),
  ]
  const names = someOf(schema.fields.map(({ name }) => name))
  throw new LakeError('SCHEMA_MISMATCH', `${table}: expected columns ${names}; ${faults.join('; ')}`, {
    details: { uri: table, missing: lacking, unknown },
  })
}

/** A column as its file holds it: a partition's value as the log writes it, nested names as files name them. */
function storedSql(field: Field, partitionColumns: readonly string[]): string {
  const value = identifier(field.name)
  if (partitionColumns.includes(field.name)) return partitionTextSql(value, field.type)
  return renamedSql(value, field.type)
}

function renamedSql(value: string, type: DataType): string {
  const isRenamed = fieldsOf(type).some((inner) => nameInFiles(inner) !== inner.name)
  if (!isRenamed || typeof type === 'string') return value
  switch (type.type) {
    case 'struct': {
      const fields = type.fields.map(
        (inner) =>
          `${identifier(nameInFiles(inner))} := ${renamedSql(`${value}.${identifier(inner.name)}`, inner.type)}`,
      )
      return `case when ${value} is not null then struct_pack(${fields.join(', ')}) end`
    }
    case 'array':
      return `list_transform(${value}, lambda e: ${renamedSql('e', type.elementType)})`
    case 'map':
      return `map_from_entries(list_transform(map_entries(${value}), lambda e: row(${renamedSql('e.key', type.keyType)}, ${renamedSql('e.value', type.valueType)})))`
  }
}
