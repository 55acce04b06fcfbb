/**
 * How the SQLite log stores messages: a block is what one append gave one partition, as one value.
 *
 *   block  = version (u8) checksum (u32) record*              checksum = CRC-32 of the place and of all records
 *   record = flags (u8: 1 key, 2 value) [key] [value] count (u32) header*     bytes = length (u32) byte*
 *   header = key [flag (u8: 1 value) value]
 *
 * Law: decode(encode(messages)) = messages. Integers are little-endian. Version 1 had no checksum, and is still read.
 */
import { crc32 } from 'node:zlib'
import { LakeError } from '../../base/errors.ts'
import { type Header, type Message, type NewMessage, offset } from '../eventlog.ts'

const version = 2
const versionWithoutChecksum = 1
const headSize = 5
const hasKey = 1
const hasValue = 2
const noHeaders: readonly Header[] = Object.freeze([])

/** Size of a message in a block. */
export function recordSize({ key, value, headers = noHeaders }: NewMessage): number {
  let size = 1 + sizeOf(key) + sizeOf(value) + 4
  for (const header of headers) size += 4 + Buffer.byteLength(header.key) + 1 + sizeOf(header.value)
  return size
}

export function encodeBlock(messages: readonly NewMessage[], place: BlockPlace): Buffer {
  const block = Buffer.allocUnsafe(messages.reduce((size, message) => size + recordSize(message), headSize))
  block.writeUInt8(version)
  let at = headSize
  const put = (bytes: Uint8Array | null): void => {
    if (bytes === null) return
    at = block.writeUInt32LE(bytes.length, at)
    block.set(bytes, at)
    at += bytes.length
  }
  for (const { key, value, headers = noHeaders } of messages) {
    at = block.writeUInt8((key === null ? 0 : hasKey) | (value === null ? 0 : hasValue), at)
    put(key)
    put(value)
    at = block.writeUInt32LE(headers.length, at)
    for (const header of headers) {
      put(Buffer.from(header.key))
      at = block.writeUInt8(header.value === null ? 0 : 1, at)
      put(header.value)
    }
  }
  block.writeUInt32LE(checksumOf(block, place), 1)
  return block
}

/** SQLite has no checksum of its own: a bit that turns on the disk would be another event. */
function checksumOf(block: Buffer, { partition, first, timestampMs }: BlockPlace): number {
  return crc32(block.subarray(headSize), crc32(`${partition}/${first}/${timestampMs}`))
}

export interface BlockPlace {
  readonly partition: number
  /** Offset of the first message. */
  readonly first: bigint
  readonly timestampMs: number
}

/**
 * The messages of a block; their bytes are views into it.
 *
 * @throws LakeError `LOG_CORRUPT` when the bytes are not a block.
 */
export function decodeBlock(block: Buffer, { partition, first, timestampMs }: BlockPlace): Message[] {
  const messages: Message[] = []
  let at = headSize
  const take = (): Buffer => {
    const from = at + 4
    at = from + block.readUInt32LE(at)
    if (at > block.length) throw new RangeError('a length points past the end')
    return block.subarray(from, at)
  }
  try {
    const found = block.readUInt8(0)
    if (found === versionWithoutChecksum) at = 1
    else if (found !== version) throw new RangeError(`version ${found} is unknown`)
    else if (block.readUInt32LE(1) !== checksumOf(block, { partition, first, timestampMs })) {
      throw new RangeError('its content is not what was written')
    }
    for (let place = first; at < block.length; place++) {
      const flags = block.readUInt8(at++)
      const key = flags & hasKey ? take() : null
      const value = flags & hasValue ? take() : null
      const count = block.readUInt32LE(at)
      at += 4
      const headers = count === 0 ? noHeaders : Array.from({ length: count }, () => takeHeader())
      messages.push({ key, value, headers, partition, offset: offset(place), timestampMs })
    }
  } catch (error) {
    throw new LakeError(
      'LOG_CORRUPT',
      `partition ${partition}: the block at offset ${first} cannot be decoded`,
      {
        details: { partition, offset: first, sizeBytes: block.length, fault: 'event-log-damaged' },
        cause: error,
      },
    )
  }
  return messages

  function takeHeader(): Header {
    const key = take().toString()
    return { key, value: block.readUInt8(at++) ? take() : null }
  }
}

function sizeOf(bytes: Uint8Array | null): number {
  return bytes === null ? 0 : 4 + bytes.length
}
