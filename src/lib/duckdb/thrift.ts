/**
 * Thrift's compact protocol, as far as the headers of Parquet files need it: what is read, and the few kinds that are written.
 * Apache Thrift, "Thrift Compact protocol".
 */
import { LakeError } from '../base/errors.ts'

export type ThriftValue = number | boolean | Buffer | readonly ThriftValue[] | ThriftStruct
/** Values by the number of their field. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>

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

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** How many bytes were read. */
  get position(): number {
    return this.#at
  }

  /** @throws RangeError where the bytes end within it. @throws LakeError `SOURCE_FAILED` where they are none. */
  struct(depth = 0): ThriftStruct {
    const fields = new Map<number, ThriftValue>()
    for (let field = 0; ; ) {
      const head = this.#byte()
      if (head === 0) return fields
      const kind = head & 15
      field = head >> 4 === 0 ? this.#signed32() : field + (head >> 4)
      if (field > mostField) throw invalid('it has a number that is too large')
      fields.set(
        field,
        kind === kinds.yes || kind === kinds.no ? kind === kinds.yes : this.#value(kind, depth),
      )
    }
  }

  #value(kind: number, depth: number): ThriftValue {
    if (depth > mostNested) throw invalid('it is nested too deep')
    switch (kind) {
      case kinds.yes:
      case kinds.no:
        return this.#byte() === kinds.yes
      case kinds.byte:
        return this.#byte()
      case kinds.i16:
      case kinds.i32:
        return this.#signed32()
      case kinds.i64:
        return Number(signed(this.#unsigned()))
      case kinds.double:
        return this.#take(8).readDoubleLE()
      case kinds.bytes:
        return this.#take(this.#unsigned32())
      case kinds.list:
      case kinds.set: {
        const head = this.#byte()
        const count = head >> 4 === 15 ? this.#unsigned32() : head >> 4
        const values: ThriftValue[] = []
        for (let index = 0; index < count; index++) values.push(this.#value(head & 15, depth + 1))
        return values
      }
      case kinds.map: {
        const count = this.#unsigned32()
        const head = count === 0 ? 0 : this.#byte()
        const values: ThriftValue[] = []
        for (let index = 0; index < count; index++) {
          values.push(this.#value(head >> 4, depth + 1), this.#value(head & 15, depth + 1))
        }
        return values
      }
      case kinds.struct:
        return this.struct(depth + 1)
      default:
        throw invalid(`it has a value of kind ${kind}`)
    }
  }

  #byte(): number {
    return this.#take(1).readUInt8()
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError('The bytes end within a header')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  #unsigned(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
    throw invalid('it has a number that does not end')
  }

  #unsigned32(): number {
    const value = this.#unsigned()
    if (value >= tooLarge) throw invalid('it has a number that is too large')
    return Number(value)
  }

  #signed32(): number {
    return Number(signed(BigInt(this.#unsigned32())))
  }
}

function signed(zigzag: bigint): bigint {
  return (zigzag >> 1n) ^ -(zigzag & 1n)
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
