/**
 * The HTTP interface of ClickHouse for one engine. `@clickhouse/client`, curl and Grafana use it.
 *
 * The statement is `?query=`, the body, or the first followed by the second. Settings and parameters are in the
 * URL. The answer begins after the engine has finished, so that a failure always has its status. A client that
 * disconnects ends its statement. ClickHouse documentation, "HTTP Interface".
 */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip, gzip } from 'node:zlib'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { quoteLiteral } from '../clickhouse/quote.ts'
import { proofOf } from './endpoint.ts'
import { type Answer, type Engine, EngineError, type Work } from './engine.ts'
import type { Statement } from './statement.ts'
import { checkRoom, receive, type Upload } from './upload.ts'

export interface HttpOptions {
  readonly engine: Engine
  readonly username: string
  readonly password: string
  /** Holds the data of running inserts, and answers that are too large for memory. */
  readonly folder: string
  readonly logger: Logger
  /** Called for each request with the right password. Returns the function to call when the request is over. */
  readonly onUse: () => () => void
}

/** What an answer may weigh in memory; one above it goes by way of a file. */
const maxAnswerBytes = 64 << 20

/** Names in the URL that are no settings of the engine. */
const ownNames: ReadonlySet<string> = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'user',
  'password',
  'role',
  'quota_key',
  'stacktrace',
  'session_id',
  'session_timeout',
  'session_check',
  'close_session',
  'client_protocol_version',
  'buffer_size',
  'wait_end_of_query',
  'log_comment',
])

const statusOf: ReadonlyMap<number, number> = new Map([
  [202, 503],
  [516, 403],
  [291, 403],
  [497, 403],
  [452, 403],
  [164, 403],
  [60, 404],
  [81, 404],
  [48, 501],
  [1000, 400],
  ...[6, 26, 27, 36, 38, 41, 44, 47, 62, 72, 115, 117, 456, 457].map((code): [number, number] => [code, 400]),
])

/** Listens nowhere yet: the caller chooses the port. */
export function createHttp(options: HttpOptions): Server {
  const server = createServer({ maxHeaderSize: 1 << 20, keepAliveTimeout: 10_000 }, (request, response) => {
    answer(request, response, server, options).catch((error: unknown) => fail(response, error, options))
  })
  server.requestTimeout = 0
  return server
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  server: Server,
  { engine, username, password, folder, onUse }: HttpOptions,
): Promise<void> {
  checkHost(request, server)
  const url = urlOf(request)
  response.setHeader('X-ClickHouse-Server-Display-Name', 'lakeshore')
  if (url.pathname === '/ping' || url.pathname === '/replicas_status') {
    await checkRoom(folder)
    response.end('Ok.\n')
    return
  }
  if (url.pathname === '/proof') {
    const challenge = url.searchParams.get('challenge') ?? ''
    const endpoint = { url: `http://127.0.0.1:${portOf(server)}`, username, password, pid: process.pid }
    response.end(`${proofOf(endpoint, challenge)}\n`)
    return
  }
  if (url.pathname !== '/') {
    response.statusCode = 404
    response.setHeader('Connection', 'close')
    response.end(`There is no handle ${url.pathname}\n\nUse / or /ping for health checks.\n`)
    return
  }
  if (request.method !== 'GET' && request.method !== 'POST') {
    throw new EngineError(1000, 'POCO_EXCEPTION', `Method ${request.method ?? ''} is not allowed`)
  }
  authenticate(request, url, username, password)
  response.once('close', onUse())

  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new EngineError(394, 'QUERY_WAS_CANCELLED', 'Client has gone'))
  })
  const queryId = url.searchParams.get('query_id') || randomUUID()
  response.setHeader('X-ClickHouse-Query-Id', queryId)
  const upload = await receive(request, url.searchParams.get('query') ?? '', {
    folder,
    maxQueryBytes: maxQueryBytesOf(url),
    signal: gone.signal,
  })
  try {
    const { statement } = upload
    if (statement.kind === 'empty') throw new EngineError(62, 'SYNTAX_ERROR', 'Empty query')
    if (statement.kind === 'refused') throw new EngineError(statement.code, statement.type, statement.reason)
    if (request.method === 'GET' && statement.kind !== 'read') {
      const reason =
        'Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly'
      throw new EngineError(164, 'READONLY', reason)
    }
    const format = formatOf(statement) ?? asked(request, url)
    const work: Work = {
      sql: upload.sql,
      format,
      kind: statement.kind === 'read' ? 'read' : 'write',
      outlives: statement.kind === 'session',
      database: header(request, 'x-clickhouse-database') ?? (url.searchParams.get('database') || 'default'),
      settings: settingsOf(url),
      params: paramsOf(url),
      id: `${queryId} ${randomUUID()}`,
    }
    response.setHeader('X-ClickHouse-Format', format)
    response.setHeader('X-ClickHouse-Timezone', 'UTC')
    response.setHeader('Content-Type', contentType(format))
    await (statement.kind === 'read'
      ? sendRead(request, response, engine, work, statement.resultAt, upload, gone.signal)
      : sendBytes(request, response, await engine.run(work, gone.signal)))
  } finally {
    await upload.discard()
  }
}

