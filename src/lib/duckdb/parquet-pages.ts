/**
 * The pages of a Parquet file by their headers, which say what the footer does not: how large a dictionary is, and how
 * many values a page holds. parquet.thrift, `PageHeader`.
 */
import type { FileHandle } from 'node:fs/promises'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type FoundFields, i32, i64, listOf, name, struct, ThriftReader } from './thrift.ts'

export interface Page {
  readonly kind: 'dictionary' | 'values' | 'other'
  readonly values: number
  /** Where its content begins in the file. */
  readonly from: number
  readonly storedBytes: number
  readonly unpackedBytes: number
}

/** `PageHeader`, with the headers of its kinds: `DataPageHeader`, `DictionaryPageHeader`, `DataPageHeaderV2`. */
const wantedFields = {
  1: 'i32',
  2: 'i32',
  3: 'i32',
  5: { 1: 'i32' },
  7: { 1: 'i32' },
  8: { 1: 'i32' },
} as const
const firstBytes = 256
/** A header has numbers, and the least and largest value of its page: writers keep these below some kilobytes. */
const mostHeaderBytes = 2 ** 20
const windowBytes = 2 ** 14

/** What the headers of a column chunk say. */
export interface ChunkPages {
  readonly values: number
  readonly unpackedBytes: number
  readonly dictionary: Page | undefined
}

/** The pages of one file. Its column chunks are read one after the other. */
export class PageReader {
  readonly #file: FileHandle
  /** Of the file, which nothing was read of yet. */
  #bytesLeft: number
  #window: { readonly from: number; readonly bytes: Buffer } = { from: 0, bytes: Buffer.alloc(0) }

  constructor(file: FileHandle, size: number) {
    this.#file = file
    this.#bytesLeft = size
  }

  /**
   * The pages from a place on, up to as many values as are wanted, or to where there is no further page.
   *
   * @throws LakeError `SOURCE_FAILED` for bytes that are no page, for a second dictionary, and for pages that were there
   * already: so the work has an end that the size of the file sets.
   */
  async chunk(from: number, wanted: number, { signal }: IoOptions = {}): Promise<ChunkPages> {
    // Of a place before the file, Node.js reads where it stands.
    if (!Number.isSafeInteger(from) || from < 0) {
      throw new LakeError('SOURCE_FAILED', `No column chunk can begin at byte ${from}`)
    }
    let [values, unpackedBytes] = [0, 0]
    let dictionary: Page | undefined
    for (let at = from; values < wanted; ) {
      const page = await this.#pageAt(at, { signal })
      if (page === undefined) break
      if (page.kind === 'values') values += page.values
      unpackedBytes += page.unpackedBytes
      if (page.kind === 'dictionary') {
        if (dictionary !== undefined) {
          throw new LakeError('SOURCE_FAILED', `The column chunk at byte ${from} has a second dictionary`)
        }
        dictionary = page
      }
      const next = page.from + page.storedBytes
      this.#bytesLeft -= next - at
      if (this.#bytesLeft < 0) {
        throw new LakeError('SOURCE_FAILED', `The page before byte ${next} lies over another, or is cut off`)
      }
      at = next
    }
    return { values, unpackedBytes, dictionary }
  }

  async #pageAt(at: number, { signal }: IoOptions): Promise<Page | undefined> {
    for (let length = firstBytes; length <= mostHeaderBytes; length *= 8) {
      const bytes = await this.#bytesAt(at, length, { signal })
      const reader = new ThriftReader(bytes)
      try {
        const header = reader.struct(wantedFields)
        return pageOf(header, at + reader.position)
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        if (bytes.length < length) return undefined
      }
    }
    throw new LakeError('SOURCE_FAILED', `The header at byte ${at} does not end`)
  }

  async #bytesAt(at: number, length: number, { signal }: IoOptions): Promise<Buffer> {
    const start = at - this.#window.from
    if (start < 0 || start + length > this.#window.bytes.length) {
      signal?.throwIfAborted()
      const size = Math.max(length, windowBytes)
      const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(size), 0, size, at)
      this.#window = { from: at, bytes: buffer.subarray(0, bytesRead) }
    }
    const begin = at - this.#window.from
    return this.#window.bytes.subarray(begin, begin + length)
  }
}

function pageOf(header: FoundFields, from: number): Page {
  const [type, unpackedBytes, storedBytes] = [1, 2, 3].map((field) => header.get(field))
  const kind = type === 2 ? 'dictionary' : type === 0 || type === 3 ? 'values' : 'other'
  const details = header.get(type === 2 ? 7 : type === 0 ? 5 : 8)
  const values = details instanceof Map ? details.get(1) : undefined
  if (!isCount(unpackedBytes) || !isCount(storedBytes) || (kind !== 'other' && !isCount(values))) {
    throw new LakeError('SOURCE_FAILED', `The header before byte ${from} is not that of a page`)
  }
  return { kind, values: isCount(values) ? values : 0, from, storedBytes, unpackedBytes }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}

/** Numbers of parquet.thrift. */
const byteArray = 6
const plain = 0
const rle = 3
export const codecs: Readonly<Record<string, number>> = {
  UNCOMPRESSED: 0,
  SNAPPY: 1,
  GZIP: 2,
  BROTLI: 4,
  LZ4: 5,
  ZSTD: 6,
  LZ4_RAW: 7,
}
const magic = Buffer.from('PAR1')

/**
 * A Parquet file with one required column `value` of texts, whose only page is the content of a dictionary as it is
 * stored: that is encoded as such a page is. The engine can read the texts there without the rows that use them.
 */
export function fileOfTexts({ page, codec, stored }: { page: Page; codec: number; stored: Buffer }): Buffer {
  const { values, unpackedBytes } = page
  const pageHeader = struct({
    1: i32(0),
    2: i32(unpackedBytes),
    3: i32(stored.length),
    5: struct({ 1: i32(values), 2: i32(plain), 3: i32(rle), 4: i32(rle) }),
  }).bytes
  const storedBytes = pageHeader.length + stored.length
  const chunk = struct({
    1: i32(byteArray),
    2: listOf([i32(plain)]),
    3: listOf([name('value')]),
    4: i32(codec),
    5: i64(values),
    6: i64(pageHeader.length + unpackedBytes),
    7: i64(storedBytes),
    9: i64(magic.length),
  })
  const footer = struct({
    1: i32(1),
    2: listOf([
      struct({ 4: name('schema'), 5: i32(1) }),
      struct({ 1: i32(byteArray), 3: i32(0), 4: name('value') }),
    ]),
    3: i64(values),
    4: listOf([
      struct({
        1: listOf([struct({ 2: i64(magic.length), 3: chunk })]),
        2: i64(storedBytes),
        3: i64(values),
      }),
    ]),
  }).bytes
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([magic, pageHeader, stored, footer, length, magic])
}
