/** The bytes of a file or of standard input as pieces of text: unpacked, without a byte order mark, UTF-8 or refused. */
import { createReadStream, createWriteStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { LakeError, messageOf, systemCode } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { FileFault } from './fault.ts'

const pieceBytes = 1024 * 1024

/** @throws LakeError `FILE_MISSING` for what is no file that can be read. */
export async function requireFile(path: string): Promise<void> {
  try {
    if ((await stat(path)).isFile()) return
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') {
      throw new LakeError('FILE_MISSING', `read ${path}: ${messageOf(error)}`, { cause: error })
    }
  }
  throw new LakeError('FILE_MISSING', `${path}: no such file`, { details: { path } })
}

/** Writes all bytes of a stream to a new file. */
export async function spool(
  from: NodeJS.ReadableStream,
  to: string,
  { signal }: IoOptions = {},
): Promise<void> {
  try {
    await pipeline(from, createWriteStream(to, { flags: 'wx' }), { ...(signal !== undefined && { signal }) })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

/** Writes the unpacked bytes of a gzip file to a new file. @throws FileFault where it is none, or is cut short. */
export async function unpack(path: string, to: string, { signal }: IoOptions = {}): Promise<void> {
  try {
    await pipeline(createReadStream(path), createGunzip(), createWriteStream(to, { flags: 'wx' }), {
      ...(signal !== undefined && { signal }),
    })
  } catch (error) {
    signal?.throwIfAborted()
    if (!systemCode(error)?.startsWith('Z_')) throw error
    throw new FileFault(`gzip: ${messageOf(error)}`)
  }
}

export async function firstBytes(path: string, count: number): Promise<Buffer> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(count), 0, count, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Takes a text and says how much of it was read; the rest comes again, with more behind it. */
export interface TextReader {
  read(text: string, isLast: boolean): number
}

export interface ReadTextOptions extends IoOptions {
  /** Waited for before the next piece is read. */
  readonly afterPiece?: () => Promise<void>
  /** Whether the rest need not be read. */
  readonly isDone?: () => boolean
}

/** Reads a whole file. @throws FileFault as the reader does, and where the bytes are not UTF-8. */
export async function readText(
  path: string,
  reader: TextReader,
  { signal, afterPiece, isDone }: ReadTextOptions = {},
): Promise<void> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  let lines = 1
  let wanted = 0
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
    signal?.throwIfAborted()
    if (!(piece instanceof Buffer)) throw new LakeError('BUG', `${path}: expected bytes`)
    rest += decoded(decoder, piece, lines)
    lines += newlines(piece)
    if (rest.length < wanted) continue
    rest = rest.slice(reader.read(rest, false))
    // A record that is longer than a piece is not looked at again before there is twice as much.
    wanted = rest.length * 2
    await afterPiece?.()
    if (isDone?.() === true) return
  }
  rest += decoded(decoder, undefined, lines)
  reader.read(rest, true)
}

function decoded(decoder: InstanceType<typeof TextDecoder>, piece: Buffer | undefined, line: number): string {
  try {
    return piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true })
  } catch {
    throw new FileFault('the bytes are not UTF-8', {
      line: line + (piece === undefined ? 0 : linesBeforeFault(piece)),
    })
  }
}

/** A character that began in the piece before is taken for right. */
function linesBeforeFault(piece: Buffer): number {
  let from = 0
  while (from < 3 && ((piece[from] ?? 0) & 0xc0) === 0x80) from += 1
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for (let lines = 0; ; lines++) {
    const end = piece.indexOf(10, from)
    try {
      decoder.decode(piece.subarray(from, end === -1 ? undefined : end))
    } catch {
      return lines
    }
    if (end === -1) return lines
    from = end + 1
  }
}

function newlines(piece: Buffer): number {
  let count = 0
  for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, at + 1)) count += 1
  return count
}
