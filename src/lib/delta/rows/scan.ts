/**
 * A snapshot as a SELECT for DuckDB: which files, where each column comes from, which rows are deleted.
 *
 * Partition values come from the log alone, never from folder names. A column that a file lacks is null. Long lists
 * lie in temporary tables of the session, so the SELECT works only in this session.
 */
import { LakeError, messageOf } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { someOf } from '../../base/some-of.ts'
import { type AppendColumn, createTemporaryTable } from '../../duckdb/append.ts'
import { mostColumns } from '../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier, list, text } from '../../duckdb/sql-text.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { AddFile } from '../log/actions.ts'
import { localPaths } from '../log/local-paths.ts'
import { nameInFiles } from '../schema/column-mapping.ts'
import { type DataType, duckDbType, type Field, type StructType } from '../schema/schema.ts'
import { holdsFiner } from '../schema/type-widening.ts'
import { fieldsOf, holds } from '../schema/walk.ts'
import { readDeletionVectors } from '../snapshot/deletion-vector.ts'
import { partitionValueOf, partitionValueSql } from '../snapshot/partition-value.ts'
import type { RowSet } from '../snapshot/row-set.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { type FileNames, storedType, valueSql } from './columns/column-source.ts'
import { type FileGroup, groupByLayout } from './columns/file-layout.ts'
import { createRowTable } from './row-table.ts'

export interface ScanOptions extends IoOptions {
  /** A part of the snapshot's files; all of them without it. */
  readonly files?: readonly AddFile[]
  /** In this order; all of the schema, in its order, without it. */
  readonly columns?: readonly string[]
  /**
   * Adds `_file`, the index of the row's file in `files`, and `_row`, the row's number in the file, from 0 up.
   * A column of the table that has one of these names is hidden by them: name others then.
   */
  readonly withRowPlace?: boolean | RowPlaceNames
}

export interface RowPlaceNames {
  readonly file: string
  readonly row: string
}

/** What of a snapshot is scanned. */
export type Scanned = Pick<Snapshot, 'schema' | 'partitionColumns' | 'columnMapping' | 'files'>

const rowPlaceNames: RowPlaceNames = { file: '_file', row: '_row' }
/** Longer lists of files are a variable of the session. */
const inlineFiles = 100
let scans = 0

/**
 * A SELECT with the columns of the schema, valid only in `session`.
 *
 * @throws LakeError `COLUMN_MISSING`; `PROTOCOL_UNSUPPORTED` for a column nested too deep, and for too many of them; `LOG_CORRUPT` for a partition value that is none of its type, or a deletion
 * vector that cannot be read; `SOURCE_FAILED` for a file at another store.
 */
export async function scanSelect(
  session: DuckDbSession,
  store: ObjectStore,
  snapshot: Scanned,
  { files = snapshot.files, columns, withRowPlace = false, signal }: ScanOptions = {},
): Promise<string> {
  const rowPlace = withRowPlace === true ? rowPlaceNames : withRowPlace === false ? undefined : withRowPlace
  const fields = chosenFields(snapshot.schema, columns, rowPlace)
  if (files.length === 0) {
    return emptySelect({ type: 'struct', fields }, rowPlaceSql(rowPlace, '0', '0::bigint'))
  }
  const isPartition = (field: Field): boolean => snapshot.partitionColumns.includes(field.name)
  requireNarrow(fields)
  fields.forEach(requireReadable)
  const partitions = fields.filter(isPartition)
  const stored = fields.filter((field) => !isPartition(field))
  scans += 1
  const scan: Scan = { name: `scan_${scans}`, partitions, stored, isPartition, fields, rowPlace }
  const paths = await localPaths(store, files, { signal })
  const vectors = await readDeletionVectors(store, files, { signal })
  const groups = byDeletion(await layoutGroups(session, scan, snapshot, paths, { signal }), vectors)
  const isDeletedFrom = vectors.some((rows) => rows !== undefined)
  const hasPlaces = partitions.length > 0 || groups.length > 1 || isDeletedFrom
  if (hasPlaces || files.length > inlineFiles)
    await createPlaces(session, scan, { files, paths, groups, signal })
  if (isDeletedFrom) await createRowTable(session, `${scan.name}_deleted`, vectors, { signal })
  const selects: string[] = []
  for (const [index, group] of groups.entries()) {
    const source = await pathList(session, `${scan.name}_${index}`, group, { scan, paths, index, signal })
    selects.push(groupSelect(scan, group, { source, index, hasPlaces }))
  }
  return selects.join(' union all ')
}

/** What all parts of one SELECT share. */
interface Scan {
  /** Begins the names of its temporary tables and variables. */
  readonly name: string
  readonly fields: readonly Field[]
  readonly partitions: readonly Field[]
  readonly stored: readonly Field[]
  readonly isPartition: (field: Field) => boolean
  readonly rowPlace: RowPlaceNames | undefined
}

interface ScanGroup extends FileGroup {
  readonly isDeletedFrom: boolean
}

const schemaNames: FileNames = {
  nameOf: (field) => (field.type === 'void' ? undefined : nameInFiles(field)),
  witnessOf: () => undefined,
  variantType: () => undefined,
}

