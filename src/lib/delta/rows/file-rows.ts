/**
 * The rows of a Parquet, CSV or NDJSON file as a SELECT, read in the types of the table that they go to.
 *
 * Columns that the table has are read as texts, and cast without loss: a reader's guess at their
 * types would make `01` a number. The types of all others are those that the whole file allows.
 */

import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { isLakeError, LakeError, messageOf, systemCode } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { type JsonValue, parseJson } from '../../base/json.ts'
import { type ColumnType, columnTypes } from '../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier, text } from '../../duckdb/sql-text.ts'
import { findNamed } from '../schema/names.ts'
import type { DataType, Field, StructType } from '../schema/schema.ts'
import { holds } from '../schema/walk.ts'
import { castSql, sourceSql } from './columns/lossless-cast.ts'

export interface FileRowsOptions extends IoOptions {
  /** Of the table that the rows go to, where there is one. */
  readonly schema?: StructType | undefined
}

/**
 * In CSV, whose first line names the columns, an empty field is null, `""` an empty text, and what is nested is
 * JSON. Binary is base64 in both. A map is a JSON object, or a list of `{"key": …, "value": …}`.
 *
 * @throws LakeError `FILE_MISSING`; `USAGE` for another ending than .parquet, .csv or .ndjson; `SOURCE_FAILED` for a
 * file that is none of its kind, and for JSON numbers of more digits than can be read exactly.
 */
export async function fileRows(
  session: DuckDbSession,
  path: string,
  { schema, signal }: FileRowsOptions = {},
): Promise<string> {
  await requireFile(path)
  const fields = schema?.fields ?? []
  const { select, columns } = await ofItsKind(path, async () => {
    const rows = await readRows(session, path, fields, { signal })
    return { select: rows, columns: await columnTypes(session, rows) }
  })
  const values = columns.map((column) => {
    const field = findNamed(fields, column.name)
    const name = identifier(column.name)
    return field === undefined ? name : `${castSql(field, column, 'keep')} as ${name}`
  })
  return `select ${values.join(', ')} from (${select})`
}

async function ofItsKind<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!isLakeError(error, 'SQL_INVALID')) throw error
    throw new LakeError('SOURCE_FAILED', `${path}: cannot be read: ${error.message}`, {
      details: { path, fault: 'file-unreadable' },

      cause: error,
    })
  }
}

async function readRows(
  session: DuckDbSession,
  path: string,
  fields: readonly Field[],
  { signal }: IoOptions,
): Promise<string> {
  const ending = extname(path).toLowerCase()
  switch (ending) {
    case '.parquet':
      return `select * from read_parquet(${text(literalPath(path))}, hive_partitioning = false)`
    case '.csv':
      return csvRows(session, path, fields, { signal })
    case '.ndjson':
    case '.jsonl':
      return jsonRows(session, path, fields, { signal })
    default:
      throw new LakeError('USAGE', `${path}: expected a name that ends in .parquet, .csv or .ndjson`)
  }
}

async function requireFile(path: string): Promise<void> {
  try {
    if ((await stat(path)).isFile()) return
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') {
      throw new LakeError('FILE_MISSING', `read ${path}: ${messageOf(error)}`, { cause: error })
    }
  }
  throw new LakeError('FILE_MISSING', `${path}: no such file`, { details: { path } })
}

