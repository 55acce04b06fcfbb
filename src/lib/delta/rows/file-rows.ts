/**
 * The rows of a CSV, JSON or Parquet file as a SELECT, in the types of the table that they go to.
 *
 * DuckDB gets the values of CSV and JSON as text. A column that the table has is cast without loss, and a value that
 * does not fit is reported with its line. A column that the table lacks gets a type that prints its values unchanged,
 * or stays text.
 */
import { isLakeError, LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { type ColumnType, columnTypes } from '../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier, text } from '../../duckdb/sql-text.ts'
import { FileFault, fileFault } from '../../rowfile/fault.ts'
import { requireExactParquet } from '../../rowfile/parquet.ts'
import { openRowFile, type RowFile, type RowFileContent } from '../../rowfile/row-file.ts'
import type { DataType, Field, StructType } from '../schema/schema.ts'
import { holds } from '../schema/walk.ts'
import { castSql, sourceSql, textLossSql } from './columns/lossless-cast.ts'

export interface FileRowsOptions extends IoOptions {
  /** Of the table that the rows go to, where there is one. */
  readonly schema?: StructType | undefined
}

/** Closing it removes the unpacked file; the SELECT is then no longer valid. */
export interface FileRows extends AsyncDisposable {
  readonly select: string
}

type Texts = Extract<RowFileContent, { readonly kind: 'texts' }>

/**
 * In CSV, whose first line names the columns, an empty field is null, `""` an empty text, and what is nested is
 * JSON. Binary is base64 in both. A map is a JSON object, or a list of `{"key": …, "value": …}`.
 *
 * @param from A path that ends in .parquet, .csv, .ndjson or .json, or in one of them and .gz; `-` is standard input.
 * @throws LakeError as `openRowFile` does, and `SOURCE_FAILED` naming line and column of a value that the table does
 * not hold.
 */
export async function fileRows(
  session: DuckDbSession,
  from: string,
  { schema, signal }: FileRowsOptions = {},
): Promise<FileRows> {
  const fields = schema?.fields ?? []
  const known = fields.map(({ name, type }) => ({ name, type: shapeOf(type) }))
  const file = await openRowFile(from, { known, signal })
  try {
    const { content } = file
    const rows =
      content.kind === 'parquet'
        ? await parquetRows(session, file.name, content.path, { signal })
        : await textRows(session, file, content, { fields, signal })
    const columns = await columnTypes(session, rows)
    const values = columns.map((column) => {
      const field = fieldNamed(fields, column.name)
      const name = identifier(column.name)
      return field === undefined ? name : `${castSql(field, column, 'keep')} as ${name}`
    })
    return {
      select: `select ${values.join(', ')} from (${rows})`,
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    }
  } catch (error) {
    await file[Symbol.asyncDispose]()
    throw error
  }
}

async function parquetRows(
  session: DuckDbSession,
  name: string,
  path: string,
  { signal }: IoOptions,
): Promise<string> {
  const source = text(literalPath(path))
  const select = `select * from read_parquet(${source}, hive_partitioning = false)`
  try {
    await requireExactParquet(session, literalPath(path), { signal })
    await session.describe(select, { signal })
    return select
  } catch (error) {
    if (error instanceof FileFault) throw fileFault(name, error)
    if (!isLakeError(error, 'SQL_INVALID')) throw error
    throw new LakeError('SOURCE_FAILED', `${name}: not a Parquet file: ${firstLine(error.message)}`, {
      details: { path: name, fault: 'file-unreadable' },
      cause: error,
    })
  }
}

const firstLine = (words: string): string => words.split('\n', 1)[0] ?? ''

/** DuckDB takes `*`, `?` and `[` for patterns. */
function literalPath(path: string): string {
  return path.replaceAll(/[*?[]/g, '[$&]')
}

async function textRows(
  session: DuckDbSession,
  { name }: RowFile,
  { columns, rows, source }: Texts,
  { fields, signal }: IoOptions & { readonly fields: readonly Field[] },
): Promise<string> {
  if (columns.length === 0) return rowsWithoutColumns(name, rows, fields)
  const texts = { columns, rows, source }
  await requireFitting(session, name, texts, { fields, signal })
  await requireNestedFitting(session, name, texts, { fields, signal })
  const values = columns.map((column, index) => {
    const field = fieldNamed(fields, column.name)
    const value = typedSql(`c${index}`, column.type, field !== undefined)
    return `${field === undefined ? value : decodedSql(value, field.type, column.type)} as ${identifier(column.name)}`
  })
  return `select ${values.join(', ')} from ${source}`
}

/** Rows without a value, of which there may be any number in a table that has columns. */
function rowsWithoutColumns(name: string, rows: number, fields: readonly Field[]): string {
  const [first] = fields
  if (first === undefined) {
    const what = rows === 0 ? 'holds no rows' : `holds ${rows} rows without a value`
    throw new LakeError('SOURCE_FAILED', `${name}: ${what}, and there is no table to say its columns`, {
      details: { path: name, fault: 'row-file-without-columns' },
    })
  }
  return `select ${castSql(first, undefined)} as ${identifier(first.name)} from range(${rows})`
}

/**
 * @throws LakeError `SOURCE_FAILED` naming line, column and value where the table does not hold it, and `BUG` where
 * the engine does not see every row.
 */
async function requireFitting(
  session: DuckDbSession,
  name: string,
  { columns, rows, source }: Pick<Texts, 'columns' | 'rows' | 'source'>,
  { fields, signal }: IoOptions & { readonly fields: readonly Field[] },
): Promise<void> {
  const checks = columns.flatMap(({ name: column }, index) => {
    const field = fieldNamed(fields, column)
    if (field === undefined || typeof field.type !== 'string') return []
    const loss = textLossSql(`c${index}`, field.type)
    return loss === undefined ? [] : [{ index, field, type: field.type, loss }]
  })
  // For each FILTER the engine keeps a chunk of all columns: thousands of them took gigabytes.
  const lines = checks.map(
    ({ index, loss }) => `min(case when c${index} is not null and ${loss} then line end) as l${index}`,
  )
  const found = await session.row(`select ${['count(*) as rows', ...lines].join(', ')} from ${source}`, {
    signal,
  })
  if (Number(found['rows']) !== rows) {
    throw new LakeError('BUG', `${name}: expected ${rows} rows, DuckDB reads ${String(found['rows'])}`)
  }
  const [first] = checks
    .flatMap((check) => {
      const line = found[`l${check.index}`]
      return typeof line === 'bigint' ? [{ ...check, line }] : []
    })
    .sort((a, b) => Number(a.line - b.line))
  if (first === undefined) return
  const { field, index, line, type } = first
  const [row] = await session.rows(
    `select left(c${index}, 40) as value from ${source} where line = ${line} and c${index} is not null limit 1`,
    { signal },
  )
  throw new LakeError(
    'SOURCE_FAILED',
    `${name}, line ${line}: column ${field.name} is ${type}, which does not hold ${JSON.stringify(row?.['value'])}`,
    {
      details: { path: name, line: Number(line), column: field.name, fault: 'row-file-value' },
    },
  )
}

/** The same for nested values: the cast is tried, and where it fails, tried on fewer and fewer lines. */
async function requireNestedFitting(
  session: DuckDbSession,
  name: string,
  { columns, source }: Pick<Texts, 'columns' | 'source'>,
  { fields, signal }: IoOptions & { readonly fields: readonly Field[] },
): Promise<void> {
  for (const [index, column] of columns.entries()) {
    const field = fieldNamed(fields, column.name)
    if (field === undefined || typeof field.type === 'string') continue
    const value = decodedSql(typedSql(`c${index}`, column.type, true), field.type, column.type)
    const values = `select line, ${value} as v from ${source}`
    const cast = castSql(field, (await columnTypes(session, values))[1], 'keep')
    const faultUpTo = async (line: number): Promise<LakeError | undefined> => {
      try {
        await session.rows(`select bit_xor(hash(${cast})) from (${values}) where line <= ${line}`, { signal })
        return undefined
      } catch (error) {
        if (isLakeError(error, 'SQL_INVALID')) return error
        throw error
      }
    }
    if ((await faultUpTo(Number.MAX_SAFE_INTEGER)) === undefined) continue
    const last = await session.row(`select max(line) as line from ${source}`, { signal })
    await refuseFirst(name, field.name, Number(last['line']), faultUpTo)
  }
}

/** @param last A line up to which there is a fault. */
async function refuseFirst(
  name: string,
  column: string,
  last: number,
  faultUpTo: (line: number) => Promise<LakeError | undefined>,
): Promise<never> {
  let [from, to] = [1, last]
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    if ((await faultUpTo(middle)) === undefined) from = middle + 1
    else to = middle
  }
  const fault = await faultUpTo(to)
  const words = firstLine(fault?.message ?? '')
    .replace(/^[A-Z][A-Za-z ]*Error: /, '')
    .slice(0, 200)
  throw new LakeError('SOURCE_FAILED', `${name}, line ${to}: column ${column}: ${words}`, {
    details: { path: name, line: to, column, fault: 'row-file-value' },
    cause: fault,
  })
}

/** SQL for a column of texts as values of its type, whose nested scalars are texts where the table has it. */
function typedSql(value: string, type: ColumnType, isKnown: boolean): string {
  if (type.kind === 'scalar' || type.kind === 'decimal') return isKnown ? value : castTo(value, type)
  return castTo(`cast(${value}::json as ${sourceSql(textsOf(type))})`, type)
}

function castTo(value: string, type: ColumnType): string {
  const isText = sourceSql(type) === sourceSql(textsOf(type))
  return isText ? value : `cast(${value} as ${sourceSql(type)})`
}

function textsOf(type: ColumnType): ColumnType {
  switch (type.kind) {
    case 'scalar':
    case 'decimal':
      return { kind: 'scalar', name: 'VARCHAR' }
    case 'list':
      return { kind: 'list', element: textsOf(type.element) }
    case 'map':
      return { kind: 'map', key: textsOf(type.key), value: textsOf(type.value) }
    case 'struct':
      return {
        kind: 'struct',
        fields: type.fields.map(({ name, type: inner }) => ({ name, type: textsOf(inner) })),
      }
  }
}

/** Which parts of a type are nested, and how; its scalars are read as texts. */
function shapeOf(type: DataType): ColumnType {
  if (typeof type === 'string') return { kind: 'scalar', name: 'VARCHAR' }
  switch (type.type) {
    case 'array':
      return { kind: 'list', element: shapeOf(type.elementType) }
    case 'map':
      return { kind: 'map', key: shapeOf(type.keyType), value: shapeOf(type.valueType) }
    case 'struct':
      return {
        kind: 'struct',
        fields: type.fields.map(({ name, type: inner }) => ({ name, type: shapeOf(inner) })),
      }
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
        const field = fieldNamed(type.fields, name)
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

function fieldNamed(fields: readonly Field[], name: string): Field | undefined {
  return (
    fields.find((field) => field.name === name) ??
    fields.find((field) => field.name.toLowerCase() === name.toLowerCase())
  )
}
