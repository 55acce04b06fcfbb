/**
 * The schema of a table: Delta's JSON (PROTOCOL.md, "Schema Serialization Format") and DuckDB's types.
 *
 * `timestamp` is an instant (TIMESTAMPTZ), `timestamp_ntz` is not (TIMESTAMP). A `variant` is the two binaries
 * that files hold of it. A `void` column is in no file: it is null throughout.
 */
import { LakeError, messageOf } from '../../base/errors.ts'
import { formatJson, type JsonValue, parseJson } from '../../base/json.ts'

export type PrimitiveType =
  | 'string'
  | 'long'
  | 'integer'
  | 'short'
  | 'byte'
  | 'float'
  | 'double'
  | 'boolean'
  | 'binary'
  | 'date'
  | 'timestamp'
  | 'timestamp_ntz'
  | 'void'
  | 'variant'
  | `decimal(${number},${number})`

export interface ArrayType<Element extends DataType = DataType> {
  readonly type: 'array'
  readonly elementType: Element
  readonly containsNull: boolean
}

export interface MapType<Key extends DataType = DataType, Entry extends DataType = DataType> {
  readonly type: 'map'
  readonly keyType: Key
  readonly valueType: Entry
  readonly valueContainsNull: boolean
}

export interface StructType<Fields extends readonly Field[] = readonly Field[]> {
  readonly type: 'struct'
  readonly fields: Fields
}

export type DataType = PrimitiveType | ArrayType | MapType | StructType

/** Its parameters keep what was declared, so that rows have types (`row-of.ts`). */
export interface Field<
  Name extends string = string,
  Type extends DataType = DataType,
  Nullable extends boolean = boolean,
> {
  readonly name: Name
  readonly type: Type
  readonly nullable: Nullable
  readonly metadata: Readonly<Record<string, JsonValue>>
}

const duckDbTypes: Readonly<Record<string, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  integer: 'INTEGER',
  short: 'SMALLINT',
  byte: 'TINYINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  binary: 'BLOB',
  date: 'DATE',
  timestamp: 'TIMESTAMP WITH TIME ZONE',
  timestamp_ntz: 'TIMESTAMP',
  void: 'INTEGER',
  variant: 'STRUCT("value" BLOB, "metadata" BLOB)',
}

/** Names that older writers give to types of ours. */
const olderNames: Readonly<Record<string, PrimitiveType>> = { null: 'void', decimal: 'decimal(10,0)' }

const decimalPattern = /^decimal\((?<precision>\d+),\s*(?<scale>-?\d+)\)$/
const maxPrecision = 38

/** A nullable column: `field('id', 'long')`. */
export function field<const Name extends string, const Type extends DataType>(
  name: Name,
  type: Type,
): Field<Name, Type, true>
export function field<
  const Name extends string,
  const Type extends DataType,
  const Nullable extends boolean = boolean,
>(name: Name, type: Type, options: { readonly nullable?: Nullable }): Field<Name, Type, Nullable>
export function field(name: string, type: DataType, options: { readonly nullable?: boolean } = {}): Field {
  return { name, type, nullable: options.nullable ?? true, metadata: {} }
}

export function arrayOf<const Element extends DataType>(elementType: Element): ArrayType<Element> {
  return { type: 'array', elementType, containsNull: true }
}

export function structOf<const Fields extends readonly Field[]>(...fields: Fields): StructType<Fields> {
  return { type: 'struct', fields }
}

export function encodeSchema(schema: StructType): string {
  return formatJson(schema)
}

/** Engines, ours among them, go no deeper. */
const deepest = 100

/**
 * @throws LakeError `LOG_CORRUPT` when the text is no schema, `PROTOCOL_UNSUPPORTED` for a type that we lack and for
 * types within types within types beyond all use.
 */
export function decodeSchema(schemaString: string): StructType {
  let value: JsonValue
  try {
    value = parseJson(schemaString, 'schemaString')
  } catch (error) {
    throw new LakeError('LOG_CORRUPT', messageOf(error), { cause: error })
  }
  const type = decodeType(value, 'schema')
  if (typeof type === 'string' || type.type !== 'struct') {
    throw new LakeError('LOG_CORRUPT', 'schemaString: expected a struct')
  }
  return type
}

