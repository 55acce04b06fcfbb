/**
 * A checksum of each data file that we write, in the tags of its `add`. Parquet pages have none: a flipped bit may read
 * as another value. Other writers neither write nor need it.
 */
import { createReadStream } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { IoOptions } from '../../base/io.ts'
import type { AddFile } from '../log/actions.ts'

const tag = 'lakeshoreCrc32'
const readBytes = 1 << 20

/** The tags of a file that lies at `path`. */
export async function checksumTags(
  path: string,
  options: IoOptions = {},
): Promise<Readonly<Record<string, string>>> {
  return { [tag]: await checksumOf(path, options) }
}

/** CRC-32 of a local file, in hexadecimal digits. */
export async function checksumOf(path: string, { signal }: IoOptions = {}): Promise<string> {
  let sum = 0
  const pieces: AsyncIterable<Uint8Array> = createReadStream(path, { highWaterMark: readBytes, signal })
  for await (const piece of pieces) sum = crc32(piece, sum)
  return sum.toString(16).padStart(8, '0')
}

/** `undefined` where its writer gave none. */
export function checksumIn({ tags }: Pick<AddFile, 'tags'>): string | undefined {
  return tags?.[tag] ?? undefined
}