/** DuckDB takes `*`, `?` and `[` for patterns. */
function literalPath(path: string): string {
  return path.replaceAll(/[*?[]/g, '[$&]')
}

async function csvRows(
  session: DuckDbSession,
  path: string,
  fields: readonly Field[],
  { signal }: IoOptions,
): Promise<string> {
  const options = `header = true, delim = ',', quote = '"', escape = '"', allow_quoted_nulls = false, sample_size = -1`
  const guessed = `select * from read_csv(${text(literalPath(path))}, ${options})`
  const columns = (await session.describe(guessed, { signal })).map(({ name }) => ({
    name,
    field: findNamed(fields, name),
  }))
  const types = columns.flatMap(({ name, field }) =>
    field === undefined ? [] : [`${text(name)}: 'VARCHAR'`],
  )
  if (types.length === 0) return guessed
  const rows = `read_csv(${text(literalPath(path))}, ${options}, types = {${types.join(', ')}})`
  const nested = columns.filter(({ field }) => field !== undefined && typeof field.type !== 'string')
  const found = await jsonTypes(
    session,
    nested.map(({ name }) => name),
    rows,
    { signal },
  )
  const values = columns.map(({ name, field }) => {
    const value = identifier(name)
    if (field === undefined) return value
    const type = found.get(name)
    const unpacked = type === undefined ? value : `cast(${value}::json as ${readAs(type, field.type)})`
    return `${decodedSql(unpacked, field.type, type)} as ${value}`
  })
  return `select ${values.join(', ')} from ${rows}`
}

/** What the JSON texts of some columns hold. */
async function jsonTypes(
  session: DuckDbSession,
  columns: readonly string[],
  rows: string,
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, ColumnType>> {
  if (columns.length === 0) return new Map()
  const structures = columns.map(
    (name, index) => `json_group_structure(${identifier(name)}::json) as c${index}`,
  )
  const row = await session.row(`select ${structures.join(', ')} from ${rows}`, { signal })
  return new Map(
    columns.map((name, index) => {
      const structure = row[`c${index}`]
      return [name, typeOfStructure(typeof structure === 'string' ? parseJson(structure, name) : 'JSON')]
    }),
  )
}

/** From DuckDB's description of JSON (`{"a":["BIGINT"]}`). */
function typeOfStructure(structure: JsonValue): ColumnType {
  if (Array.isArray(structure)) {
    const [element = 'JSON'] = structure as readonly JsonValue[]
    return { kind: 'list', element: typeOfStructure(element) }
  }
  if (typeof structure === 'object' && structure !== null) {
    const fields = Object.entries(structure).map(([name, type]) => ({ name, type: typeOfStructure(type) }))
    return { kind: 'struct', fields }
  }
  return { kind: 'scalar', name: String(structure) }
}

async function jsonRows(
  session: DuckDbSession,
  path: string,
  fields: readonly Field[],
  { signal }: IoOptions,
): Promise<string> {
  await requireExactNumbers(session, path, { signal })
  const options = `format = 'newline_delimited', maximum_object_size = 1073741824`
  const source = text(literalPath(path))
  const guessed = `select * from read_json(${source}, ${options}, sample_size = -1, maximum_depth = -1)`
  const columns = (await columnTypes(session, guessed)).map(({ name, type }) => ({
    name,
    type,
    field: findNamed(fields, name),
  }))
  if (columns.length === 0) return guessed
  const types = columns.map(({ name, type, field }) => `${text(name)}: ${text(readAs(type, field?.type))}`)
  const values = columns.map(({ name, type, field }) => {
    const value = identifier(name)
    if (field === undefined) return value
    return `${decodedSql(value, field.type, type)} as ${value}`
  })
  return `select ${values.join(', ')} from read_json(${source}, ${options}, columns = {${types.join(', ')}})`
}

/** DuckDB reads a number that is beyond 64 bits as a double. */
async function requireExactNumbers(
  session: DuckDbSession,
  path: string,
  { signal }: IoOptions,
): Promise<void> {
  const [found] = await session.rows(
    `select line, number from (
       select row_number() over () as line, regexp_extract(
         regexp_replace(json::varchar, '"(?:[^"\\\\]|\\\\.)*"', '""', 'g'), '[:,\\[]\\s*(-?(?:\\d{20,}|\\d+\\.\\d*[1-9]\\d*)(?:[eE][+-]?\\d+)?)', 1) as number
       from read_ndjson_objects(${text(literalPath(path))}, maximum_object_size = 1073741824)
     ) where length(regexp_replace(number, '[-.]|[eE].*|^-?0\\.0*', '', 'g')) > 17 limit 1`,
    { signal },
  )
  if (found === undefined) return
  throw new LakeError(
    'SOURCE_FAILED',
    `${path}, line ${String(found['line'])}: the number ${String(found['number'])} has more digits than can be read exactly`,
    { details: { fault: 'number-too-long', path } },
  )
}

/** The type to read a column in: texts where the table has it, what the file was found to hold elsewhere. */
function readAs(found: ColumnType, known: DataType | undefined): string {
  if (known === undefined) return sourceSql(found)
  if (typeof known === 'string') return 'VARCHAR'
  switch (known.type) {
    case 'array':
      return found.kind === 'list' ? `${readAs(found.element, known.elementType)}[]` : 'VARCHAR'
    case 'struct': {
      if (found.kind !== 'struct') return 'VARCHAR'
      const parts = found.fields.map(
        ({ name, type }) => `${identifier(name)} ${readAs(type, findNamed(known.fields, name)?.type)}`,
      )
      return `STRUCT(${parts.join(', ')})`
    }
    case 'map': {
      const value = textsOf(known.valueType)
      if (found.kind === 'struct' || found.kind === 'map') return `MAP(VARCHAR, ${value})`
      return found.kind === 'list' ? `STRUCT("key" ${textsOf(known.keyType)}, "value" ${value})[]` : 'VARCHAR'
    }
  }
}

function textsOf(type: DataType): string {
  if (typeof type === 'string') return 'VARCHAR'
  switch (type.type) {
    case 'array':
      return `${textsOf(type.elementType)}[]`
    case 'map':
      return `STRUCT("key" ${textsOf(type.keyType)}, "value" ${textsOf(type.valueType)})[]`
    case 'struct':
      return `STRUCT(${type.fields.map(({ name, type: inner }) => `${identifier(name)} ${textsOf(inner)}`).join(', ')})`
  }
}

/** Base64 into binary, and lists of entries into maps, at every depth. `found` says which fields were read. */
function decodedSql(value: string, type: DataType, found?: ColumnType, depth = 0): string {
  if (type === 'binary') return `from_base64(${value})`
  if (typeof type === 'string' || !holds(type, isDecoded)) return value
  const item = `x${depth}`
  switch (type.type) {
    case 'array': {
      if (found !== undefined && found.kind !== 'list') return value
      const inner = decodedSql(item, type.elementType, found?.element, depth + 1)
      return `list_transform(${value}, lambda ${item}: ${inner})`
    }
    case 'map': {
      if (found !== undefined && found.kind !== 'list') return value
      const [key, entry] = [
        decodedSql(`${item}.key`, type.keyType, undefined, depth + 1),
        decodedSql(`${item}.value`, type.valueType, undefined, depth + 1),
      ]
      return `map_from_entries(list_transform(${value}, lambda ${item}: row(${key}, ${entry})))`
    }
    case 'struct': {
      if (found !== undefined && found.kind !== 'struct') return value
      const names = found?.fields ?? type.fields.map(({ name }) => ({ name, type: undefined }))
      const parts = names.map(({ name, type: inner }) => {
        const field = findNamed(type.fields, name)
        const part = `${value}.${identifier(name)}`
        return `${identifier(name)} := ${field === undefined ? part : decodedSql(part, field.type, inner, depth)}`
      })
      return `case when ${value} is not null then struct_pack(${parts.join(', ')}) end`
    }
  }
}

function isDecoded(type: DataType): boolean {
  return type === 'binary' || (typeof type === 'object' && type.type === 'map')
}
