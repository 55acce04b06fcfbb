/**
 * The console: REST API and page on one port. It only reads.
 *
 * No part can block it: each part is read by itself, one read serves all viewers, and a late value is shown with its
 * age.
 */
import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify'
import { type Clock, systemClock } from '../lib/base/clock.ts'
import { isLakeError, LakeError, messageOf, systemCode } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import { formatJson, type JsonValue } from '../lib/base/json.ts'
import { type Logger, silentLogger } from '../lib/base/log.ts'
import type { ClickHouse } from '../lib/clickhouse/clickhouse.ts'
import type { Cron } from '../lib/schedule/cron.ts'
import type { Progress } from '../pipeline/platform/progress.ts'
import type { StageStatus } from '../pipeline/platform/stream-status.ts'
import { createAccess } from './access.ts'
import type { Problem, StoppedStage } from './answers.ts'
import { createGuard, securityHeaders } from './guard.ts'
import { OverviewReader } from './overview.ts'
import { type HintOf, problemOf } from './problem.ts'
import type { BooksReader } from './readings/books.ts'
import { createRunsReader, type RunReader } from './readings/runs.ts'
import { SharedReading } from './readings/shared-reading.ts'
import { troublesOf } from './readings/stage-troubles.ts'
import type { TablesReader } from './readings/tables.ts'
import { routes } from './routes/index.ts'
import type { Sources } from './routes/route.ts'

export interface ConsoleParts {
  readonly clickhouse: Pick<ClickHouse, 'query' | 'ping'>
  readonly tables: TablesReader
  readonly runs: RunReader
  readonly books: BooksReader
  readonly hintOf: HintOf
  /** When the batch runs; without it, the console does not say. */
  readonly schedule?: Cron
  /** Those of the same process, newest last. None without it. */
  readonly stoppedStages?: () => readonly StoppedStage[]
  /** The streaming stages of all machines. None without it. */
  readonly stages?: (io: IoOptions) => Promise<readonly StageStatus[]>
  /** How far the platform of the same process has come up; `undefined` when it is up. */
  readonly comingUp?: () => Progress | undefined
  /** What is served at `/metrics`; nothing without it. */
  readonly metrics?: { readonly contentType: string; text(): Promise<string> }
  readonly logger?: Logger
  readonly clock?: Clock
}

export interface ConsolePlace {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Folder of the built page; without it the API alone is served. */
  readonly webRoot?: string
  /** Names beside loopback and `host` under which the console may be asked. */
  readonly allowedHosts?: readonly string[]
  /** What a reader must send. Without it, everybody who reaches the console may read it. */
  readonly token?: string
}

export interface RunningConsole extends AsyncDisposable {
  readonly url: string
}

/** Closing it ends what it is reading; the parts stay the caller's. */
export function createConsole(
  {
    clickhouse,
    tables,
    runs,
    books,
    hintOf,
    schedule,
    stoppedStages = () => [],
    stages = async () => [],
    comingUp = () => undefined,
    metrics,
    logger = silentLogger,
    clock = systemClock,
  }: ConsoleParts,
  place: ConsolePlace,
): FastifyInstance {
  const overview = new OverviewReader({ clickhouse, clock, hintOf, logger })
  const share = <T>(what: string, read: (io: IoOptions) => Promise<T>): SharedReading<T> =>
    new SharedReading(read, {
      what,
      clock,
      hintOf,
      onFailure: (error) => logger.warn({ err: error }, `${what} could not be read`),
    })
  const sources: Sources = {
    overview,
    clickhouse,
    runs,
    schedule,
    clock,
    hintOf,
    stoppedStages,
    stageTroubles: share('The stages', async (io) => troublesOf(await stages(io), hintOf)),
    comingUp,
    wantsToken: place.token !== undefined,
    tables: share('The tables', tables),
    newestRuns: share('The runs', createRunsReader(runs, hintOf)),
    books: share('The books', books),
    ping: share('ClickHouse', (io) => clickhouse.ping(io)),
  }

  const app = openServer()
  admit(app, place)
  answerFailures(app, { hintOf, logger })
  serveRoutes(app, sources, metrics)
  app.addHook('onClose', async () => {
    overview.close()
    const { tables: read, newestRuns, books: audited, ping, stageTroubles } = sources
    for (const reading of [read, newestRuns, audited, ping, stageTroubles]) reading.close()
  })

  if (place.webRoot !== undefined) servePage(app, place.webRoot)
  return app
}

