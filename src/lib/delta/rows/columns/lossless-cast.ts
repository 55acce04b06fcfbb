/**
 * Casts values of a query to the types of a table, and fails if a cast would change a value.
 *
 * DuckDB's own casts lose without an error: 1.5 becomes a whole number, a nanosecond a microsecond, and a time zone is
 * dropped. A value passes if it can be cast back to what it was, or if it is a text that says no more than its new
 * type.
 */

import { LakeError } from '../../../base/errors.ts'
import type { ColumnType, TypedColumn } from '../../../duckdb/column-type.ts'
import { identifier, text } from '../../../duckdb/sql-text.ts'
import { findNamed } from '../../schema/names.ts'
import {
  type ArrayType,
  type DataType,
  decimalOf,
  duckDbType,
  type Field,
  type MapType,
  type PrimitiveType,
  type StructType,
} from '../../schema/schema.ts'

/** What becomes of fields of a struct that the table lacks. */
export type UnknownFields = 'error' | 'keep'

/**
 * SQL for the value of a column, `source`, as one of `field`; null where there is no such column.
 *
 * @throws LakeError `SCHEMA_MISMATCH` where no value of the one type is one of the other.
 */
export function castSql(
  field: Field,
  source: TypedColumn | undefined,
  unknown: UnknownFields = 'error',
): string {
  if (source === undefined) return `cast(null as ${duckDbType(field.type)})`
  return cast({
    value: identifier(source.name),
    from: source.type,
    to: field.type,
    where: field.name,
    depth: 0,
    unknown,
  })
}

interface Cast {
  /** SQL. */
  readonly value: string
  readonly from: ColumnType
  readonly to: DataType
  /** For people: `address.city`. */
  readonly where: string
  /** How many lists this value is within: their variables have names of their own. */
  readonly depth: number
  readonly unknown: UnknownFields
}

function cast(of: Cast): string {
  const { value, from, to } = of
  if (sourceSql(from) === duckDbType(to)) return value
  if (typeof to === 'string') return castScalar(of, to)
  switch (to.type) {
    case 'array':
      return from.kind === 'list' ? castList(of, from.element, to) : castNull(of)
    case 'map':
      return from.kind === 'map' ? castMap(of, from, to) : castNull(of)
    case 'struct':
      return from.kind === 'struct' ? castStruct(of, from.fields, to) : castNull(of)
  }
}

/** A null has a type of its own choice, which may be any scalar. */
function castNull({ value, from, to, where }: Cast): string {
  if (from.kind !== 'scalar') throw mismatch(where, sourceSql(from), duckDbType(to))
  const nothing = `cast(null as ${duckDbType(to)})`
  return `case when ${value} is not null then error(${lossText(where, from, to)} || ${value}::varchar) else ${nothing} end`
}

function castList(of: Cast, element: ColumnType, to: ArrayType): string {
  const item = `e${of.depth}`
  const inner = castInside(of, 'element', { value: item, from: element, to: to.elementType })
  return `list_transform(${of.value}, lambda ${item}: ${inner})`
}

function castMap(of: Cast, from: Extract<ColumnType, { readonly kind: 'map' }>, to: MapType): string {
  const item = `e${of.depth}`
  const key = castInside(of, 'key', { value: `${item}.key`, from: from.key, to: to.keyType })
  const value = castInside(of, 'value', { value: `${item}.value`, from: from.value, to: to.valueType })
  return `map_from_entries(list_transform(map_entries(${of.value}), lambda ${item}: row(${key}, ${value})))`
}

function castStruct(of: Cast, given: readonly TypedColumn[], to: StructType): string {
  const { value, where } = of
  const found = to.fields.map((field) => ({ field, source: findNamed(given, field.name) }))
  const matched = new Set(found.map(({ source }) => source))
  const unknown = given.filter((each) => !matched.has(each))
  if (unknown.length > 0 && of.unknown === 'error') {
    const names = unknown.map(({ name }) => `${where}.${name}`)
    throw new LakeError('SCHEMA_MISMATCH', `Column ${where}: not in the table: ${names.join(', ')}`, {
      details: { column: where, unknown: names },
    })
  }
  const parts = found.map(({ field, source }) => {
    if (source === undefined) return `${identifier(field.name)} := cast(null as ${duckDbType(field.type)})`
    const part = `${value}.${identifier(source.name)}`
    const inner = castInside(of, field.name, { value: part, from: source.type, to: field.type })
    return `${identifier(field.name)} := ${inner}`
  })
  const kept = unknown.map(({ name }) => `${identifier(name)} := ${value}.${identifier(name)}`)
  return `case when ${value} is not null then struct_pack(${[...parts, ...kept].join(', ')}) end`
}