function decodeType(value: JsonValue | undefined, where: string, depth = 0): DataType {
  if (typeof value === 'string') return decodePrimitive(value, where)
  if (depth > deepest) {
    throw new LakeError(
      'PROTOCOL_UNSUPPORTED',
      `${where.slice(0, 60)}…: its type is nested more than ${deepest} deep`,
    )
  }
  const body = objectOf(value, where, 'a type')
  switch (body['type']) {
    case 'struct':
      return { type: 'struct', fields: decodeFields(body['fields'], where, depth + 1) }
    case 'array':
      return {
        type: 'array',
        elementType: decodeType(body['elementType'], `${where}.element`, depth + 1),
        containsNull: body['containsNull'] !== false,
      }
    case 'map':
      return {
        type: 'map',
        keyType: decodeType(body['keyType'], `${where}.key`, depth + 1),
        valueType: decodeType(body['valueType'], `${where}.value`, depth + 1),
        valueContainsNull: body['valueContainsNull'] !== false,
      }
    default:
      throw new LakeError(
        'PROTOCOL_UNSUPPORTED',
        `${where}: type ${typeof body['type'] === 'object' ? 'as an object' : formatJson(body['type'])} is not supported`,
      )
  }
}

function decodeFields(value: JsonValue | undefined, where: string, depth: number): readonly Field[] {
  if (!Array.isArray(value)) throw new LakeError('LOG_CORRUPT', `${where}: struct without fields`)
  return (value as readonly JsonValue[]).map((each) => {
    const body = objectOf(each, where, 'a field')
    const name = body['name']
    if (typeof name !== 'string') throw new LakeError('LOG_CORRUPT', `${where}: field without a name`)
    return {
      name,
      type: decodeType(body['type'], `${where}.${name}`, depth),
      nullable: body['nullable'] !== false,
      metadata: objectOf(body['metadata'] ?? {}, `${where}.${name}`, 'an object of metadata'),
    }
  })
}

function objectOf(
  value: JsonValue | undefined,
  where: string,
  what: string,
): Readonly<Record<string, JsonValue>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, JsonValue>>
  }
  const got = Array.isArray(value) ? 'a list' : formatJson(value)
  throw new LakeError('LOG_CORRUPT', `${where}: expected ${what}, got ${got}`)
}

/** @throws LakeError `PROTOCOL_UNSUPPORTED` for a type that we lack. */
export function decodePrimitive(name: string, where: string): PrimitiveType {
  const older = Object.hasOwn(olderNames, name) ? olderNames[name] : undefined
  if (older !== undefined) return older
  if (Object.hasOwn(duckDbTypes, name)) return name as PrimitiveType
  const decimal = decimalOf(name)
  if (decimal !== undefined && decimal.precision <= maxPrecision && decimal.scale >= 0) {
    return `decimal(${decimal.precision},${decimal.scale})`
  }
  throw new LakeError('PROTOCOL_UNSUPPORTED', `${where}: type ${name} is not supported`)
}

/** Whether Delta has a type of that name, which holds no others. */
export function isPrimitive(name: string): name is PrimitiveType {
  if (Object.hasOwn(duckDbTypes, name)) return true
  const decimal = decimalOf(name)
  return decimal !== undefined && decimal.precision <= maxPrecision && decimal.scale >= 0
}

/** Precision and scale of a decimal type, `undefined` for any other. */
export function decimalOf(type: string): { readonly precision: number; readonly scale: number } | undefined {
  const { precision, scale } = decimalPattern.exec(type)?.groups ?? {}
  return precision === undefined ? undefined : { precision: Number(precision), scale: Number(scale) }
}

export function duckDbType(type: DataType): string {
  if (typeof type === 'string') return duckDbTypes[type] ?? type.toUpperCase()
  switch (type.type) {
    case 'array':
      return `${duckDbType(type.elementType)}[]`
    case 'map':
      return `MAP(${duckDbType(type.keyType)}, ${duckDbType(type.valueType)})`
    case 'struct':
      return `STRUCT(${type.fields
        .map(({ name, type: inner }) => `"${name.replaceAll('"', '""')}" ${duckDbType(inner)}`)
        .join(', ')})`
  }
}
