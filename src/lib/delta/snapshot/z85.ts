/** Z85: four bytes as five printable characters. https://rfc.zeromq.org/spec/32/ */
import { LakeError } from '../../base/errors.ts'

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
const digits = new Map([...alphabet].map((character, digit) => [character, digit]))

/** Bytes that are no multiple of four are filled up with zeros; the reader must know their number. */
export function encodeZ85(bytes: Uint8Array): string {
  const padded = Buffer.alloc(Math.ceil(bytes.length / 4) * 4)
  padded.set(bytes)
  let encoded = ''
  for (let at = 0; at < padded.length; at += 4) {
    let value = padded.readUInt32BE(at)
    let group = ''
    for (let digit = 0; digit < 5; digit++) {
      group = alphabet.charAt(value % 85) + group
      value = Math.floor(value / 85)
    }
    encoded += group
  }
  return encoded
}

/** @throws LakeError `LOG_CORRUPT` when the text is no Z85. */
export function decodeZ85(encoded: string): Uint8Array {
  if (encoded.length % 5 !== 0) throw corrupt(encoded)
  const bytes = Buffer.alloc((encoded.length / 5) * 4)
  for (let group = 0; group * 5 < encoded.length; group++) {
    let value = 0
    for (const character of encoded.slice(group * 5, group * 5 + 5)) {
      const digit = digits.get(character)
      if (digit === undefined) throw corrupt(encoded)
      value = value * 85 + digit
    }
    if (value > 0xffffffff) throw corrupt(encoded)
    bytes.writeUInt32BE(value, group * 4)
  }
  return bytes
}

function corrupt(encoded: string): LakeError {
  return new LakeError('LOG_CORRUPT', `Deletion vector: expected Z85, got ${encoded.slice(0, 40)}`)
}