async function layoutGroups(
  session: DuckDbSession,
  { name, stored }: Scan,
  { columnMapping }: Scanned,
  paths: readonly string[],
  { signal }: IoOptions,
): Promise<readonly FileGroup[]> {
  const hasStructs = stored.some(({ type }) => holds(type, isStruct))
  const needsFooters = columnMapping === 'id' || (columnMapping === 'name' && hasStructs)
  const hasNestedVoid = hasStructs && stored.some(({ type }) => holds(type, (inner) => inner === 'void'))
  const hasVariants = stored.some(({ type }) => holds(type, (inner) => inner === 'variant'))
  if (!needsFooters && !hasNestedVoid && !hasVariants)
    return [{ names: schemaNames, indexes: paths.map((_, index) => index) }]
  const source = await fileList(session, `${name}_all`, paths, { signal })
  return groupByLayout(session, stored, columnMapping === 'id' ? 'id' : 'name', {
    paths,
    source,
    sourceOf: (path) => inlineList([path]),
    signal,
  })
}

function isStruct(type: DataType): boolean {
  return typeof type === 'object' && type.type === 'struct'
}

/** Rows are compared with the deleted ones only in files that have some. */
function byDeletion(
  groups: readonly FileGroup[],
  vectors: readonly (RowSet | undefined)[],
): readonly ScanGroup[] {
  return groups.flatMap(({ names, indexes }) =>
    [false, true].flatMap((isDeletedFrom): readonly ScanGroup[] => {
      const part = indexes.filter((index) => (vectors[index] !== undefined) === isDeletedFrom)
      return part.length === 0 ? [] : [{ names, indexes: part, isDeletedFrom }]
    }),
  )
}

function groupSelect(
  { name, fields, partitions, stored, isPartition, rowPlace }: Scan,
  { names, isDeletedFrom }: ScanGroup,
  {
    source,
    index,
    hasPlaces,
  }: { readonly source: string; readonly index: number; readonly hasPlaces: boolean },
): string {
  const select = fields.map((field) => {
    const value = isPartition(field)
      ? `place.p${partitions.indexOf(field)}`
      : names.nameOf(field) === undefined
        ? `null::${duckDbType(field.type)}`
        : valueSql(storedValue(field, stored.indexOf(field)), field, names)
    return `${value} as ${identifier(field.name)}`
  })
  const fileSql = hasPlaces ? 'place.file' : '"row".file_index::integer'
  select.push(...rowPlaceSql(rowPlace, fileSql, '"row".file_row_number'))
  return [
    `select ${select.join(', ')} from read_parquet(${source}, ${readOptions(stored, names)}) as "row"`,
    ...(hasPlaces
      ? [`join temp.${name}_files as place on place.part = ${index} and place.position = "row".file_index`]
      : []),
    ...(isDeletedFrom
      ? [
          `where not exists (select 1 from temp.${name}_deleted as gone where gone.file = place.file and gone."row" = "row".file_row_number)`,
        ]
      : []),
  ].join(' ')
}

/**
 * DuckDB tests conditions on columns against what a file says of them, and is wrong about some: it rounds a constant
 * to the type of an old file (2.5 finds 2), it finds no binary value and no -0.0 in a Bloom filter, and it takes the
 * bounds of floats for complete where a writer left NaN out. It does not test conditions on an expression.
 */
function storedValue(field: Field, index: number): string {
  const column = `"row".c${index}`
  const isMisjudged = holdsFiner(field) || holds(field.type, isMisjudgedByBounds)
  return isMisjudged ? `case when ${column} is not null then ${column} end` : column
}

function isMisjudgedByBounds(type: DataType): boolean {
  return type === 'binary' || type === 'float' || type === 'double'
}

function rowPlaceSql(names: RowPlaceNames | undefined, file: string, row: string): readonly string[] {
  return names === undefined
    ? []
    : [`${file} as ${identifier(names.file)}`, `${row} as ${identifier(names.row)}`]
}

function chosenFields(
  schema: StructType,
  columns: readonly string[] | undefined,
  rowPlace: RowPlaceNames | undefined,
): readonly Field[] {
  if (schema.fields.length === 0) throw new LakeError('LOG_CORRUPT', 'Scan: the schema has no columns')
  const chosen =
    columns?.map((name) => {
      const found = schema.fields.find((each) => each.name === name)
      if (found !== undefined) return found
      const known = someOf(schema.fields.map((each) => each.name))
      throw new LakeError('COLUMN_MISSING', `Scan: no column ${name}; there are ${known}`)
    }) ?? schema.fields
  const hidden = [rowPlace?.file, rowPlace?.row]
  return chosen.filter(({ name }) => !hidden.includes(name.toLowerCase()))
}

