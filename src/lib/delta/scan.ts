/**
 * A snapshot as SQL that DuckDB can read from: which files, where each value comes from, which rows are gone.
 *
 * Partition values come from the log alone, never from folder names; a column that a file lacks is null.
 * What is too long for SQL text lies in temporary tables of the session, so the SELECT is good in it alone.
 */
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type AppendColumn, createTemporaryTable } from '../duckdb/append.ts'
import type { DuckDbSession } from '../duckdb/duckdb.ts'
import { identifier, list, text } from '../duckdb/sql-text.ts'
import type { ObjectStore } from '../storage/store.ts'
import type { AddFile } from './actions.ts'
import { localPaths } from './local-paths.ts'
import { partitionValueSql } from './partition-value.ts'
import { type DataType, duckDbType, type Field, type StructType } from './schema.ts'
import type { Snapshot } from './snapshot.ts'

export interface ScanOptions extends IoOptions {
  /** A part of the snapshot's files; all of them without it. */
  readonly files?: readonly AddFile[]
  /** In this order; all of the schema, in its order, without it. */
  readonly columns?: readonly string[]
  /**
   * Adds `_file`, the index of the row's file in `files`, and `_row`, the row's number in the file, from 0 up.
   * A column of the table that has one of these names is hidden by them.
   */
  readonly withRowPlace?: boolean
}

const rowPlaceNames: readonly string[] = ['_file', '_row']
/** Longer lists of files are a variable of the session. */
const inlineFiles = 100
let scans = 0

/**
 * A SELECT with the columns of the schema, for this session.
 *
 * @throws LakeError `COLUMN_MISSING`, or `LOG_CORRUPT` for a partition value that is none of its type.
 */
export async function scanSelect(
  session: DuckDbSession,
  store: ObjectStore,
  snapshot: Snapshot,
  { files = snapshot.files, columns, withRowPlace = false, signal }: ScanOptions = {},
): Promise<string> {
  const fields = chosenFields(snapshot.schema, columns, withRowPlace)
  if (files.length === 0) {
    return emptySelect({ type: 'struct', fields }, withRowPlace ? ['0 as _file', '0::bigint as _row'] : [])
  }
  const isPartition = (field: Field): boolean => snapshot.partitionColumns.includes(field.name)
  const partitions = fields.filter(isPartition)
  const stored = fields.filter((field) => !isPartition(field))
  scans += 1
  const places = `scan_${scans}_files`
  const paths = await localPaths(store, files, { signal })
  const isLong = paths.length > inlineFiles
  if (isLong || partitions.length > 0) {
    await createPlaces(session, places, { files, paths, partitions }, { signal })
  }
  if (isLong) {
    await session.run(`set variable ${places} = (select list(path order by file) from temp.${places})`, {
      signal,
    })
  }
  const source = `read_parquet(${isLong ? `getvariable('${places}')` : list(paths.map(globFree).map(text))}, ${readOptions(stored)})`
  const select = fields.map((field) => {
    const value = isPartition(field) ? `place.p${partitions.indexOf(field)}` : `row.c${stored.indexOf(field)}`
    return `${value} as ${identifier(field.name)}`
  })
  if (withRowPlace) select.push('row.file_index::integer as _file', 'row.file_row_number as _row')
  const join = partitions.length === 0 ? '' : ` join temp.${places} as place on row.file_index = place.file`
  return `select ${select.join(', ')} from ${source} as row${join}`
}

function chosenFields(
  schema: StructType,
  columns: readonly string[] | undefined,
  withRowPlace: boolean,
): readonly Field[] {
  const chosen =
    columns?.map((name) => {
      const found = schema.fields.find((each) => each.name === name)
      if (found !== undefined) return found
      const known = schema.fields.map((each) => each.name).join(', ')
      throw new LakeError('COLUMN_MISSING', `Scan: no column ${name}; there are ${known}`)
    }) ?? schema.fields
  return withRowPlace ? chosen.filter(({ name }) => !rowPlaceNames.includes(name.toLowerCase())) : chosen
}

async function createPlaces(
  session: DuckDbSession,
  name: string,
  {
    files,
    paths,
    partitions,
  }: {
    readonly files: readonly AddFile[]
    readonly paths: readonly string[]
    readonly partitions: readonly Field[]
  },
  { signal }: IoOptions,
): Promise<void> {
  const values: AppendColumn[] = [
    { name: 'file', kind: 'integer', values: files.map((_, index) => index) },
    { name: 'path', kind: 'varchar', values: paths.map(globFree) },
    ...partitions.map((field, index): AppendColumn => {
      const key = field.name
      return {
        name: `p${index}`,
        kind: 'varchar',
        values: files.map((file) => file.partitionValues[key] ?? null),
      }
    }),
  ]
  const raw = `${name}_raw`
  await createTemporaryTable(session, raw, values)
  const cast = partitions.map(({ type }, index) => `${partitionValueSql(`p${index}`, type)} as p${index}`)
  try {
    await session.run(
      `create temporary table ${name} as select ${['file', 'path', ...cast].join(', ')} from temp.${raw}; drop table temp.${raw}`,
      { signal },
    )
  } catch (error) {
    signal?.throwIfAborted()
    throw new LakeError('LOG_CORRUPT', 'Scan: a partition value is none of its type', { cause: error })
  }
}

/** The columns of the files by their names there, as `c0`, `c1` … of the types of the table. */
function readOptions(stored: readonly Field[]): string {
  const entries = stored.map(
    ({ name, type }, index) =>
      `${text(name)}: {name: 'c${index}', type: ${text(duckDbType(type))}, default_value: null}`,
  )
  // Without a column to read there must still be one that is looked for.
  if (entries.length === 0) entries.push(`'': {name: 'c0', type: 'BOOLEAN', default_value: null}`)
  const options = [`schema = map {${entries.join(', ')}}`, 'hive_partitioning = false']
  // Old writers did not mark texts as such in Parquet.
  if (!stored.some(({ type }) => holdsBinary(type))) options.push('binary_as_string = true')
  return options.join(', ')
}

function holdsBinary(type: DataType): boolean {
  if (typeof type === 'string') return type === 'binary'
  switch (type.type) {
    case 'array':
      return holdsBinary(type.elementType)
    case 'map':
      return holdsBinary(type.keyType) || holdsBinary(type.valueType)
    case 'struct':
      return type.fields.some((field) => holdsBinary(field.type))
  }
}

/** The schema without rows. */
export function emptySelect(schema: StructType, further: readonly string[] = []): string {
  const columns = schema.fields.map(({ name, type }) => `null::${duckDbType(type)} as ${identifier(name)}`)
  return `select ${[...columns, ...further].join(', ')} where false`
}

/** `read_parquet` reads `*`, `?` and `[` in a name as patterns. */
function globFree(path: string): string {
  return path.replace(/[*?[]/g, '[$&]')
}
