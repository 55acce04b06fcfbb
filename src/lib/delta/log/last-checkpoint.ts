/**
 * `_last_checkpoint`: where the newest checkpoint is, as a hint. Delta PROTOCOL.md, "Last Checkpoint File" and
 * "JSON checksum".
 */
import { createHash } from 'node:crypto'
import { formatJson, type JsonValue } from '../../base/json.ts'

type Json = { readonly [key: string]: JsonValue }

/** The text of the file, with the checksum that shows a torn one. */
export function encodeLastCheckpoint(hint: Json): Uint8Array {
  return new TextEncoder().encode(formatJson({ ...hint, checksum: jsonChecksum(hint) }))
}

/** MD5 of the canonical form, in hexadecimal digits; a `checksum` at the top is left out. */
export function jsonChecksum(value: Json): string {
  const { checksum: _, ...body } = value
  return createHash('md5').update(canonical('', body).sort().join(',')).digest('hex')
}

function canonical(path: string, value: JsonValue): string[] {
  const below = (key: string, inner: JsonValue): string[] =>
    canonical(path === '' ? key : `${path}+${key}`, inner)
  if (Array.isArray(value)) return value.flatMap((inner: JsonValue, index) => below(String(index), inner))
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => below(quoted(key), inner))
  }
  return [`${path}=${typeof value === 'string' ? quoted(value) : String(value)}`]
}

function quoted(text: string): string {
  const encoded = encodeURIComponent(text).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `"${encoded}"`
}