/** For each file: the part that reads it, its position there, its index in the scan, its partition values. */
async function createPlaces(
  session: DuckDbSession,
  { name, partitions }: Scan,
  {
    files,
    paths,
    groups,
    signal,
  }: IoOptions & {
    readonly files: readonly AddFile[]
    readonly paths: readonly string[]
    readonly groups: readonly ScanGroup[]
  },
): Promise<void> {
  const order = groups.flatMap(({ indexes }, part) =>
    indexes.map((file, position) => ({ part, position, file, path: paths[file] ?? '', values: files[file] })),
  )
  const raw = `${name}_raw`
  await createTemporaryTable(session, raw, [
    { name: 'part', kind: 'integer', values: order.map(({ part }) => part) },
    { name: 'position', kind: 'integer', values: order.map(({ position }) => position) },
    { name: 'file', kind: 'integer', values: order.map(({ file }) => file) },
    { name: 'path', kind: 'varchar', values: order.map(({ path }) => globFree(path)) },
    ...partitions.map((field, index): AppendColumn => {
      const valueIn = partitionValueOf(field)
      return { name: `p${index}`, kind: 'varchar', values: order.map(({ values }) => valueIn(values)) }
    }),
  ])
  const cast = partitions.map(({ type }, index) => `${partitionValueSql(`p${index}`, type)} as p${index}`)
  const columns = ['part', 'position', 'file', 'path', ...cast].join(', ')
  try {
    await session.run(
      `create temporary table ${name}_files as select ${columns} from temp.${raw}; drop table temp.${raw}`,
      { signal },
    )
  } catch (error) {
    signal?.throwIfAborted()
    throw new LakeError('LOG_CORRUPT', `Scan: a partition value does not fit its type: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** SQL for the files of one part. */
async function pathList(
  session: DuckDbSession,
  variable: string,
  { indexes }: ScanGroup,
  {
    scan,
    paths,
    index,
    signal,
  }: IoOptions & { readonly scan: Scan; readonly paths: readonly string[]; readonly index: number },
): Promise<string> {
  if (indexes.length <= inlineFiles) return inlineList(indexes.map((file) => paths[file] ?? ''))
  await session.run(
    `set variable ${variable} = (select list(path order by position) from temp.${scan.name}_files where part = ${index})`,
    { signal },
  )
  return `getvariable('${variable}')`
}

async function fileList(
  session: DuckDbSession,
  name: string,
  paths: readonly string[],
  { signal }: IoOptions,
): Promise<string> {
  if (paths.length <= inlineFiles) return inlineList(paths)
  await createTemporaryTable(session, name, [{ name: 'path', kind: 'varchar', values: paths.map(globFree) }])
  await session.run(`set variable ${name} = (select list(path) from temp.${name}); drop table temp.${name}`, {
    signal,
  })
  return `getvariable('${name}')`
}

function inlineList(paths: readonly string[]): string {
  return list(paths.map(globFree).map(text))
}

/** @throws LakeError `PROTOCOL_UNSUPPORTED` for more columns than the engine plans in any time that one waits for. */
function requireNarrow(fields: readonly Field[]): void {
  const count = fieldsOf({ type: 'struct', fields }).length
  if (count <= mostColumns) return
  throw new LakeError(
    'PROTOCOL_UNSUPPORTED',
    `Scan: ${count} columns are asked for, and ${mostColumns} are the most that can be read at once`,
    { details: { count, fault: 'read-too-wide' } },
  )
}

/** `read_parquet` takes twice as long for each list or map more that a column is nested in. */
const maxDepth = 20

/** @throws LakeError `PROTOCOL_UNSUPPORTED` naming a column that would never be read to its end. */
function requireReadable(field: Field): void {
  const depth = depthOf(field.type)
  if (depth <= maxDepth) return
  throw new LakeError(
    'PROTOCOL_UNSUPPORTED',
    `Column ${field.name}: lists and maps are nested ${depth} deep, and ${maxDepth} are the most that can be read`,
    {
      details: { column: field.name, depth, fault: 'read-too-deep' },
    },
  )
}

function depthOf(type: DataType): number {
  if (typeof type === 'string') return 0
  switch (type.type) {
    case 'struct':
      return Math.max(0, ...type.fields.map((inner) => depthOf(inner.type)))
    case 'array':
      return 1 + depthOf(type.elementType)
    case 'map':
      return 1 + Math.max(depthOf(type.keyType), depthOf(type.valueType))
  }
}

/** The columns of the files by their names there, as `c0`, `c1` … of the types of the table. */
function readOptions(stored: readonly Field[], names: FileNames): string {
  const entries = stored.flatMap((field, index) => {
    const name = names.nameOf(field)
    if (name === undefined) return []
    return [
      `${text(name)}: {name: 'c${index}', type: ${text(storedType(field.type, names, field))}, default_value: null}`,
    ]
  })
  // Without a column to read there must still be one that is looked for.
  if (entries.length === 0) entries.push(`'': {name: 'c0', type: 'BOOLEAN', default_value: null}`)
  const options = [`schema = map {${entries.join(', ')}}`, 'hive_partitioning = false']
  // Old writers did not mark texts as such in Parquet.
  if (!stored.some(({ type }) => holds(type, isBinary))) options.push('binary_as_string = true')
  return options.join(', ')
}

function isBinary(type: DataType): boolean {
  return type === 'binary' || type === 'variant'
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
