/**
 * Joins the parts of a shredded variant, which lie in columns of their own, into one binary. Parquet's
 * VariantEncoding.md and VariantShredding.md. A value without such parts is not touched.
 */
import { LakeError } from '../../../base/errors.ts'
import type { ColumnType } from '../../../duckdb/column-type.ts'
import type { Value } from '../../../duckdb/values.ts'

const nullValue = Uint8Array.of(0)
const maxShortString = 63
const unixDay = 86_400_000
const scalars: Readonly<Record<string, (value: Value) => Uint8Array>> = {
  BOOLEAN: (value) => primitive(value === true ? 1 : 2),
  TINYINT: (value) => primitive(3, integer(BigInt(Number(value)), 1)),
  SMALLINT: (value) => primitive(4, integer(BigInt(Number(value)), 2)),
  INTEGER: (value) => primitive(5, integer(BigInt(Number(value)), 4)),
  BIGINT: (value) => primitive(6, integer(BigInt(value as bigint), 8)),
  DOUBLE: (value) => primitive(7, floating(Number(value), 8)),
  FLOAT: (value) => primitive(14, floating(Number(value), 4)),
  DATE: (value) => primitive(11, integer(BigInt(Date.parse(`${String(value)}T00:00:00Z`) / unixDay), 4)),
  'TIMESTAMP WITH TIME ZONE': (value) => primitive(12, integer(micros(String(value)), 8)),
  TIMESTAMP: (value) => primitive(13, integer(micros(String(value)), 8)),
  BLOB: (value) => primitive(15, withLength(value as Uint8Array)),
  VARCHAR: (value) => string(String(value)),
}

/**
 * The `value` of a variant in a Parquet group of `metadata`, `value` and `typed_value`, which `type` describes.
 *
 * @throws LakeError `PROTOCOL_UNSUPPORTED` for a part of a type that we lack, `LOG_CORRUPT` for one that cannot be.
 */
export function unshredded(variant: Value, type: ColumnType): Uint8Array {
  const metadata = childOf(variant, 'metadata')
  if (!(metadata instanceof Uint8Array)) throw corrupt('it has no metadata')
  return joined(variant, type, namesIn(metadata)) ?? nullValue
}

/** `undefined` for a field that the object does not have. */
function joined(group: Value, type: ColumnType, names: readonly string[]): Uint8Array | undefined {
  const rest = childOf(group, 'value')
  const typed = childOf(group, 'typed_value')
  if (rest !== null && !(rest instanceof Uint8Array)) throw corrupt('its value is not binary')
  if (typed === null) return rest ?? undefined
  const typedType = childTypeOf(type, 'typed_value')
  switch (typedType?.kind) {
    case 'list': {
      if (!Array.isArray(typed)) throw corrupt('a list is none')
      const items = typed as readonly Value[]
      return array(items.map((item) => joined(item, typedType.element, names) ?? nullValue))
    }
    case 'struct': {
      const fields = new Map(rest === null ? [] : fieldsOf(rest))
      for (const { name, type: fieldType } of typedType.fields) {
        const value = joined(childOf(typed, name), fieldType, names)
        const id = names.indexOf(name)
        if (value === undefined) continue
        if (id === -1) throw corrupt(`its metadata lacks the field ${name}`)
        fields.set(id, value)
      }
      return object(fields, names)
    }
    case 'decimal':
      return decimal(String(typed), typedType)
    case 'scalar': {
      const encode = scalars[typedType.name]
      if (encode !== undefined) return encode(typed)
      break
    }
    case 'map':
    case undefined:
  }
  throw new LakeError(
    'PROTOCOL_UNSUPPORTED',
    `Cannot read a variant: it needs variantShredding of ${JSON.stringify(typedType)}`,
  )
}

function childOf(group: Value, name: string): Value {
  if (typeof group !== 'object' || group === null || group instanceof Uint8Array || Array.isArray(group))
    return null
  return (group as Readonly<Record<string, Value>>)[name] ?? null
}

function childTypeOf(type: ColumnType, name: string): ColumnType | undefined {
  return type.kind === 'struct' ? type.fields.find((field) => field.name === name)?.type : undefined
}

function primitive(typeId: number, bytes: Uint8Array = new Uint8Array()): Uint8Array {
  return Buffer.concat([Uint8Array.of(typeId << 2), bytes])
}

function integer(value: bigint, width: number): Uint8Array {
  const bytes = new Uint8Array(width)
  let rest = BigInt.asUintN(width * 8, value)
  for (let at = 0; at < width; at++, rest >>= 8n) bytes[at] = Number(rest & 0xffn)
  return bytes
}

function floating(value: number, width: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(width))
  if (width === 4) view.setFloat32(0, value, true)
  else view.setFloat64(0, value, true)
  return new Uint8Array(view.buffer)
}

