/**
 * The rows of a version as Apache Arrow record batches. No value is rounded.
 *
 * Whole numbers, floats and booleans keep their width; decimals have 128 bits; dates are days; timestamps are
 * microseconds, in UTC if they are instants.
 */
import {
  Field as ArrowField,
  Map_ as ArrowMap,
  type DataType as ArrowType,
  Binary,
  Bool,
  type Data,
  DateDay,
  Decimal,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  makeData,
  Null,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow'
import { LakeError } from '../../base/errors.ts'
import type { FlatColumn } from '../../duckdb/flat-columns.ts'
import type { Value } from '../../duckdb/values.ts'
import { isSameName } from '../schema/names.ts'
import {
  type DataType,
  decimalOf,
  type Field,
  type PrimitiveType,
  type StructType,
} from '../schema/schema.ts'
import { type ReadRowsOptions, readFlat } from './read.ts'
import type { ReadableTable } from './readable-table.ts'

/** A batch for each chunk that is read; none where there are no rows. @throws LakeError as `readColumns` does. */
export async function* readBatches(
  table: ReadableTable,
  options: ReadRowsOptions = {},
): AsyncIterable<RecordBatch> {
  const snapshot = options.snapshot ?? (await table.snapshot({ signal: options.signal }))
  const { fields: all } = snapshot.schema
  const fields = options.columns?.flatMap((name) => all.filter((each) => isSameName(each.name, name))) ?? all
  const schema = arrowSchema({ type: 'struct', fields })
  for await (const { rowCount, columns } of readFlat(table, { ...options, snapshot })) {
    const children = fields.map(({ type }, at) => columnData(columns[at] ?? noColumn, type))
    yield new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rowCount, children }))
  }
}

export function arrowSchema({ fields }: StructType): Schema {
  return new Schema(fields.map(arrowField))
}

function arrowField({ name, type, nullable }: Field): ArrowField {
  return new ArrowField(name, arrowType(type), nullable)
}

function arrowType(type: DataType): ArrowType {
  if (typeof type === 'string') return scalarType(type)
  switch (type.type) {
    case 'array':
      return new List(new ArrowField('element', arrowType(type.elementType), type.containsNull))
    case 'map':
      return new ArrowMap(entriesField(type.keyType, type.valueType, type.valueContainsNull))
    case 'struct':
      return new Struct(type.fields.map(arrowField))
  }
}

function entriesField(
  key: DataType,
  value: DataType,
  nullable: boolean,
): ArrowField<Struct<{ key: ArrowType; value: ArrowType }>> {
  return new ArrowField(
    'entries',
    new Struct([
      new ArrowField('key', arrowType(key), false),
      new ArrowField('value', arrowType(value), nullable),
    ]),
    false,
  )
}

const variantFields: readonly Field[] = [
  { name: 'value', type: 'binary', nullable: true, metadata: {} },
  { name: 'metadata', type: 'binary', nullable: true, metadata: {} },
]

function scalarType(type: PrimitiveType): ArrowType {
  switch (type) {
    case 'string':
      return new Utf8()
    case 'long':
      return new Int64()
    case 'integer':
      return new Int32()
    case 'short':
      return new Int16()
    case 'byte':
      return new Int8()
    case 'float':
      return new Float32()
    case 'double':
      return new Float64()
    case 'boolean':
      return new Bool()
    case 'binary':
      return new Binary()
    case 'date':
      return new DateDay()
    case 'timestamp':
      return new TimestampMicrosecond('UTC')
    case 'timestamp_ntz':
      return new TimestampMicrosecond()
    case 'void':
      return new Null()
    case 'variant':
      return new Struct(variantFields.map(arrowField))
    default: {
      const { precision = 38, scale = 0 } = decimalOf(type) ?? {}
      return new Decimal(scale, precision, 128)
    }
  }
}

const noColumn: FlatColumn = { kind: 'values', length: 0, values: [] }