/** Runs in memory; where the answer is too large for that, once more into a file. */
async function sendRead(
  request: IncomingMessage,
  response: ServerResponse,
  engine: Engine,
  work: Work,
  resultAt: number,
  upload: Upload,
  signal: AbortSignal,
): Promise<void> {
  const isLimited = work.settings.has('max_result_bytes') || work.settings.has('result_overflow_mode')
  const settings = isLimited
    ? work.settings
    : new Map([...work.settings, ['max_result_bytes', `${maxAnswerBytes}`]])
  try {
    await sendBytes(request, response, await engine.run({ ...work, settings }, signal))
  } catch (error) {
    if (isLimited || !(error instanceof EngineError) || error.code !== 396) throw error
    const file = upload.spare()
    const sql = `${work.sql.slice(0, resultAt)}\nINTO OUTFILE ${quoteLiteral(file)} TRUNCATE ${
      /\S/.test(work.sql.slice(resultAt).replace(/^[\s;]+/, ''))
        ? work.sql.slice(resultAt)
        : `FORMAT ${work.format}`
    }`
    describe(response, await engine.run({ ...work, sql }, signal))
    const { size } = await stat(file)
    const source = createReadStream(file)
    if (wantsGzip(request)) {
      response.setHeader('Content-Encoding', 'gzip')
      await pipeline(source, createGzip({ level: 1 }), response)
    } else {
      response.setHeader('Content-Length', size)
      await pipeline(source, response)
    }
  }
}

async function sendBytes(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  describe(response, answer)
  let { bytes } = answer
  if (wantsGzip(request) && bytes.byteLength > 1024) {
    bytes = await promisify(gzip)(bytes, { level: 1 })
    response.setHeader('Content-Encoding', 'gzip')
  }
  response.setHeader('Content-Length', bytes.byteLength)
  response.end(bytes)
}

function describe(response: ServerResponse, { rowsRead, bytesRead, elapsedSeconds }: Answer): void {
  const summary = {
    read_rows: `${rowsRead}`,
    read_bytes: `${bytesRead}`,
    elapsed_ns: `${Math.round(elapsedSeconds * 1e9)}`,
  }
  response.setHeader('X-ClickHouse-Summary', JSON.stringify(summary))
}

function fail(response: ServerResponse, thrown: unknown, { engine, logger }: HttpOptions): void {
  const error =
    thrown instanceof EngineError ? thrown : new EngineError(1002, 'UNKNOWN_EXCEPTION', messageOf(thrown))
  if (error !== thrown) logger.error({ err: thrown }, 'request failed')
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  for (const name of ['Content-Encoding', 'Content-Length', 'X-ClickHouse-Format'])
    response.removeHeader(name)
  response.statusCode = statusOf.get(error.code) ?? 500
  response.setHeader('X-ClickHouse-Exception-Code', error.code)
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8')
  // What the client still sends is not read, and must not be taken for its next request.
  response.setHeader('Connection', 'close')
  response.end(`${error.message} (version ${engine.version})\n`)
}

