/**
 * The bytes of a deletion vector: a 64-bit Roaring bitmap array in its portable form.
 * Delta PROTOCOL.md, "Deletion Vector Format"; RoaringFormatSpec, "Extension for 64-bit Implementations".
 * Written in the first form; the second, of which the protocol's inline example is one, is read.
 *
 * ```
 * u32 1681511377 │ u64 count │ ( u32 high word │ 32-bit Roaring bitmap )*      all little-endian
 * u32 1681511376 │ u32 count │ ( u32 size │ 32-bit Roaring bitmap )*           numbers of either end first
 * ```
 */
import { LakeError, messageOf } from '../../base/errors.ts'
import { appendRun, RowSet } from './row-set.ts'

const magic = 1681511377
const nativeMagic = 1681511376
const nativeMagicSwapped = 0xd0d33964
const cookieWithoutRuns = 12346
const cookieWithRuns = 12347
/** Rows that share the upper bits of their number lie in one container. */
const containerRows = 65_536
const bucketRows = 2 ** 32
const bitmapBytes = containerRows / 8
/** Containers of more rows are bitmaps, of fewer arrays. */
const arrayLimit = 4096
/** With fewer containers a bitmap with runs has no offsets. */
const offsetsFrom = 4

/** @throws LakeError `LOG_CORRUPT` when the bytes are no such bitmap. */
export function decodeRows(bytes: Uint8Array): RowSet {
  const reader = new Reader(bytes)
  try {
    const bounds: number[] = []
    const found = reader.u32()
    if (found === magic) readPortable(reader, bounds)
    else if (found === nativeMagic) readNative(reader, bounds, 'little')
    else if (found === nativeMagicSwapped) readNative(reader, bounds, 'big')
    else throw new RangeError(`expected magic number ${magic}, got ${found}`)
    if (!reader.isAtEnd) throw new RangeError('bytes are left over')
    return new RowSet(bounds)
  } catch (error) {
    throw new LakeError('LOG_CORRUPT', `Deletion vector: ${messageOf(error)}`, { cause: error })
  }
}

function readPortable(reader: Reader, bounds: number[]): void {
  const buckets = reader.u64()
  let before = -1
  for (let bucket = 0; bucket < buckets; bucket++) {
    const high = reader.u32()
    if (high <= before) throw new RangeError(`bucket ${high} after bucket ${before}`)
    before = high
    readBitmap(reader, high * bucketRows, bounds)
  }
}

/** Each bitmap is for the next 2^32 rows. */
function readNative(reader: Reader, bounds: number[], end: 'little' | 'big'): void {
  const count = reader.u32(end)
  for (let high = 0; high < count; high++) {
    const size = reader.u32(end)
    readBitmap(new Reader(reader.take(size)), high * bucketRows, bounds)
  }
}

function readBitmap(reader: Reader, base: number, bounds: number[]): void {
  const cookie = reader.u32()
  const hasRuns = (cookie & 0xffff) === cookieWithRuns
  if (!hasRuns && cookie !== cookieWithoutRuns) throw new RangeError(`unknown Roaring cookie ${cookie}`)
  const containers = hasRuns ? (cookie >>> 16) + 1 : reader.u32()
  if (containers > containerRows) throw new RangeError(`${containers} containers in one bitmap`)
  const isRun = hasRuns ? reader.take(Math.ceil(containers / 8)) : new Uint8Array()
  const heads = Array.from({ length: containers }, () => ({ key: reader.u16(), rows: reader.u16() + 1 }))
  // Containers follow each other in order, so that their offsets say nothing new.
  if (!hasRuns || containers >= offsetsFrom) reader.take(4 * containers)
  let before = -1
  heads.forEach(({ key, rows }, index) => {
    if (key <= before) throw new RangeError(`container ${key} after container ${before}`)
    before = key
    const first = base + key * containerRows
    const runs = ((isRun[index >> 3] ?? 0) >> (index & 7)) & 1
    if (runs === 1) readRuns(reader, first, bounds)
    else if (rows > arrayLimit) readBits(reader, first, bounds)
    else readArray(reader, rows, first, bounds)
  })
}

function readRuns(reader: Reader, first: number, bounds: number[]): void {
  const count = reader.u16()
  let least = 0
  for (let run = 0; run < count; run++) {
    const from = reader.u16()
    const to = from + reader.u16() + 1
    if (from < least || to > containerRows) throw new RangeError(`run ${from}–${to} out of order`)
    appendRun(bounds, first + from, first + to)
    least = to
  }
}

function readArray(reader: Reader, count: number, first: number, bounds: number[]): void {
  let least = 0
  for (let at = 0; at < count; at++) {
    const row = reader.u16()
    if (row < least) throw new RangeError(`row ${row} out of order`)
    appendRun(bounds, first + row, first + row + 1)
    least = row + 1
  }
}

