/**
 * Files of one message a line. LF alone ends a line, CR is part of it; an empty line is an empty message, and
 * the last line needs no LF.
 */

import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { addAbortSignal, type Writable } from 'node:stream'
import { LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type JsonValue, parseJson } from '../../lib/base/json.ts'
import type { MessageSink } from './sink.ts'

const lineFeed = 0x0a

/**
 * The lines of a stream of bytes, without their LF: those that a chunk completes are handed on together, so that
 * what comes slowly is not held back. Holds no more than a line and a chunk.
 */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer[]> {
  let begun: Buffer[] = []
  for await (const bytes of chunks) {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const lines: Buffer[] = []
    let from = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, from)) {
      const piece = chunk.subarray(from, end)
      lines.push(begun.length === 0 ? piece : Buffer.concat([...begun, piece]))
      begun = []
      from = end + 1
    }
    if (from < chunk.length) begun.push(chunk.subarray(from))
    if (lines.length > 0) yield lines
  }
  if (begun.length > 0) yield [Buffer.concat(begun)]
}

/**
 * The lines of a file, `-` being standard input.
 *
 * @throws LakeError `FILE_MISSING` when the file cannot be read.
 */
export async function* readLines(path: string, { signal }: IoOptions = {}): AsyncGenerator<Buffer[]> {
  const stream = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 1 << 18 })
  if (signal) addAbortSignal(signal, stream)
  try {
    yield* splitLines(stream)
  } catch (error) {
    signal?.throwIfAborted()
    if (systemCode(error) === undefined) throw error
    throw new LakeError('FILE_MISSING', `read ${path}: ${messageOf(error)}`, { cause: error })
  }
}

/** The `user_id` of a line that is a JSON object with one; whatever else it is, it has no key. */
export function keyOfLine(line: Uint8Array): Buffer | null {
  const user = userOf(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString())
  return typeof user === 'string' || typeof user === 'number' || typeof user === 'bigint'
    ? Buffer.from(String(user))
    : null
}

function userOf(text: string): JsonValue | undefined {
  try {
    const value = parseJson(text, 'line')
    return typeof value === 'object' && value !== null && 'user_id' in value ? value['user_id'] : undefined
  } catch {
    // A line that is not JSON is sent all the same: judging it is not the producer's part.
    return undefined
  }
}

export interface LineSink extends MessageSink, AsyncDisposable {}

/**
 * Writes messages as lines, `-` being standard output; the caller closes it. Keys are not written: they are in
 * the values.
 *
 * @throws LakeError `FILE_UNWRITABLE`, `DISK_FULL`.
 */
export async function openLineSink(path: string): Promise<LineSink> {
  if (path === '-') return lineSink(process.stdout, path)
  const stream = createWriteStream(path)
  try {
    await once(stream, 'open')
  } catch (error) {
    throw unwritable(path, error)
  }
  return lineSink(stream, path)
}

function lineSink(stream: Writable, path: string): LineSink {
  let failure: unknown
  // Without a listener a broken pipe would end the process; `append` throws what is noted here.
  stream.on('error', (error) => {
    failure = error
  })
  return {
    async append(messages) {
      if (failure !== undefined) throw unwritable(path, failure)
      const lines = Buffer.concat(
        messages.flatMap(({ value }) => [value ?? Buffer.alloc(0), Buffer.from('\n')]),
      )
      await new Promise<void>((resolve, reject) => {
        stream.write(lines, (error) => (error ? reject(unwritable(path, error)) : resolve()))
      })
    },
    async [Symbol.asyncDispose]() {
      if (stream === process.stdout || failure !== undefined) return
      stream.end()
      await once(stream, 'close')
    },
  }
}

function unwritable(path: string, error: unknown): LakeError {
  const code = systemCode(error) === 'ENOSPC' ? 'DISK_FULL' : 'FILE_UNWRITABLE'
  return new LakeError(code, `write ${path}: ${messageOf(error)}`, { cause: error })
}