/** Arrow lays numbers and texts out as the engine does: they are taken as they are. */
function columnData(column: FlatColumn, type: DataType): Data {
  if (column.kind === 'values') return dataOf(column.values, type)
  const { length, nullCount, validity } = column
  const common = { length, nullCount, nullBitmap: validity ?? null }
  if (column.kind === 'bytes') {
    const { bytes: data, offsets: valueOffsets } = column
    return type === 'binary'
      ? makeData({ type: new Binary(), ...common, valueOffsets, data })
      : makeData({ type: new Utf8(), ...common, valueOffsets, data })
  }
  // The engine's type of the column is that of the field: `Int64` for `long`, with its array.
  return makeData({ type: arrowType(type) as Int64, ...common, data: column.numbers as BigInt64Array })
}

/** The values as Arrow lays them out. They are of that type: the engine made them so. */
function dataOf(values: readonly Value[], type: DataType): Data {
  const length = values.length
  const { nullCount, nullBitmap } = nullsOf(values)
  const common = { length, nullCount, nullBitmap }
  if (type === 'variant') return structData(values, variantFields)
  if (typeof type === 'string') return scalarData(values, type, common)
  switch (type.type) {
    case 'array': {
      const { valueOffsets, items } = flattened(values)
      const child = dataOf(items, type.elementType)
      return makeData({ type: new List(elementField(type)), ...common, valueOffsets, child })
    }
    case 'map': {
      const { valueOffsets, items } = flattened(values)
      const entries = entriesField(type.keyType, type.valueType, type.valueContainsNull)
      const child = makeData({
        type: entries.type,
        length: items.length,
        children: [
          dataOf(
            items.map((item) => partOf(item, 'key')),
            type.keyType,
          ),
          dataOf(
            items.map((item) => partOf(item, 'value')),
            type.valueType,
          ),
        ],
      })
      return makeData({ type: new ArrowMap(entries), ...common, valueOffsets, child })
    }
    case 'struct':
      return structData(values, type.fields)
  }
}

function elementField({
  elementType,
  containsNull,
}: Extract<DataType, { readonly type: 'array' }>): ArrowField {
  return new ArrowField('element', arrowType(elementType), containsNull)
}

function structData(values: readonly Value[], fields: readonly Field[]): Data {
  const children = fields.map(({ name, type }) =>
    dataOf(
      values.map((value) => partOf(value, name)),
      type,
    ),
  )
  return makeData({
    type: new Struct(fields.map(arrowField)),
    length: values.length,
    ...nullsOf(values),
    children,
  })
}

interface Layout {
  readonly length: number
  readonly nullCount: number
  readonly nullBitmap: Uint8Array
}

function scalarData(values: readonly Value[], type: PrimitiveType, common: Layout): Data {
  const numbers = values.map((value) => (typeof value === 'number' ? value : 0))
  switch (type) {
    case 'string':
      return textData(
        values.map((value) => encoder.encode(String(value ?? ''))),
        new Utf8(),
        common,
      )
    case 'binary':
      return textData(
        values.map((value) => (value instanceof Uint8Array ? value : empty)),
        new Binary(),
        common,
      )
    case 'long':
      return makeData({ type: new Int64(), ...common, data: BigInt64Array.from(values, bigintOf) })
    case 'integer':
      return makeData({ type: new Int32(), ...common, data: Int32Array.from(numbers) })
    case 'short':
      return makeData({ type: new Int16(), ...common, data: Int16Array.from(numbers) })
    case 'byte':
      return makeData({ type: new Int8(), ...common, data: Int8Array.from(numbers) })
    case 'float':
      return makeData({ type: new Float32(), ...common, data: Float32Array.from(numbers) })
    case 'double':
      return makeData({ type: new Float64(), ...common, data: Float64Array.from(numbers) })
    case 'boolean':
      return makeData({ type: new Bool(), ...common, data: bitmapOf(values, (value) => value === true) })
    case 'date':
      return makeData({ type: new DateDay(), ...common, data: Int32Array.from(values, daysOf) })
    case 'timestamp':
    case 'timestamp_ntz': {
      const data = BigInt64Array.from(values, microsOf)
      return makeData({
        type: new TimestampMicrosecond(type === 'timestamp' ? 'UTC' : null),
        ...common,
        data,
      })
    }
    case 'void':
    case 'variant':
      return makeData({ type: new Null(), length: common.length })
    default: {
      const { precision = 38, scale = 0 } = decimalOf(type) ?? {}
      return makeData({ type: new Decimal(scale, precision, 128), ...common, data: decimalWords(values) })
    }
  }
}

