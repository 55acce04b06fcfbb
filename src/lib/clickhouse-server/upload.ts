/**
 * Receives the text of a statement and the data of an insert from an HTTP request.
 *
 * The data is written to a file as it arrives, and the statement is changed to read that file. So one insert is
 * one block, and memory does not grow with the body.
 */
import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { messageOf, systemCode } from '../base/errors.ts'
import { quoteLiteral } from '../clickhouse/quote.ts'
import { EngineError } from './engine.ts'
import { readStatement, type Statement } from './statement.ts'

export interface Upload {
  readonly statement: Statement
  readonly sql: string
  /** A file name of this request's own, removed by `discard`. */
  spare(): string
  discard(): Promise<void>
}

type Request = Readable & Pick<IncomingMessage, 'headers'>

/** How much of a body is looked at for the place where the data of an insert begins. */
const headBytes = 1 << 20
/** Without a limit of the request's own. */
const mostStatementBytes = 64 << 20

export interface ReceiveOptions {
  /** Where the data of an insert is kept. */
  readonly folder: string
  /** The longest statement, without the data of an insert. A longer one is refused before it is parsed. */
  readonly maxQueryBytes: number
  readonly signal: AbortSignal
}

/**
 * @throws EngineError when the body is not what its encoding says, is a statement beyond all measure, or finds no
 * room on the disk.
 */
export async function receive(
  request: Request,
  query: string,
  { folder, maxQueryBytes, signal }: ReceiveOptions,
): Promise<Upload> {
  const chunks = decoded(request)[Symbol.asyncIterator]()
  const files: string[] = []
  const spare = (): string => {
    const file = join(folder, randomUUID())
    files.push(file)
    return file
  }
  const discard = async (): Promise<void> => {
    await Promise.all(files.map((file) => rm(file, { force: true })))
  }
  try {
    const parts: Buffer[] = [Buffer.from(query === '' ? '' : `${query}\n`)]
    let isEnded = false
    let size = 0
    const gather = async (bytes: number): Promise<Buffer> => {
      while (!isEnded && size < bytes) {
        const step = await chunks.next()
        if (step.done === true) isEnded = true
        else {
          parts.push(step.value)
          size += step.value.byteLength
        }
      }
      return Buffer.concat(parts)
    }
    const isHeadInQuery = readStatement(query).kind === 'insert'
    const head = await gather(isHeadInQuery ? 0 : headBytes)
    let statement = readStatement(head.toString('latin1'))
    if (statement.kind === 'insert') {
      const { target, settings, format, dataAt } = statement.parts
      const file = spare()
      const rest = Readable.from(withFirst(head.subarray(dataAt), chunks), { objectMode: false })
      await pipeline(rest, createWriteStream(file, { mode: 0o600 }), { signal })
      const clauses = Buffer.from(`${settings}\nFORMAT ${format}`, 'latin1').toString()
      const sql = `${Buffer.from(target, 'latin1').toString()}\nFROM INFILE ${quoteLiteral(file)} ${clauses}`
      return { statement, sql, spare, discard }
    }
    const limit = Math.min(maxQueryBytes, mostStatementBytes)
    const whole = await gather(limit + 1)
    if (whole.byteLength > limit) {
      throw new EngineError(62, 'SYNTAX_ERROR', `Max query size exceeded: ${limit} bytes (max_query_size)`)
    }
    const sql = whole.toString()
    statement = readStatement(sql)
    return { statement, sql, spare, discard }
  } catch (error) {
    await discard()
    if (error instanceof EngineError) throw error
    signal.throwIfAborted()
    throw bodyFault(error)
  }
}

/**
 * An empty file is made and removed: health means that an insert finds room for its data.
 *
 * @throws EngineError as `receive` does.
 */
export async function checkRoom(folder: string): Promise<void> {
  const file = join(folder, randomUUID())
  try {
    await writeFile(file, '', { mode: 0o600 })
    await rm(file, { force: true })
  } catch (error) {
    throw bodyFault(error)
  }
}

function bodyFault(error: unknown): EngineError {
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new EngineError(
        243,
        'NOT_ENOUGH_SPACE',
        `Cannot keep the body: the disk is full: ${messageOf(error)}`,
      )
    case 'EMFILE':
    case 'ENFILE':
      return new EngineError(
        202,
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Cannot keep the body: too many files are open: ${messageOf(error)}`,
      )
    case 'ENOENT':
    case 'EROFS':
    case 'EACCES':
      return new EngineError(76, 'CANNOT_OPEN_FILE', `Cannot keep the body: ${messageOf(error)}`)
    default:
      return new EngineError(33, 'CANNOT_READ_ALL_DATA', `Cannot read the body: ${String(error)}`)
  }
}

async function* withFirst(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer, void> {
  if (first.byteLength > 0) yield first
  for (;;) {
    const step = await rest.next()
    if (step.done === true) return
    yield step.value
  }
}

function decoded(request: Request): AsyncIterable<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  switch (encoding) {
    case 'identity':
    case '':
      return request
    case 'gzip':
      return joined(request, createGunzip())
    case 'deflate':
      return joined(request, createInflate())
    case 'br':
      return joined(request, createBrotliDecompress())
    default:
      throw new EngineError(48, 'NOT_IMPLEMENTED', `Content-Encoding ${encoding} is not served`)
  }
}

/** `pipe` alone would leave a reader waiting for ever when the request breaks off. */
function joined<T extends NodeJS.ReadWriteStream & AsyncIterable<Buffer>>(
  request: Readable,
  decoder: T,
): AsyncIterable<Buffer> {
  pipeline(request, decoder).catch(() => undefined)
  return decoder
}
