/**
 * A lock on a path, held by one process of this host until it ends, however it ends.
 *
 * A lock file is lost if its folder is deleted or replaced while the holder runs. This lock is the name of an abstract
 * Unix socket, which no file operation can remove. Linux only: on other systems, and between containers, only the
 * engine's own lock file decides. unix(7), "Abstract sockets".
 */
import { createHash } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { systemCode } from '../base/errors.ts'

export type PathLock =
  | { readonly kind: 'acquired'; release(): void }
  /** `pid` is missing where the holder does not say it in time. */
  | { readonly kind: 'held'; readonly pid: number | undefined }

/** The length of a socket's name; a shorter one is padded differently by different versions of Node. */
const nameLength = 107

/** Never waits for the holder. @param path Absolute, with links resolved. */
export async function lockPath(path: string): Promise<PathLock> {
  if (process.platform !== 'linux') return { kind: 'acquired', release: () => undefined }
  const user = process.getuid?.() ?? 0
  const hash = createHash('sha256').update(path).digest('hex')
  const name = `\0lakeshore/${user}/${hash}`.padEnd(nameLength, '/')
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.end(`${process.pid}\n`)
  })
  const isAcquired = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error) => (systemCode(error) === 'EADDRINUSE' ? resolve(false) : reject(error)))
    server.listen({ path: name }, () => resolve(true))
  })
  if (!isAcquired) return { kind: 'held', pid: await holderOf(name) }
  server.unref()
  return { kind: 'acquired', release: () => void server.close() }
}

function holderOf(name: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect({ path: name, timeout: 1_000 })
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString()
    })
    socket.on('timeout', () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(/^\d+\n$/.test(answer) ? Number(answer) : undefined))
  })
}