function openServer(): FastifyInstance {
  return fastify({
    logger: false,
    forceCloseConnections: true,
    // Without it, Node itself answers who names no host, with an empty body; the guard says why.
    http: { requireHostHeader: false },
    clientErrorHandler: refuseBytes,
    // Of a path that cannot be decoded, which no hook sees.
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply.headers(securityHeaders), 400, refusalOf(error))
    },
  })
}

/** What cannot be read as HTTP comes no further than the socket. */
function refuseBytes(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy(error)
  const status = clientStatus[error.code ?? ''] ?? '400 Bad Request'
  const body = formatJson({ error: refusalOf(error) })
  const headers = {
    ...securityHeaders,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** By the codes of Node. */
const clientStatus: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
}

/** Only those who may ask get further than here. */
function admit(app: FastifyInstance, place: ConsolePlace): void {
  const guard = createGuard(place)
  const access = createAccess(place.token)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders)
    const refusal = guard.refusal({
      method: request.method,
      host: request.headers.host,
      origin: request.headers.origin,
      localPort: request.socket.localPort,
    })
    if (refusal !== undefined) {
      const hint = 'Open the console under the address that it printed, or name this host as allowed.'
      return reply.code(403).send({ error: { code: 'USAGE', message: `Request: ${refusal}`, hint } })
    }
    const { authorization, cookie } = request.headers
    const answer = access({ method: request.method, url: request.url, authorization, cookie })
    if (answer.kind === 'refused') {
      return sendProblem(reply.header('www-authenticate', 'Bearer'), 401, {
        code: 'USAGE',
        message: 'Request: the console wants its token',
        hint: 'Open the page once with ?token=…, or send Authorization: Bearer …, with what CONSOLE_TOKEN is.',
      })
    }
    if (answer.kind === 'signed in') {
      return fresh(reply.header('set-cookie', answer.cookie)).redirect(answer.location, 303)
    }
    return undefined
  })
}

function answerFailures(
  app: FastifyInstance,
  { hintOf, logger }: { readonly hintOf: HintOf; readonly logger: Logger },
): void {
  app.setErrorHandler(async (error, request, reply) => {
    const status = statusOf(error)
    if (status === 500) logger.error({ err: error, url: request.url }, 'The console could not answer')
    await sendProblem(
      reply,
      status,
      isLakeError(error) || status >= 500 ? problemOf(error, hintOf) : refusalOf(error),
    )
  })

  app.setNotFoundHandler(async (request, reply) => {
    await sendProblem(reply, 404, {
      code: 'USAGE',
      message: `${request.method} ${request.url.split('?')[0]}: there is nothing here`,
      hint: 'The API is described at /api/openapi.json.',
    })
  })
}

const gone = new WeakMap<Socket, AbortSignal>()

/** Aborted when the client has closed the connection: it has given up, or its page is closed. */
function goneOf(socket: Socket): AbortSignal {
  const known = gone.get(socket)
  if (known !== undefined) return known
  const controller = new AbortController()
  // An overview waits for each of its panels; past ten, Node would warn of a leak.
  setMaxListeners(0, controller.signal)
  socket.once('close', () => controller.abort(new LakeError('INTERRUPTED', 'The client is gone')))
  gone.set(socket, controller.signal)
  return controller.signal
}

function serveRoutes(app: FastifyInstance, sources: Sources, metrics: ConsoleParts['metrics']): void {
  serveMetrics(app, metrics)
  for (const each of routes) {
    app.get(each.path.replace(/\{(\w+)\}/g, ':$1'), async (request, reply) => {
      const answered = await each.handle({ params: request.params, query: request.query }, sources, {
        signal: goneOf(request.raw.socket),
      })
      if (answered.kind === 'missing') return sendProblem(reply, 404, answered.problem)
      // Whole numbers of 64 bits keep their digits.
      const text = formatJson(answered.body as JsonValue)
      return fresh(reply)
        .code(answered.status ?? 200)
        .type('application/json; charset=utf-8')
        .send(text)
    })
  }
}

