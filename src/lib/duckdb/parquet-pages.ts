/**
 * The pages of a Parquet file by their headers, which say what the footer does not: how large a dictionary is, and how
 * many values a page holds. parquet.thrift, `PageHeader`.
 */
import type { FileHandle } from 'node:fs/promises'
import { LakeError } from '../base/errors.ts'
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
const mostHeaderBytes = 1 << 24

/**
 * The pages from a place on, up to as many values as are wanted, or to where there is no further page.
 *
 * @throws LakeError `SOURCE_FAILED` for bytes that are no page.
 */
export async function pagesOf(file: FileHandle, from: number, wanted: number): Promise<readonly Page[]> {
  const pages: Page[] = []
  for (let [at, read] = [from, 0]; read < wanted; ) {
    const page = await pageAt(file, at)
    if (page === undefined) break
    pages.push(page)
    if (page.kind === 'values') read += page.values
    at = page.from + page.storedBytes
  }
  return pages
}

async function pageAt(file: FileHandle, at: number): Promise<Page | undefined> {
  for (let length = firstBytes; length <= mostHeaderBytes; length *= 8) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at)
    const reader = new ThriftReader(buffer.subarray(0, bytesRead))
    try {
      const header = reader.struct(wantedFields)
      return pageOf(header, at + reader.position)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      if (bytesRead < length) return undefined
    }
  }
  throw new LakeError('SOURCE_FAILED', `The header at byte ${at} does not end`)
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
