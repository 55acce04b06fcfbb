/**
 * Thrift's compact protocol, as far as the headers of Parquet files need it: what is read, and the few kinds that are written.
 * Apache Thrift, "Thrift Compact protocol".
 */
import { LakeError } from '../base/errors.ts'

/** What is wanted of a struct, by the number of the field: a number, or fields of a struct below it. */
export interface WantedFields {
  readonly [field: number]: 'i32' | WantedFields
}
/** What is there of it. */
export type FoundFields = ReadonlyMap<number, number | FoundFields>

const mostNested = 32
const mostField = 2 ** 15 - 1
/** One more than what a number of 32 bits holds: other readers keep the low bits of what is larger. */
const tooLarge = 2 ** 32

const kinds = {
  yes: 1,
  no: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  bytes: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
}

/** Reads one struct from the start of some bytes. */
export class ThriftReader {
  readonly #bytes: Buffer
  #at = 0
  /** Of the field read last. */
  #kind = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** How many bytes were read. */
  get position(): number {
    return this.#at
  }

  /**
   * Other readers pass over a field that has not the type they want, or take the last one of several: such a struct has
   * no one meaning.
   *
   * @throws RangeError where the bytes end within it.
   * @throws LakeError `SOURCE_FAILED` where they are none, or where a wanted field is there twice or has another type.
   */
  struct(wanted: WantedFields, depth = 0): FoundFields {
    const found = new Map<number, number | FoundFields>()
    for (let field = this.#fieldAfter(0); field !== undefined; field = this.#fieldAfter(field)) {
      const kind = this.#kind
      const type = wanted[field]
      if (type === undefined) {
        this.#skip(kind, depth + 1)
        continue
      }
      if (found.has(field)) throw invalid(`it has field ${field} twice`)
      if (kind !== (type === 'i32' ? kinds.i32 : kinds.struct)) {
        throw invalid(`its field ${field} is of kind ${kind}`)
      }
      found.set(field, type === 'i32' ? this.#signed() : this.struct(type, depth + 1))
    }
    return found
  }

  /** The number of the next field, or undefined where the struct ends. */
  #fieldAfter(previous: number): number | undefined {
    const head = this.#byte()
    if (head === 0) return undefined
    this.#kind = head & 15
    const field = head >> 4 === 0 ? this.#signed() : previous + (head >> 4)
    if (field > mostField) throw invalid('it has a number that is too large')
    return field
  }

  /** A field's value of yes or no is its kind: it has no bytes. */
  #skip(kind: number, depth: number): void {
    if (kind !== kinds.yes && kind !== kinds.no) this.#skipValue(kind, depth)
  }

  #skipValue(kind: number, depth: number): void {
    if (depth > mostNested) throw invalid('it is nested too deep')
    switch (kind) {
      case kinds.yes:
      case kinds.no:
      case kinds.byte:
        this.#pass(1)
        return
      case kinds.i16:
      case kinds.i32:
      case kinds.i64:
        this.#varint()
        return
      case kinds.double:
        this.#pass(8)
        return
      case kinds.bytes:
        this.#pass(this.#unsigned())
        return
      case kinds.list:
      case kinds.set: {
        const head = this.#byte()
        const count = head >> 4 === 15 ? this.#unsigned() : head >> 4
        for (let index = 0; index < count; index++) this.#skipValue(head & 15, depth + 1)
        return
      }
      case kinds.map: {
        const count = this.#unsigned()
        const head = count === 0 ? 0 : this.#byte()
        for (let index = 0; index < count; index++) {
          this.#skipValue(head >> 4, depth + 1)
          this.#skipValue(head & 15, depth + 1)
        }
        return
      }
      case kinds.struct:
        for (let field = this.#fieldAfter(0); field !== undefined; field = this.#fieldAfter(field)) {
          this.#skip(this.#kind, depth + 1)
        }
        return
      default:
        throw invalid(`it has a value of kind ${kind}`)
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw ended()
    this.#at++
    return byte
  }

  #pass(length: number): void {
    if (this.#at + length > this.#bytes.length) throw ended()
    this.#at += length
  }

  /** Exact below 2^53. */
  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte()
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
    throw invalid('it has a number that does not end')
  }

  #unsigned(): number {
    const value = this.#varint()
    if (value >= tooLarge) throw invalid('it has a number that is too large')
    return value
  }

  #signed(): number {
    const value = this.#unsigned()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

function ended(): RangeError {
  return new RangeError('The bytes end within a header')
}

function invalid(why: string): LakeError {
  return new LakeError('SOURCE_FAILED', `Not the header of a page: ${why}`)
}

/** A value with its kind in Thrift. */
export interface Encoded {
  readonly kind: number
  readonly bytes: Buffer
}

export const i32 = (value: number): Encoded => ({ kind: kinds.i32, bytes: varint(zigzag(value)) })
export const i64 = (value: number): Encoded => ({ kind: kinds.i64, bytes: varint(zigzag(value)) })
export const name = (value: string): Encoded => ({
  kind: kinds.bytes,
  bytes: Buffer.concat([varint(BigInt(Buffer.byteLength(value))), Buffer.from(value)]),
})

/** @param fields Values by the number of their field, ascending. */
export function struct(fields: Readonly<Record<number, Encoded>>): Encoded {
  const parts: Buffer[] = []
  for (const [field, { kind, bytes }] of Object.entries(fields)) {
    parts.push(Buffer.from([kind]), varint(zigzag(Number(field))), bytes)
  }
  return { kind: kinds.struct, bytes: Buffer.concat([...parts, Buffer.from([0])]) }
}

/** @param values At least one, all of one kind. */
export function listOf(values: readonly Encoded[]): Encoded {
  const head = Buffer.from([0xf0 | (values[0]?.kind ?? kinds.struct)])
  return {
    kind: kinds.list,
    bytes: Buffer.concat([head, varint(BigInt(values.length)), ...values.map(({ bytes }) => bytes)]),
  }
}

function zigzag(value: number): bigint {
  const whole = BigInt(value)
  return whole >= 0n ? whole << 1n : (-whole << 1n) - 1n
}

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)])
    bytes.push(Number(rest & 127n) | 128)
  }
}