function castInside(
  { where, depth, unknown }: Cast,
  name: string,
  of: Pick<Cast, 'value' | 'from' | 'to'>,
): string {
  return cast({ ...of, where: `${where}.${name}`, depth: depth + 1, unknown })
}

function castScalar(of: Cast, to: PrimitiveType): string {
  const { value, from, where } = of
  const result = `cast(${value} as ${duckDbType(to)})`
  const fault = `error(${lossText(where, from, to)} || ${value}::varchar)`
  if (from.kind === 'scalar' && (from.name === 'VARCHAR' || from.name === 'JSON')) {
    const says = textFaultSql(value, to)
    return says === undefined ? result : `case when ${says} then ${fault} else ${result} end`
  }
  if (!mayLose(from, to)) return result
  const back = `cast(${result} as ${sourceSql(from)})`
  return `case when ${back} is distinct from ${value} then ${fault} else ${result} end`
}

/**
 * SQL that never fails: whether a text that is not null is none of the type, or says more than it holds; `undefined`
 * where every text is one.
 */
export function textLossSql(value: string, to: PrimitiveType): string | undefined {
  if (to === 'string') return undefined
  if (to === 'binary')
    return `not regexp_full_match(${value}, '([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?')`
  const says = textFaultSql(value, to) ?? 'false'
  return `case when try_cast(${value} as ${duckDbType(to)}) is null then true else ${says} end`
}

/** SQL: whether the text says more than a value of the type can hold. The cast itself checks that it is such a value. */
function textFaultSql(value: string, to: PrimitiveType): string | undefined {
  const unlike = (pattern: string): string => `not regexp_full_match(${value}, ${text(pattern)})`
  const like = (pattern: string): string => `regexp_matches(${value}, ${text(pattern)})`
  switch (to) {
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
      return unlike('\\s*[+-]?\\d+(\\.0*)?\\s*')
    case 'float':
    case 'double':
      return `isinf(cast(${value} as ${duckDbType(to)})) and not ${value} ilike '%inf%'`
    case 'date':
      return `contains(${value}, ':')`
    case 'timestamp':
      return like(beyondMicroseconds)
    case 'timestamp_ntz':
      return `${like(beyondMicroseconds)} or ${like(zoned)}`
    default: {
      const scale = decimalOf(to)?.scale
      if (scale === undefined) return undefined
      return unlike(`\\s*[+-]?(\\d+(\\.\\d{0,${scale}}0*)?|\\.\\d{0,${scale}}0*)\\s*`)
    }
  }
}

const beyondMicroseconds = '\\.\\d{6}0*[1-9]'
const zoned = '(?i):\\d{2}(\\.\\d+)?\\s*(z|utc|[+-]\\d{1,2}(:?\\d{2})?)\\s*$'

function lossText(where: string, from: ColumnType, to: DataType): string {
  const type = typeof to === 'string' ? to : to.type
  return text(`Column ${where} is ${type}, which does not hold the ${sourceSql(from)} `)
}

const wholeNumbers = new Set([
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
])

/** Whether DuckDB's cast rounds or cuts without a word. Whole numbers either fit or fail. */
function mayLose(from: ColumnType, to: PrimitiveType): boolean {
  if (to === 'string' || to === 'float') return from.kind !== 'scalar' && from.kind !== 'decimal'
  if (from.kind !== 'scalar') return true
  if (from.name.startsWith('ENUM')) return false
  if (wholeNumbers.has(from.name)) return to === 'double' && from.name === 'BIGINT'
  return true
}

function mismatch(where: string, from: string, to: string): LakeError {
  return new LakeError('SCHEMA_MISMATCH', `Column ${where} is ${to}, and the rows have ${from}`, {
    details: { column: where, from, to },
  })
}

/** The type in DuckDB's words. */
export function sourceSql(type: ColumnType): string {
  switch (type.kind) {
    case 'scalar':
      return type.name
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'list':
      return `${sourceSql(type.element)}[]`
    case 'map':
      return `MAP(${sourceSql(type.key)}, ${sourceSql(type.value)})`
    case 'struct':
      return `STRUCT(${type.fields.map(({ name, type: inner }) => `${identifier(name)} ${sourceSql(inner)}`).join(', ')})`
  }
}
