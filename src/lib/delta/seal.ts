/**
 * A checksum that a file of the log carries of itself, since the format has none: a bit that turned, or lines that
 * were lost at its end, are found when it is read.
 *
 * It stands in the first line, in `commitInfo` or in the tags of `checkpointMetadata`, which other readers pass over.
 * It is of all bytes of the file, with zeros in its own place.
 */
import { crc32 } from 'node:zlib'
import { LakeError } from '../base/errors.ts'

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
  bytes.write(crc32(bytes).toString(16).padStart(blank.length, '0'), at)
  return bytes
}

/** Files without a seal, as other writers make them, pass. @throws LakeError `LOG_CORRUPT` naming the file. */
export function requireUnbroken(bytes: Uint8Array, file: string): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = placeOf(view)
  if (at === undefined) return
  const end = at + blank.length
  const found = crc32(view.subarray(end), crc32(blank, crc32(view.subarray(0, at))))
  if (view.subarray(at, end).toString() === found.toString(16).padStart(blank.length, '0')) return
  throw new LakeError('LOG_CORRUPT', `${file}: its bytes are not those that were written`, {
    details: { file },
    hint: 'Bring the file back from a backup. Where it was changed on purpose, take lakeshoreCrc32 out of it.',
  })
}

/** Where the digits are; `undefined` in a file that has none. */
function placeOf(bytes: Buffer): number | undefined {
  const newline = bytes.indexOf(0x0a)
  const first = newline === -1 ? bytes : bytes.subarray(0, newline)
  const at = first.indexOf(marker)
  return at === -1 ? undefined : at + marker.length
}
