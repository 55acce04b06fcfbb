/**
 * The embedded server: the engine, its HTTP interface, and how long they live.
 *
 * Starting → ready (the endpoint file names it) → closing (nothing new is taken, what runs may finish) → ended.
 * The engine's lock on its directory decides who serves a home; the file is written only by who holds it.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { join, resolve } from 'node:path'
import { LakeError, systemCode } from '../base/errors.ts'
import { makeFolders } from '../base/folders.ts'
import type { Logger } from '../base/log.ts'
import { type Endpoint, notBegun, readEndpoint, writeEndpoint } from './endpoint.ts'
import { EngineError, openEngine } from './server.engine.ts'
import { createHttp } from './server.http.ts'

export interface ServerOptions {
  /** Data lie in `<home>/clickhouse`. */
  readonly home: string
  /** 0 takes the port of the last time where it is free, else any. */
  readonly port: number
  /** Ends itself after this long without a request. */
  readonly idleMs: number
  readonly memoryBytes: number
  readonly logger: Logger
}

export interface RunningServer extends AsyncDisposable {
  readonly endpoint: Endpoint
  /** Resolves when nobody has used the server for `idleMs`. */
  readonly idle: Promise<void>
}

/** How long running statements may take to finish after the end was asked for. */
const graceMs = 5_000

/** @throws LakeError `HOME_LOCKED` when another process serves this home, `PORT_TAKEN` for a port that was named. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const home = resolve(options.home)
  const path = join(home, 'clickhouse')
  const folder = join(path, 'http')
  await makeFolders(path)
  const engine = await openEngine({ path, memoryBytes: options.memoryBytes }).catch((cause: unknown) => {
    const hint =
      'The lines before this one are the words of the engine: it tells who else holds the directory.'
    throw new LakeError('HOME_LOCKED', `open ${path}: the engine refused`, { cause, hint })
  })
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)

  const last = await readEndpoint(home)
  const username = 'default'
  const password = last?.password || randomBytes(24).toString('base64url')
  let lastUse = performance.now()
  let inWork = 0
  let isEnding = false
  const onUse = (): (() => void) => {
    if (isEnding) throw new EngineError(236, 'ABORTED', notBegun)
    inWork++
    return () => {
      inWork--
      lastUse = performance.now()
    }
  }
  const server = createHttp({ engine, username, password, folder, logger: options.logger, onUse })
  const lastPort = Number(/:(?<port>\d+)\/?$/.exec(last?.url ?? '')?.groups?.['port'] ?? 0)
  const port = await listen(server, options.port, lastPort)
  const endpoint = { url: `http://127.0.0.1:${port}`, username, password, pid: process.pid }
  await writeEndpoint(home, endpoint)

  let ended: Promise<void> | undefined
  const end = async (): Promise<void> => {
    isEnding = true
    clearInterval(watch)
    const isClosed = new Promise((done) => server.close(done))
    server.closeIdleConnections()
    const deadline = performance.now() + graceMs
    while (inWork > 0 && performance.now() < deadline) await new Promise((done) => setTimeout(done, 20))
    await engine.close()
    server.closeIdleConnections()
    const cut = setTimeout(() => server.closeAllConnections(), 500)
    await isClosed
    clearTimeout(cut)
    await rm(folder, { recursive: true, force: true })
  }
  let reportIdle = (): void => undefined
  const idle = new Promise<void>((report) => {
    reportIdle = report
  })
  const watch = setInterval(
    () => {
      if (inWork === 0 && performance.now() - lastUse >= options.idleMs) reportIdle()
    },
    Math.min(1_000, Math.ceil(options.idleMs / 4)),
  )
  return {
    endpoint,
    idle,
    [Symbol.asyncDispose]: () => {
      ended ??= end()
      return ended
    },
  }
}

/** Ports to try in turn; resolves with the one that was free. */
async function listen(server: Server, wanted: number, last: number): Promise<number> {
  const candidates = wanted !== 0 ? [wanted] : last !== 0 ? [last, 0] : [0]
  for (const port of candidates) {
    try {
      return await new Promise((done, reject) => {
        server.once('error', reject)
        server.listen({ host: '127.0.0.1', port }, () => {
          server.off('error', reject)
          const address = server.address()
          done(typeof address === 'object' && address !== null ? address.port : port)
        })
      })
    } catch (cause) {
      if (systemCode(cause) !== 'EADDRINUSE') throw cause
    }
  }
  throw new LakeError('PORT_TAKEN', `listen on 127.0.0.1:${wanted}: the port is taken`)
}