function micros(time: string): bigint {
  const { upToSeconds = '', fraction = '' } =
    /^(?<upToSeconds>[^.]+)\.(?<fraction>\d{6})Z?$/.exec(time)?.groups ?? {}
  return BigInt(Date.parse(`${upToSeconds}Z`)) * 1000n + BigInt(fraction)
}

function decimal(
  digits: string,
  { precision, scale }: { readonly precision: number; readonly scale: number },
): Uint8Array {
  const [typeId, width] = precision <= 9 ? [8, 4] : precision <= 18 ? [9, 8] : [10, 16]
  return primitive(
    typeId,
    Buffer.concat([Uint8Array.of(scale), integer(BigInt(digits.replace('.', '')), width)]),
  )
}

function withLength(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([integer(BigInt(bytes.length), 4), bytes])
}

function string(value: string): Uint8Array {
  const bytes = Buffer.from(value, 'utf8')
  if (bytes.length > maxShortString) return primitive(16, withLength(bytes))
  return Buffer.concat([Uint8Array.of((bytes.length << 2) | 1), bytes])
}

/** Bytes that hold any number up to `most`. */
const widthOf = (most: number): number => (most < 1 << 8 ? 1 : most < 1 << 16 ? 2 : most < 1 << 24 ? 3 : 4)

function array(items: readonly Uint8Array[]): Uint8Array {
  const { offsets, width } = offsetsOf(items)
  const isLarge = items.length > 255
  const header = ((isLarge ? 1 : 0) << 4) | ((width - 1) << 2) | 3
  return Buffer.concat([
    Uint8Array.of(header),
    integer(BigInt(items.length), isLarge ? 4 : 1),
    offsets,
    ...items,
  ])
}

function object(fields: ReadonlyMap<number, Uint8Array>, names: readonly string[]): Uint8Array {
  const nameOf = (id: number): Buffer => Buffer.from(names[id] ?? '', 'utf8')
  const sorted = [...fields].toSorted(([a], [b]) => Buffer.compare(nameOf(a), nameOf(b)))
  const { offsets, width } = offsetsOf(sorted.map(([, value]) => value))
  const idWidth = widthOf(names.length)
  const isLarge = sorted.length > 255
  const header = ((isLarge ? 1 : 0) << 6) | ((idWidth - 1) << 4) | ((width - 1) << 2) | 2
  return Buffer.concat([
    Uint8Array.of(header),
    integer(BigInt(sorted.length), isLarge ? 4 : 1),
    ...sorted.map(([id]) => integer(BigInt(id), idWidth)),
    offsets,
    ...sorted.map(([, value]) => value),
  ])
}

function offsetsOf(values: readonly Uint8Array[]): { readonly offsets: Uint8Array; readonly width: number } {
  const ends = [0]
  for (const value of values) ends.push((ends.at(-1) ?? 0) + value.length)
  const width = widthOf(ends.at(-1) ?? 0)
  return { offsets: Buffer.concat(ends.map((end) => integer(BigInt(end), width))), width }
}

/** The dictionary of field names. */
function namesIn(metadata: Uint8Array): readonly string[] {
  const bytes = Buffer.from(metadata)
  const width = ((bytes[0] ?? 0) >> 6) + 1
  const count = unsigned(bytes, 1, width)
  const start = 1 + width * (count + 2)
  const offset = (at: number): number => start + unsigned(bytes, 1 + width * (at + 1), width)
  return Array.from({ length: count }, (_, at) => bytes.toString('utf8', offset(at), offset(at + 1)))
}

/** The fields of an object, by their place in the dictionary. Values may lie in any order. */
function fieldsOf(value: Uint8Array): readonly (readonly [id: number, value: Uint8Array])[] {
  const bytes = Buffer.from(value)
  const header = bytes[0] ?? 0
  if ((header & 3) !== 2) throw corrupt('some of its fields lie apart, and the rest is no object')
  const width = ((header >> 2) & 3) + 1
  const idWidth = ((header >> 4) & 3) + 1
  const countWidth = (header >> 6) & 1 ? 4 : 1
  const count = unsigned(bytes, 1, countWidth)
  const idsAt = 1 + countWidth
  const offsetsAt = idsAt + idWidth * count
  const start = offsetsAt + width * (count + 1)
  const offsets = Array.from({ length: count + 1 }, (_, at) => unsigned(bytes, offsetsAt + width * at, width))
  const bounds = offsets.toSorted((a, b) => a - b)
  return offsets.slice(0, count).map((offset, at) => {
    const end = bounds.find((bound) => bound > offset) ?? offset
    return [unsigned(bytes, idsAt + idWidth * at, idWidth), bytes.subarray(start + offset, start + end)]
  })
}

function unsigned(bytes: Buffer, at: number, width: number): number {
  if (at + width > bytes.length) throw corrupt('it is cut short')
  return bytes.readUIntLE(at, width)
}

function corrupt(reason: string): LakeError {
  return new LakeError('LOG_CORRUPT', `Cannot read a variant: ${reason}`)
}