function readBits(reader: Reader, first: number, bounds: number[]): void {
  const bits = reader.take(bitmapBytes)
  for (let at = 0; at < bitmapBytes; at++) {
    const byte = bits[at] ?? 0
    if (byte === 0) continue
    const row = first + 8 * at
    if (byte === 0xff) appendRun(bounds, row, row + 8)
    else for (let bit = 0; bit < 8; bit++) if ((byte >> bit) & 1) appendRun(bounds, row + bit, row + bit + 1)
  }
}

/** Runs within one container, both ends inclusive. */
interface Container {
  readonly key: number
  readonly rows: number
  readonly runs: readonly (readonly [from: number, to: number])[]
}

/** Each container in the smallest of its three forms, as `runOptimize` of the Roaring libraries has it. */
export function encodeRows(rows: RowSet): Uint8Array {
  const buckets = new Map<number, Container[]>()
  for (const [high, container] of containersOf(rows)) {
    const bucket = buckets.get(high)
    if (bucket === undefined) buckets.set(high, [container])
    else bucket.push(container)
  }
  const parts: Uint8Array[] = [u32(magic), u64(buckets.size)]
  for (const [high, containers] of buckets) parts.push(u32(high), encodeBitmap(containers))
  return Buffer.concat(parts)
}

function* containersOf(rows: RowSet): Iterable<readonly [high: number, container: Container]> {
  let at = 0
  let from = rows.bounds[0] ?? 0
  while (at < rows.bounds.length) {
    const index = Math.floor(from / containerRows)
    const first = index * containerRows
    const runs: (readonly [number, number])[] = []
    let count = 0
    while (at < rows.bounds.length && from < first + containerRows) {
      const end = rows.bounds[at + 1] ?? 0
      const to = Math.min(end, first + containerRows)
      runs.push([from - first, to - 1 - first])
      count += to - from
      if (to < end) {
        from = to
      } else {
        at += 2
        from = rows.bounds[at] ?? 0
      }
    }
    yield [Math.floor(index / containerRows), { key: index % containerRows, rows: count, runs }]
  }
}

function encodeBitmap(containers: readonly Container[]): Uint8Array {
  const isRun = containers.map(isSmallestAsRuns)
  const hasRuns = isRun.includes(true)
  const bodies = containers.map((container, index) =>
    isRun[index]
      ? encodeRuns(container)
      : container.rows > arrayLimit
        ? encodeBits(container)
        : encodeArray(container),
  )
  const flags = Buffer.alloc(hasRuns ? Math.ceil(containers.length / 8) : 0)
  isRun.forEach((runs, index) => {
    if (runs) flags[index >> 3] = (flags[index >> 3] ?? 0) | (1 << (index & 7))
  })
  const head = hasRuns
    ? [u32(cookieWithRuns | ((containers.length - 1) << 16)), flags]
    : [u32(cookieWithoutRuns), u32(containers.length)]
  const keys = containers.map(({ key, rows }) => Buffer.concat([u16(key), u16(rows - 1)]))
  const hasOffsets = !hasRuns || containers.length >= offsetsFrom
  let offset = sizeOf(head) + 4 * containers.length + (hasOffsets ? 4 * containers.length : 0)
  const offsets = bodies.map((body) => {
    const here = u32(offset)
    offset += body.length
    return here
  })
  return Buffer.concat([...head, ...keys, ...(hasOffsets ? offsets : []), ...bodies])
}

function isSmallestAsRuns({ rows, runs }: Container): boolean {
  return 2 + 4 * runs.length < (rows > arrayLimit ? bitmapBytes : 2 * rows)
}

function encodeRuns({ runs }: Container): Uint8Array {
  return Buffer.concat([
    u16(runs.length),
    ...runs.map(([from, to]) => Buffer.concat([u16(from), u16(to - from)])),
  ])
}

function encodeArray({ rows, runs }: Container): Uint8Array {
  const bytes = Buffer.alloc(2 * rows)
  let at = 0
  for (const [from, to] of runs) for (let row = from; row <= to; row++) at = bytes.writeUInt16LE(row, at)
  return bytes
}

function encodeBits({ runs }: Container): Uint8Array {
  const bytes = Buffer.alloc(bitmapBytes)
  for (const [from, to] of runs) {
    for (let row = from; row <= to; row++) bytes[row >> 3] = (bytes[row >> 3] ?? 0) | (1 << (row & 7))
  }
  return bytes
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0)
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

/** Numbers one after the other, little-endian unless asked otherwise. Reading past the end throws a RangeError. */
class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  u16(): number {
    const value = this.#view.getUint16(this.#at, true)
    this.#at += 2
    return value
  }

  u32(end: 'little' | 'big' = 'little'): number {
    const value = this.#view.getUint32(this.#at, end === 'little')
    this.#at += 4
    return value
  }

  u64(): number {
    const value = Number(this.#view.getBigUint64(this.#at, true))
    this.#at += 8
    return value
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new RangeError('it ends too early')
    const part = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return part
  }
}
