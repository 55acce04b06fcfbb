/**
 * Which rows of a data file are deleted: where the log says so, and the files that hold it.
 * Delta PROTOCOL.md, "Deletion Vectors" and "Deletion Vector File Storage Format".
 *
 * ```
 * version 1 │ ( u32 size │ data │ u32 CRC-32 of data )*      big-endian; `offset` points at a size
 * ```
 */
import { crc32 } from 'node:zlib'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { DeletionVector } from '../log/actions.ts'
import { readTableFile } from '../log/local-paths.ts'
import { decodeRows, encodeRows } from './roaring.ts'
import type { RowSet } from './row-set.ts'
import { decodeZ85, encodeZ85 } from './z85.ts'

const formatVersion = 1
const uuidCharacters = 20
/** Where the first vector of a file lies. */
const firstOffset = 1
/** Vector files are read so many at a time. */
const concurrency = 16

export type DeletionVectorPlace =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  /** `path` is as in `add.path`. */
  | { readonly kind: 'file'; readonly path: string; readonly offset: number }

/** @throws LakeError `LOG_CORRUPT` for a descriptor that is not well formed. */
export function deletionVectorPlace(vector: DeletionVector): DeletionVectorPlace {
  const { storageType, pathOrInlineDv, offset = firstOffset, sizeInBytes } = vector
  switch (storageType) {
    case 'i': {
      const bytes = decodeZ85(pathOrInlineDv)
      if (bytes.length < sizeInBytes) throw corrupt(`expected ${sizeInBytes} bytes, got ${bytes.length}`)
      return { kind: 'inline', bytes: bytes.subarray(0, sizeInBytes) }
    }
    case 'u': {
      if (pathOrInlineDv.length < uuidCharacters) throw corrupt(`no UUID in ${pathOrInlineDv}`)
      const prefix = pathOrInlineDv.slice(0, -uuidCharacters)
      if (/\p{Surrogate}/u.test(prefix)) throw corrupt(`half a character in ${JSON.stringify(prefix)}`)
      const uuid = uuidText(decodeZ85(pathOrInlineDv.slice(-uuidCharacters)))
      const folder = prefix === '' ? '' : `${encodeURIComponent(prefix)}/`
      return { kind: 'file', path: `${folder}deletion_vector_${uuid}.bin`, offset }
    }
    case 'p':
      return { kind: 'file', path: pathOrInlineDv, offset }
    default:
      throw corrupt(`unknown storage type ${storageType}`)
  }
}

/**
 * The deleted rows of each of `files`, in their order; `undefined` for a file without a vector. A file that
 * holds many vectors is read once.
 *
 * @throws LakeError `LOG_CORRUPT` when a vector cannot be read, its checksum differs, or it holds another number
 * of rows than the log says.
 */
export async function readDeletionVectors(
  store: ObjectStore,
  files: readonly { readonly path: string; readonly deletionVector?: DeletionVector }[],
  { signal }: IoOptions = {},
): Promise<readonly (RowSet | undefined)[]> {
  const found: (RowSet | undefined)[] = new Array(files.length)
  const byFile = new Map<
    string,
    { readonly index: number; readonly vector: DeletionVector; readonly offset: number }[]
  >()
  files.forEach(({ deletionVector }, index) => {
    if (deletionVector === undefined) return
    const place = deletionVectorPlace(deletionVector)
    if (place.kind === 'inline') {
      found[index] = checked(decodeRows(place.bytes), deletionVector)
      return
    }
    const entry = { index, vector: deletionVector, offset: place.offset }
    const entries = byFile.get(place.path)
    if (entries === undefined) byFile.set(place.path, [entry])
    else entries.push(entry)
  })
  const places = byFile.entries()
  const readAll = async (): Promise<void> => {
    for (const [path, entries] of places) {
      const bytes = await readTableFile(store, path, { signal })
      for (const { index, vector, offset } of entries) {
        found[index] = checked(decodeRows(vectorIn(bytes, offset, vector.sizeInBytes, path)), vector)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, byFile.size) }, readAll))
  return found
}

function vectorIn(bytes: Uint8Array, offset: number, size: number, path: string): Uint8Array {
  if (bytes[0] !== formatVersion) throw corrupt(`${path}: expected format version 1, got ${bytes[0]}`)
  if (offset + 4 + size + 4 > bytes.length) throw corrupt(`${path}: it ends before the vector at ${offset}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const stored = view.getUint32(offset)
  if (stored !== size) throw corrupt(`${path}, at ${offset}: expected ${size} bytes, got ${stored}`)
  const body = bytes.subarray(offset + 4, offset + 4 + size)
  if (view.getUint32(offset + 4 + size) !== crc32(body)) {
    throw corrupt(`${path}, at ${offset}: its checksum is another`)
  }
  return body
}

function checked(rows: RowSet, { cardinality }: DeletionVector): RowSet {
  if (rows.cardinality === cardinality) return rows
  throw corrupt(`expected ${cardinality} rows, got ${rows.cardinality}`)
}

function corrupt(what: string): LakeError {
  return new LakeError('LOG_CORRUPT', `Deletion vector: ${what}`)
}

/** A vector within the log itself: for few rows. */
export function inlineDeletionVector(rows: RowSet): DeletionVector {
  const bytes = encodeRows(rows)
  return {
    storageType: 'i',
    pathOrInlineDv: encodeZ85(bytes),
    sizeInBytes: bytes.length,
    cardinality: rows.cardinality,
  }
}

export interface DeletionVectorFile {
  /** Relative to the table's root. */
  readonly key: string
  readonly bytes: Uint8Array
  /** For each set of rows, in their order. */
  readonly vectors: readonly DeletionVector[]
}

/** One file with a vector for each set of rows. @param uuid As text, with hyphens. */
export function encodeDeletionVectorFile(sets: readonly RowSet[], uuid: string): DeletionVectorFile {
  const pathOrInlineDv = encodeZ85(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
  const parts: Uint8Array[] = [Uint8Array.of(formatVersion)]
  let offset = firstOffset
  const vectors = sets.map((rows): DeletionVector => {
    const body = encodeRows(rows)
    const frame = Buffer.alloc(8)
    frame.writeUInt32BE(body.length, 0)
    frame.writeUInt32BE(crc32(body), 4)
    parts.push(frame.subarray(0, 4), body, frame.subarray(4))
    const vector = {
      storageType: 'u',
      pathOrInlineDv,
      offset,
      sizeInBytes: body.length,
      cardinality: rows.cardinality,
    }
    offset += body.length + 8
    return vector
  })
  return { key: `deletion_vector_${uuid}.bin`, bytes: Buffer.concat(parts), vectors }
}

/** Distinguishes the deletion vectors of one data file. Delta PROTOCOL.md, "Derived Fields". */
export function deletionVectorId({ storageType, pathOrInlineDv, offset }: DeletionVector): string {
  return `${storageType}${pathOrInlineDv}${offset === undefined ? '' : `@${offset}`}`
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