function serveMetrics(app: FastifyInstance, metrics: ConsoleParts['metrics']): void {
  if (metrics === undefined) return
  app.get('/metrics', async (_request, reply) =>
    fresh(reply)
      .type(metrics.contentType)
      .send(await metrics.text()),
  )
}

/** Files under `assets` carry their hash in their names; the page that names them is asked for each time. */
function servePage(app: FastifyInstance, webRoot: string): void {
  const assets = join(webRoot, 'assets')
  app.register(fastifyStatic, {
    root: webRoot,
    dotfiles: 'ignore',
    cacheControl: false,
    setHeaders: (reply, path) => {
      const isImmutable = path.startsWith(assets)
      reply.header('cache-control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  })
}

/**
 * Listens until it is disposed of or `signal` aborts.
 *
 * @throws LakeError `PORT_TAKEN` naming host and port, `CONFIG_INVALID` for a host that is not ours.
 */
export async function startConsole(
  parts: ConsoleParts,
  place: ConsolePlace,
  { signal }: IoOptions = {},
): Promise<RunningConsole> {
  signal?.throwIfAborted()
  const app = createConsole(parts, place)
  const { host, port } = place
  try {
    await app.listen({ host, port })
  } catch (error) {
    await app.close()
    throw listenFailure(error, host, port)
  }
  const close = (): Promise<void> => app.close()
  const closeQuietly = (): void => {
    // Who disposes of it waits for the same closing, and sees its failure.
    void close().catch(() => undefined)
  }
  signal?.addEventListener('abort', closeQuietly, { once: true })
  if (signal?.aborted) closeQuietly()
  const address = app.server.address()
  return {
    url: urlOf(host, typeof address === 'object' && address !== null ? address.port : port),
    [Symbol.asyncDispose]: async () => {
      signal?.removeEventListener('abort', closeQuietly)
      await close()
    },
  }
}

/** As one would type it: a wildcard is reached by loopback. */
function urlOf(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' || host === '' ? '127.0.0.1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

function listenFailure(error: unknown, host: string, port: number): LakeError {
  const where = `${host}:${port}`
  const code = systemCode(error)
  if (code === 'EADDRINUSE') {
    return new LakeError('PORT_TAKEN', `Console: something else listens on ${where}`, {
      cause: error,
      details: { host, port, fault: 'console' },
    })
  }
  if (code === 'EACCES') {
    return new LakeError('PORT_TAKEN', `Console: no permission to listen on ${where}`, {
      cause: error,
      details: { host, port, fault: 'port-reserved' },
    })
  }
  return new LakeError('CONFIG_INVALID', `Console: cannot listen on ${where}: ${messageOf(error)}`, {
    cause: error,
    details: { host, port, fault: 'host-not-ours' },
  })
}

function statusOf(error: unknown): number {
  if (isLakeError(error, 'USAGE')) return 400
  if (isLakeError(error, 'RUN_MISSING')) return 404
  if (isLakeError(error, 'RUNSTORE_UNAVAILABLE', 'RUNSTORE_REFUSED', 'CLICKHOUSE_UNAVAILABLE')) return 503
  if (typeof error === 'object' && error !== null && 'statusCode' in error) {
    return typeof error.statusCode === 'number' ? error.statusCode : 500
  }
  return 500
}

/** What the server under us does not let through: a path, a body that nobody asked for. */
const refusalOf = (error: unknown): Problem => ({
  code: 'USAGE',
  message: `Request: ${messageOf(error)}`,
  hint: 'The API is described at /api/openapi.json.',
})

const sendProblem = (reply: FastifyReply, status: number, problem: Problem): FastifyReply =>
  fresh(reply).code(status).send({ error: problem })

const fresh = (reply: FastifyReply): FastifyReply => reply.header('cache-control', 'no-store')
