/**
 * A checksum inside a file of the log, because the format has none. It shows a flipped bit, and lines that are missing
 * at the end.
 *
 * It lies in the first line: in `commitInfo`, or in the tags of `checkpointMetadata`; in a Parquet file, in the
 * metadata of the footer. Other readers ignore it. It covers all bytes of the file, with zeros in its own place.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { LakeError } from '../../base/errors.ts'

/** Hexadecimal digits. */
const blank = '00000000'

/** To be among the fields of the first line that `sealed` is given. */
export const openSeal = { lakeshoreCrc32: blank } as const

/** In a text within the JSON its quotes would be escaped. */
const marker = '"lakeshoreCrc32":"'

/** @param text Lines, of which the first holds `openSeal`. */
export function sealed(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  const at = placeOf(bytes)
  if (at === undefined) throw new LakeError('BUG', 'Seal: the first line has no place for it')
  bytes.write(digits(crc32(bytes)), at)
  return bytes
}

/** Files without a seal, as other writers make them, pass. @throws LakeError `LOG_CORRUPT` naming the file. */
export function requireUnbroken(bytes: Uint8Array, file: string): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = placeOf(view)
  if (at === undefined) return
  const end = at + blank.length
  const found = crc32(view.subarray(end), crc32(blank, crc32(view.subarray(0, at))))
  if (view.subarray(at, end).toString() === digits(found)) return
  throw broken(file, 'json')
}

function broken(file: string, kind: 'json' | 'parquet'): LakeError {
  return new LakeError('LOG_CORRUPT', `${file}: its bytes are not those that were written`, {
    details: { file, fault: 'seal-broken', kind },
  })
}

function digits(sum: number): string {
  return sum.toString(16).padStart(blank.length, '0')
}

/** Where the digits are; `undefined` in a file that has none. */
function placeOf(bytes: Buffer): number | undefined {
  const newline = bytes.indexOf(0x0a)
  const first = newline === -1 ? bytes : bytes.subarray(0, newline)
  const at = first.indexOf(marker)
  return at === -1 ? undefined : at + marker.length
}

/** The option for DuckDB when it writes a Parquet file that will be sealed. */
export const openParquetSeal = `kv_metadata {lakeshoreCrc32: '${blank}'}`

/** Between the name and the digits are the kind and the length of the value. */
const nameInFooter = 'lakeshoreCrc32'
const placeInFooter = nameInFooter.length + 2
/** The metadata are at the end of the footer. */
const tailBytes = 65_536
const chunkBytes = 1_048_576

/** Seals a file that was written with `openParquetSeal`. */
export async function sealParquet(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const at = await placeInParquet(file)
    if (at === undefined) throw new LakeError('BUG', `Seal ${path}: there is no place for it`)
    await file.write(digits((await sumOf(file, at)).sum), at)
  } finally {
    await file.close()
  }
}

/**
 * Files without a seal, as other writers make them, pass.
 *
 * @param name of the file, for people. @throws LakeError `LOG_CORRUPT`.
 */
export async function requireUnbrokenParquet(path: string, name: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    const at = await placeInParquet(file)
    if (at === undefined) return
    const { found, sum } = await sumOf(file, at)
    if (found !== digits(sum)) throw broken(name, 'parquet')
  } finally {
    await file.close()
  }
}

async function placeInParquet(file: FileHandle): Promise<number | undefined> {
  const { size } = await file.stat()
  const from = Math.max(0, size - tailBytes)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from)
  const at = buffer.subarray(0, bytesRead).lastIndexOf(nameInFooter)
  return at === -1 || from + at + placeInFooter + blank.length > size ? undefined : from + at + placeInFooter
}

async function sumOf(
  file: FileHandle,
  at: number,
): Promise<{ readonly sum: number; readonly found: string }> {
  const chunk = Buffer.alloc(chunkBytes)
  const found = Buffer.alloc(blank.length)
  await file.read(found, 0, blank.length, at)
  let sum = 0
  for (let from = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, from)
    if (bytesRead === 0) return { sum, found: found.toString('latin1') }
    for (let index = 0; index < blank.length; index++) {
      const place = at + index - from
      if (place >= 0 && place < bytesRead) chunk[place] = blank.charCodeAt(index)
    }
    sum = crc32(chunk.subarray(0, bytesRead), sum)
    from += bytesRead
  }
}