function urlOf(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? '/', 'http://localhost')
  } catch {
    throw new EngineError(1000, 'POCO_EXCEPTION', 'Bad URI in the request')
  }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function checkHost(request: IncomingMessage, server: Server): void {
  const allowed = ['127.0.0.1', 'localhost', '[::1]'].map((host) => `${host}:${portOf(server)}`)
  if (allowed.includes(request.headers.host ?? '')) return
  throw new EngineError(
    291,
    'DATABASE_ACCESS_DENIED',
    `Host ${request.headers.host ?? ''} is not served here`,
  )
}

const header = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

function authenticate(request: IncomingMessage, url: URL, username: string, password: string): void {
  const basic = /^Basic (?<token>\S+)$/i.exec(request.headers.authorization ?? '')?.groups?.['token']
  const pair = Buffer.from(basic ?? '', 'base64').toString()
  const colon = pair.indexOf(':')
  const [user, key] =
    header(request, 'x-clickhouse-user') !== undefined
      ? [header(request, 'x-clickhouse-user') ?? '', header(request, 'x-clickhouse-key') ?? '']
      : basic !== undefined
        ? [pair.slice(0, colon), pair.slice(colon + 1)]
        : [url.searchParams.get('user') ?? 'default', url.searchParams.get('password') ?? '']
  const isUser = timingSafeEqual(digest(user), digest(username))
  const isPassword = timingSafeEqual(digest(key), digest(password))
  if (isUser && isPassword) return
  const reason = `${user}: Authentication failed: password is incorrect, or there is no user with such name`
  throw new EngineError(516, 'AUTHENTICATION_FAILED', reason)
}

/** The setting `max_query_size`: 0 is no limit, and its default that of ClickHouse. */
function maxQueryBytesOf(url: URL): number {
  const given = url.searchParams.get('max_query_size') ?? ''
  return /^\d+$/.test(given) ? Number(given) || Number.POSITIVE_INFINITY : 262_144
}

function settingsOf(url: URL): ReadonlyMap<string, string> {
  for (const name of ['compress', 'decompress']) {
    if (url.searchParams.get(name) === '1') {
      throw new EngineError(48, 'NOT_IMPLEMENTED', `${name}=1 is not served: use HTTP compression`)
    }
  }
  const settings = [...url.searchParams].filter(
    ([name]) => !ownNames.has(name) && !name.startsWith('param_') && !name.endsWith('compress'),
  )
  for (const [name] of settings) {
    if (!/^[A-Za-z_]\w*$/.test(name))
      throw new EngineError(115, 'UNKNOWN_SETTING', `Unknown setting '${name}'`)
  }
  return new Map(settings)
}

function paramsOf(url: URL): ReadonlyMap<string, string> {
  const params = [...url.searchParams]
    .filter(([name]) => name.startsWith('param_'))
    .map(([name, value]): [string, string] => [name.slice('param_'.length), value])
  for (const [name] of params) {
    if (!/^\w+$/.test(name)) throw new EngineError(36, 'BAD_ARGUMENTS', `Bad name of a parameter: '${name}'`)
  }
  return new Map(params)
}

const formatOf = (statement: Statement): string | undefined =>
  'format' in statement ? statement.format : undefined

function asked(request: IncomingMessage, url: URL): string {
  const name = header(request, 'x-clickhouse-format') ?? url.searchParams.get('default_format') ?? ''
  return /^\w+$/.test(name) ? name : 'TabSeparated'
}

const wantsGzip = (request: IncomingMessage): boolean =>
  /\bgzip\b/.test(request.headers['accept-encoding'] ?? '') &&
  /[?&]enable_http_compression=1(?:&|$)/.test(request.url ?? '')

function contentType(format: string): string {
  if (/EachRow|Progress/.test(format)) return 'application/x-ndjson; charset=UTF-8'
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8'
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8; header=absent'
  if (/^(?:TabSeparated|TSV|Pretty|Vertical|Values|Markdown|XML|SQLInsert)/.test(format)) {
    return 'text/plain; charset=UTF-8'
  }
  return 'application/octet-stream'
}
