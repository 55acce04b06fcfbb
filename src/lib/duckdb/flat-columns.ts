/**
 * Columns as the engine lays them out: numbers beside each other, texts as bytes and offsets. What has no such layout here
 * (nested types, decimals, truths) is a list of values.
 *
 * The driver's public way to a value is a call for each, which takes thirty times as long; what it keeps is read instead.
 */
import type { DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api'
import bindings from '@duckdb/node-bindings'
import { plainValue, type Value } from './values.ts'

export type NumberArray = Int8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array

interface Nulls {
  readonly length: number
  readonly nullCount: number
  /** A bit for each value, the lowest first, 1 where there is one; absent where there are all. */
  readonly validity?: Uint8Array
}

export type FlatColumn =
  | (Nulls & { readonly kind: 'numbers'; readonly numbers: NumberArray })
  /** Value `n` is from `offsets[n]` to `offsets[n + 1]`. */
  | (Nulls & { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly offsets: Int32Array })
  | { readonly kind: 'values'; readonly length: number; readonly values: readonly Value[] }

/** What the driver keeps of a vector. */
interface Kept {
  readonly items?: unknown
  readonly dataView?: unknown
  readonly validity?: { readonly data: BigUint64Array | null; readonly offset: number }
}

/** Names of the driver's classes. */
const ofNumbers = new Set(
  ['TinyInt', 'SmallInt', 'Integer', 'BigInt', 'Float', 'Double', 'Date', 'Timestamp', 'TimestampTZ'].map(
    (type) => `DuckDB${type}Vector`,
  ),
)
const ofBytes = new Set(['DuckDBVarCharVector', 'DuckDBBlobVector'])

/** The columns of some chunks, each as one. */
export function flatColumns(chunks: readonly DuckDBDataChunk[]): readonly FlatColumn[] {
  const [first] = chunks
  if (first === undefined) return []
  return Array.from({ length: first.columnCount }, (_, at) => {
    const vectors = chunks.map((chunk) => chunk.getColumnVector(at))
    const name = vectors[0]?.constructor.name ?? ''
    if (ofNumbers.has(name)) return numbersOf(vectors)
    return ofBytes.has(name) ? bytesOf(vectors) : valuesOf(vectors)
  })
}

/** About what a chunk holds in memory besides its small values. */
export function textBytesOf(chunk: DuckDBDataChunk): number {
  let total = 0
  for (let at = 0; at < chunk.columnCount; at++) {
    const vector = chunk.getColumnVector(at)
    if (!ofBytes.has(vector.constructor.name)) continue
    const view = viewOf(vector)
    for (let row = 0; row < vector.itemCount; row++) total += view.getUint32(row * entryBytes, true)
  }
  return total
}

const lengthOf = (vectors: readonly DuckDBVector[]): number =>
  vectors.reduce((sum, { itemCount }) => sum + itemCount, 0)

function numbersOf(vectors: readonly DuckDBVector[]): FlatColumn {
  const parts = vectors.map((vector) => {
    const { items } = vector as Kept
    if (ArrayBuffer.isView(items) && !(items instanceof DataView)) return items as NumberArray
    throw new TypeError(`${vector.constructor.name} of the driver keeps no items`)
  })
  const length = lengthOf(vectors)
  const numbers = emptyLike(parts[0] ?? new Int32Array(0), length)
  let at = 0
  for (const part of parts) {
    // Both are of one type: that of the column.
    numbers.set(part as never, at)
    at += part.length
  }
  return { kind: 'numbers', length, numbers, ...nullsOf(vectors, length) }
}

function emptyLike(like: NumberArray, length: number): NumberArray {
  const Numbers = like.constructor as new (length: number) => NumberArray
  return new Numbers(length)
}

/** A text of the engine: its length, and then its bytes if they are at most 12, or where they are. */
const entryBytes = 16
const mostInlined = 12

function viewOf(vector: DuckDBVector): DataView {
  const { dataView } = vector as Kept
  if (dataView instanceof DataView) return dataView
  throw new TypeError(`${vector.constructor.name} of the driver keeps no view of its data`)
}

function bytesOf(vectors: readonly DuckDBVector[]): FlatColumn {
  const length = lengthOf(vectors)
  const nulls = nullsOf(vectors, length)
  const offsets = new Int32Array(length + 1)
  const isThere = (row: number): boolean =>
    nulls.validity === undefined || ((nulls.validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0
  let row = 0
  for (const vector of vectors) {
    const view = viewOf(vector)
    for (let item = 0; item < vector.itemCount; item++, row++) {
      const size = isThere(row) ? view.getUint32(item * entryBytes, true) : 0
      offsets[row + 1] = (offsets[row] ?? 0) + size
    }
  }
  const bytes = new Uint8Array(offsets[length] ?? 0)
  row = 0
  for (const vector of vectors) {
    const view = viewOf(vector)
    const entries = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    for (let item = 0; item < vector.itemCount; item++, row++) {
      const from = offsets[row] ?? 0
      const size = (offsets[row + 1] ?? 0) - from
      const at = item * entryBytes
      if (size > mostInlined) {
        bytes.set(
          bindings.get_data_from_pointer(view.buffer as ArrayBuffer, view.byteOffset + at + 8, size),
          from,
        )
      } else for (let n = 0; n < size; n++) bytes[from + n] = entries[at + 4 + n] ?? 0
    }
  }
  return { kind: 'bytes', length, bytes, offsets, ...nulls }
}

function nullsOf(vectors: readonly DuckDBVector[], length: number): Omit<Nulls, 'length'> {
  const kept = vectors.map((vector) => (vector as Kept).validity)
  if (kept.every((each) => each?.data === null || each?.data === undefined)) return { nullCount: 0 }
  const validity = new Uint8Array(Math.ceil(length / 8))
  let [row, nullCount] = [0, 0]
  vectors.forEach(({ itemCount }, index) => {
    const { data = null, offset = 0 } = kept[index] ?? {}
    const bits = data === null ? undefined : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    for (let item = offset; item < offset + itemCount; item++, row++) {
      const isThere = bits === undefined || ((bits[item >> 3] ?? 0) & (1 << (item & 7))) !== 0
      if (isThere) validity[row >> 3] = (validity[row >> 3] ?? 0) | (1 << (row & 7))
      else nullCount++
    }
  })
  return { nullCount, validity }
}

function valuesOf(vectors: readonly DuckDBVector[]): FlatColumn {
  const values = vectors.flatMap((vector) =>
    Array.from({ length: vector.itemCount }, (_, item) =>
      plainValue(vector.getItem(item), vector.type, plainValue),
    ),
  )
  return { kind: 'values', length: values.length, values }
}
