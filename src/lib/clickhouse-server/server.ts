/**
 * The embedded server: the engine, its HTTP interface, and how long they live.
 *
 * States: starting → ready (clickhouse.json names it, and is kept so) → closing (takes no new statement, lets running ones
 * finish) → ended. Two locks decide who serves a home: the lock on its path and the engine's lock file. Each
 * server has an upload folder of its own. A server whose folders were deleted or replaced ends at once, because
 * the engine opens files by path and would write into the folders of its successor.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import type { Server } from 'node:http'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { LakeError, messageOf, systemCode } from '../base/errors.ts'
import { makeFolders, privateMode } from '../base/files/folders.ts'
import { OwnFolder } from '../base/files/own-folder.ts'
import type { Logger } from '../base/log.ts'
import { notBegun } from '../clickhouse/failure.ts'
import { writeAccess } from './access.ts'
import { dataFolder, type Endpoint, endpointFile, readEndpoint, writeEndpoint } from './endpoint.ts'
import { type Engine, EngineError, openEngine } from './engine.ts'
import { createHttp } from './http.ts'
import { lockPath } from './path-lock.ts'

export interface ServerOptions {
  /** Data lie in `<home>/clickhouse`. */
  readonly home: string
  /** 0 takes the port of the last server where it is free, else any. */
  readonly port: number
  /** Ends itself after this long without a request. */
  readonly idleMs: number
  readonly memoryBytes: number
  readonly logger: Logger
}

/** Why a server ends by itself: nobody used it for `idleMs`, or its folders are gone. */
export type EndReason = 'idle' | 'folders replaced'

export interface RunningServer {
  readonly endpoint: Endpoint
  /** Resolves when the server has to end. After `folders replaced` the caller ends the process at once. */
  readonly over: Promise<EndReason>
  /**
   * Ends in order, within some seconds.
   * @returns false when a statement did not end: the caller then kills the process.
   */
  close(): Promise<boolean>
}

/** How long running statements may take to finish after the end was asked for. */
const finishMs = 4_000
/** How long a statement may take to stop once it was killed. */
const stopMs = 2_000
/** How often the server looks whether its folders are still its own. */
const lookMs = 250

/** @throws LakeError `HOME_LOCKED` when another process serves this home, `PORT_TAKEN` for a port that was named. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  await makeFolders(resolve(options.home), privateMode)
  const home = await realpath(options.home)
  const data = dataFolder(home)
  const lock = await lockPath(data)
  if (lock.kind === 'held') throw homeLocked(data, lock.pid)
  await makeFolders(data, privateMode)
  const uploads = new OwnFolder(join(data, 'http'), systemClock)
  await uploads.make()
  const configFile = await writeAccess(uploads.path)
  const engine = await openEngine({ path: data, memoryBytes: options.memoryBytes, configFile }).catch(
    async (cause: unknown) => {
      await uploads[Symbol.asyncDispose]()
      throw homeLocked(data, holderOf(data), cause)
    },
  )
  return await serve({ ...options, home, data, engine, uploads })
}

interface Parts extends ServerOptions {
  readonly data: string
  readonly engine: Engine
  readonly uploads: OwnFolder
}

async function serve({ home, data, engine, uploads, ...options }: Parts): Promise<RunningServer> {
  const isOurs = watchFolders([data, join(data, 'status'), uploads.path])
  const last = await readEndpoint(home)
  const username = 'default'
  const password = randomBytes(24).toString('base64url')
  let reportOver = (_reason: EndReason): void => undefined
  const over = new Promise<EndReason>((report) => {
    reportOver = report
  })
  let lastUse = performance.now()
  let running = 0
  let isEnding = false
  const onUse = (): (() => void) => {
    if (!isOurs()) {
      isEnding = true
      reportOver('folders replaced')
    }
    if (isEnding) throw new EngineError(236, 'ABORTED', notBegun)
    running++
    return () => {
      running--
      lastUse = performance.now()
    }
  }
  const server = createHttp({
    engine,
    username,
    password,
    folder: uploads.path,
    logger: options.logger,
    onUse,
  })
  const lastPort = Number(/:(?<port>\d+)\/?$/.exec(last?.url ?? '')?.groups?.['port'] ?? 0)
  const port = await listen(server, options.port, lastPort)
  const endpoint = { url: `http://127.0.0.1:${port}`, username, password, pid: process.pid }
  await writeEndpoint(home, endpoint)

  // A file that was damaged or deleted would keep clients away, and no other server can take this one's place.
  const keepEndpoint = async (): Promise<void> => {
    if (isDeepStrictEqual(await readEndpoint(home), endpoint) || isEnding || !isOurs()) return
    await writeEndpoint(home, endpoint)
    options.logger.warn(
      { file: endpointFile(home) },
      'The file did not name this server, and was written again',
    )
  }
  let keeping: Promise<void> | undefined
  const watch = setInterval(
    () => {
      keeping ??= keepEndpoint()
        // Where it cannot be written now, the next look tries again.
        .catch(() => undefined)
        .finally(() => {
          keeping = undefined
        })
      if (!isOurs()) reportOver('folders replaced')
      else if (running === 0 && performance.now() - lastUse >= options.idleMs) reportOver('idle')
    },
    Math.min(lookMs, Math.ceil(options.idleMs / 4)),
  )
  const end = async (): Promise<boolean> => {
    isEnding = true
    clearInterval(watch)
    await keeping
    const isClosed = new Promise((done) => server.close(done))
    server.closeIdleConnections()
    const deadline = performance.now() + finishMs
    while (running > 0 && performance.now() < deadline) await new Promise((done) => setTimeout(done, 20))
    const isStopped = await engine.stop(stopMs)
    server.closeIdleConnections()
    // Answers are on their way; a request that is still being sent is cut off.
    const cut = setTimeout(() => server.closeAllConnections(), 500)
    await isClosed
    clearTimeout(cut)
    // Before the engine gives up its lock: from then on a successor may be at work.
    await uploads[Symbol.asyncDispose]()
    if (isStopped) engine.close()
    return isStopped
  }
  let ended: Promise<boolean> | undefined
  return {
    endpoint,
    over,
    close: () => {
      ended ??= end()
      return ended
    },
  }
}

/** True as long as each path is the file or folder that it was at first. */
function watchFolders(paths: readonly string[]): () => boolean {
  const identityOf = (path: string): string | undefined => {
    try {
      const { dev, ino } = statSync(path, { bigint: true })
      return `${dev}:${ino}`
    } catch (error) {
      // Only what is certainly gone counts: the file table may be full for a while.
      return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '') ? 'gone' : undefined
    }
  }
  const first = paths.map(identityOf)
  return () =>
    paths.every((path, index) => {
      const now = identityOf(path)
      return now === undefined || now === first[index]
    })
}

function homeLocked(data: string, pid: number | undefined, cause?: unknown): LakeError {
  const holder = pid === undefined ? 'another process' : `process ${pid}`
  const engine = cause === undefined ? '' : `; the engine says: ${messageOf(cause)}`
  const message = `open ${data}: ${holder} serves this folder${engine}`
  return new LakeError('HOME_LOCKED', message, { details: { data, pid }, cause })
}

/** The engine writes its process number into its lock file. */
function holderOf(data: string): number | undefined {
  try {
    const pid = Number(
      /^PID: (?<pid>\d+)$/m.exec(readFileSync(join(data, 'status'), 'utf8'))?.groups?.['pid'],
    )
    return Number.isSafeInteger(pid) && pid !== process.pid ? pid : undefined
  } catch {
    // Only a hint for the message.
    return undefined
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