const encoder = new TextEncoder()
const empty = new Uint8Array(0)

function textData<Type extends Utf8 | Binary>(
  texts: readonly Uint8Array[],
  type: Type,
  common: Layout,
): Data {
  const valueOffsets = offsetsOf(texts.map(({ byteLength }) => byteLength))
  const data = new Uint8Array(valueOffsets.at(-1) ?? 0)
  texts.forEach((bytes, index) => {
    data.set(bytes, valueOffsets[index] ?? 0)
  })
  return type instanceof Utf8
    ? makeData({ type: new Utf8(), ...common, valueOffsets, data })
    : makeData({ type: new Binary(), ...common, valueOffsets, data })
}

function nullsOf(values: readonly Value[]): Pick<Layout, 'nullCount' | 'nullBitmap'> {
  const nullCount = values.reduce<number>((count, value) => count + (value === null ? 1 : 0), 0)
  return { nullCount, nullBitmap: bitmapOf(values, (value) => value !== null) }
}

/** A bit a value, the lowest first. */
function bitmapOf(values: readonly Value[], is: (value: Value) => boolean): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8))
  values.forEach((value, index) => {
    if (is(value)) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7))
  })
  return bytes
}

function offsetsOf(lengths: readonly number[]): Int32Array {
  const offsets = new Int32Array(lengths.length + 1)
  lengths.forEach((length, index) => {
    offsets[index + 1] = (offsets[index] ?? 0) + length
  })
  return offsets
}

function flattened(values: readonly Value[]): {
  readonly valueOffsets: Int32Array
  readonly items: readonly Value[]
} {
  const lists = values.map((value) => (Array.isArray(value) ? (value as readonly Value[]) : []))
  return {
    valueOffsets: offsetsOf(lists.map(({ length }) => length)),
    items: lists.flat(1) as readonly Value[],
  }
}

function partOf(value: Value, name: string): Value {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return (value as { readonly [name: string]: Value })[name] ?? null
}

function bigintOf(value: Value): bigint {
  return typeof value === 'bigint' ? value : 0n
}

function daysOf(value: Value): number {
  return typeof value === 'string' ? Number(millisOf(`${value}T00:00:00`)) / 86_400_000 : 0
}

function microsOf(value: Value): bigint {
  if (typeof value !== 'string') return 0n
  const { seconds = '', fraction = '' } =
    /^(?<seconds>[^.Z]+)(?:\.(?<fraction>\d+))?Z?$/.exec(value)?.groups ?? {}
  return millisOf(seconds) * 1000n + BigInt(fraction.padEnd(6, '0'))
}

function millisOf(seconds: string): bigint {
  const millis = Date.parse(`${seconds}Z`)
  if (Number.isNaN(millis))
    throw new LakeError('SCHEMA_MISMATCH', `Arrow out: ${seconds} is beyond the years of JavaScript`)
  return BigInt(millis)
}

/** Two's complement of the unscaled number, in four words, the lowest first. */
function decimalWords(values: readonly Value[]): Uint32Array {
  const words = new Uint32Array(values.length * 4)
  values.forEach((value, index) => {
    const unscaled = BigInt.asUintN(128, BigInt(typeof value === 'string' ? value.replace('.', '') : 0))
    for (let word = 0; word < 4; word++) {
      words[index * 4 + word] = Number((unscaled >> BigInt(32 * word)) & 0xffffffffn)
    }
  })
  return words
}
