/**
 * ClickHouse over HTTP, by `@clickhouse/client`.
 *
 * With `home` it is the embedded server, found or started on demand: the client outlives that server, and an
 * open client keeps it from ending itself. Only what is safe to repeat is repeated.
 */
import { randomUUID } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { Readable } from 'node:stream'
import {
  type ClickHouseClient,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from '@clickhouse/client'
import { type Clock, systemClock } from '../base/clock.ts'
import { isLakeError, LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson, parseJson } from '../base/json.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import { retry } from '../base/retry.ts'
import type { ClickHouse, CommandOptions, InsertOptions, StatementOptions } from './clickhouse.ts'
import { failureOf } from './failure.ts'
import { findOrStart, isAlive, type LaunchOptions } from './launch.ts'
import { quoteIdentifier, quoteLiteral, quoteTable } from './quote.ts'

interface CommonOptions extends IoOptions {
  /** Default `default`. */
  readonly database?: string
  readonly logger?: Logger
  readonly clock?: Clock
  /** How long a statement may be silent. Default 10 minutes. */
  readonly requestTimeoutMs?: number
}

interface ServerOptions extends CommonOptions {
  /** `http://` or `https://`, without credentials. */
  readonly url: string
  readonly username?: string
  readonly password?: string
}

interface EmbeddedOptions extends CommonOptions, Omit<LaunchOptions, 'signal' | 'clock'> {
  /** LAKE_HOME: the embedded server that serves this folder, started where there is none. */
  readonly home: string
}

export type ClickHouseOptions = ServerOptions | EmbeddedOptions

interface Place {
  readonly url: string
  readonly username: string
  readonly password: string
}

interface Connection {
  readonly place: Place
  readonly client: ClickHouseClient
}

/** How the answers of any version look alike, and what must not pass in silence. */
const readSettings: ClickHouseSettings = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_denormals: 1,
  cancel_http_readonly_queries_on_client_close: 1,
}
/** The JavaScript of Apache Arrow reads no compressed batches. */
const rawSettings: ClickHouseSettings = {
  cancel_http_readonly_queries_on_client_close: 1,
  output_format_arrow_compression_method: 'none',
}
const insertSettings: ClickHouseSettings = {
  async_insert: 0,
  wait_end_of_query: 1,
  insert_deduplicate: 1,
  // One writer, one part: a server since 26.8 may else spread the rows of an insert over several.
  max_insert_threads: '1',
  date_time_input_format: 'best_effort',
  input_format_skip_unknown_fields: 0,
  input_format_null_as_default: 0,
}

/** Whether a statement is tried again when its answer was lost, only when it cannot have arrived, or never. */
type Repeat = 'always' | 'unsent' | 'never'

const repeatOf = (sql: string, { isRepeatable }: CommandOptions): Repeat =>
  (isRepeatable ?? repeatable.test(sql)) ? 'always' : 'unsent'

const repeatable = /\bIF\s+(?:NOT\s+)?EXISTS\b|\bOR\s+REPLACE\b|\bREPLACE\s+PARTITION\b/i

/**
 * Aborting `signal` gives up opening; the open client knows nothing of it.
 *
 * @throws LakeError `CLICKHOUSE_UNAVAILABLE`, `CLICKHOUSE_REFUSED` when the server cannot be had.
 */
export async function openClickHouse(options: ClickHouseOptions): Promise<ClickHouse> {
  const { logger = silentLogger, clock = systemClock } = options
  const clients: ClickHouseClient[] = []
  let current: Connection | undefined
  let connecting: Promise<Connection> | undefined
  let isOpen = false
  let isClosed = false

  const connect = async (): Promise<Connection> => {
    const place: Place =
      'home' in options
        ? await findOrStart(options.home, { ...options, clock, signal: isOpen ? undefined : options.signal })
        : { url: options.url, username: options.username ?? 'default', password: options.password ?? '' }
    if (current?.place.url === place.url && current.place.password === place.password) return current
    const client = createClient({
      ...place,
      database: options.database ?? 'default',
      application: 'lakeshore',
      request_timeout: options.requestTimeoutMs ?? 600_000,
      max_open_connections: 24,
      json: { parse: (text) => fromJson(text), stringify: formatJson },
      log: { level: ClickHouseLogLevel.OFF },
    })
    clients.push(client)
    current = { place, client }
    return current
  }

  let isProved = false
  const connection = async (): Promise<Connection> => {
    if (isClosed) throw new LakeError('BUG', 'ClickHouse client: used after it was closed')
    if (current !== undefined && isProved) return current
    connecting ??= connect().finally(() => {
      connecting = undefined
    })
    current = await connecting
    isProved = true
    return current
  }

  /** Runs `work` on a connection; on a failure finds the server again, and repeats what may be repeated. */
  const attempt = <T>(
    operation: string,
    repeat: Repeat,
    { signal }: IoOptions,
    work: (client: ClickHouseClient, queryId: string) => Promise<T>,
  ): Promise<T> => {
    let refusals = 0
    return retry(
      async () => {
        const { client, place } = await connection()
        signal?.throwIfAborted()
        const queryId = randomUUID()
        try {
          return await work(client, queryId)
        } catch (thrown) {
          if (signal?.aborted) {
            if ('url' in options) void endStatement(client, queryId)
            signal.throwIfAborted()
          }
          const failure = failureOf(thrown, operation, place.url)
          if (isLakeError(failure, 'CLICKHOUSE_UNAVAILABLE', 'CLICKHOUSE_REFUSED')) isProved = false
          if (isLakeError(failure, 'CLICKHOUSE_REFUSED')) refusals++
          throw failure
        }
      },
      {
        signal,
        clock,
        maxAttempts: 4,
        isRetryable: (error) => {
          // Another server may have taken the port of the embedded one: it refused, so nothing was done.
          if (repeat === 'never') return false
          if (isLakeError(error, 'CLICKHOUSE_REFUSED')) return 'home' in options && refusals === 1
          if (!isLakeError(error, 'CLICKHOUSE_UNAVAILABLE') || !('ambiguous' in error.details)) return false
          return repeat === 'always' || (repeat === 'unsent' && error.details['ambiguous'] === false)
        },
        onRetry: (error, number) => logger.warn({ err: error, attempt: number }, `${operation}: tried again`),
      },
    )
  }

  const insertBytes = async (
    table: string,
    format: string,
    repeat: Repeat,
    open: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { columns, settings, token, signal }: InsertOptions,
  ): Promise<void> => {
    let broken: { readonly thrown: unknown } | undefined
    try {
      await attempt(`insert into ${table}`, repeat, { signal }, async (client, queryId) => {
        broken = undefined
        const values = Readable.from(open(), { objectMode: false })
        values.on('error', (thrown: unknown) => {
          broken ??= { thrown }
        })
        const { stream } = await client.exec({
          query: `INSERT INTO ${quoteTable(table)}${columnList(columns)} FORMAT ${format}`,
          values,
          query_id: queryId,
          clickhouse_settings: withToken({ ...insertSettings, ...settings }, token),
          ...abortBy(signal),
        })
        for await (const _ of stream) signal?.throwIfAborted()
      })
    } catch (error) {
      signal?.throwIfAborted()
      // Where the source broke off, the server never got the end of the request: what failed is the source.
      throw sourceFault(broken) ?? error
    }
  }

  const { signal: opening } = options
  try {
    await attempt('connect to ClickHouse', 'always', { signal: opening }, (client) =>
      proveWith(client, { signal: opening }),
    )
  } catch (error) {
    await Promise.all(clients.splice(0).map((client) => client.close()))
    throw error
  }
  isOpen = true
  const keepAlive =
    'home' in options
      ? setInterval(
          () => {
            if (current !== undefined) void isAlive({ ...current.place, pid: 0 })
          },
          Math.ceil((options.idleMs ?? 60_000) / 4),
        ).unref()
      : undefined

  const clickhouse: ClickHouse = {
    query: (sql, given = {}) =>
      attempt('query ClickHouse', 'always', given, async (client, queryId) => {
        const result = await client.query({
          query: sql,
          format: 'JSONEachRow',
          query_id: queryId,
          ...statement(given, { ...readSettings, wait_end_of_query: 1 }),
        })
        return await result.json()
      }),

    async *stream(sql, given = {}) {
      const { signal } = given
      const result = await attempt('query ClickHouse', 'always', given, (client, queryId) =>
        client.query({
          query: sql,
          format: 'JSONEachRow',
          query_id: queryId,
          ...statement(given, readSettings),
        }),
      )
      const close = (): void => result.close()
      signal?.addEventListener('abort', close, { once: true })
      try {
        for await (const rows of result.stream()) for (const row of rows) yield row.json()
        signal?.throwIfAborted()
      } catch (thrown) {
        signal?.throwIfAborted()
        throw failureOf(thrown, 'read from ClickHouse', current?.place.url ?? '')
      } finally {
        signal?.removeEventListener('abort', close)
        close()
      }
    },

    async *raw(sql, given) {
      const { format, signal } = given
      const { stream } = await attempt('query ClickHouse', 'always', given, (client, queryId) =>
        client.exec({
          query: `${sql.replace(/[\s;]+$/, '')}\nFORMAT ${quoteFormat(format)}`,
          query_id: queryId,
          ...statement(given, rawSettings),
        }),
      )
      const close = (): void => void stream.destroy()
      signal?.addEventListener('abort', close, { once: true })
      try {
        for await (const chunk of stream) yield chunk
        signal?.throwIfAborted()
      } catch (thrown) {
        signal?.throwIfAborted()
        throw failureOf(thrown, 'read from ClickHouse', current?.place.url ?? '')
      } finally {
        signal?.removeEventListener('abort', close)
        close()
      }
    },

    command: (sql, given = {}) =>
      attempt('ClickHouse', repeatOf(sql, given), given, async (client, queryId) => {
        const asked = statement(given, { wait_end_of_query: 1 })
        await client.command({ query: sql, query_id: queryId, ...asked })
      }),

    insert: async (table, rows, given = {}) => {
      if (rows.length > 0) await insertBytes(table, 'JSONEachRow', 'unsent', () => linesOf(rows), given)
    },

    insertStream: async (table, format, bytes, given = {}) => {
      // A stream can be read once: the server is proved before it is touched.
      await clickhouse.ping({ signal: given.signal })
      await insertBytes(table, quoteFormat(format), 'never', () => bytes, given)
    },

    insertFile: async (table, format, path, given = {}) => {
      await access(path, constants.R_OK).catch((cause: unknown) => {
        throw new LakeError('FILE_MISSING', `insert into ${table}: cannot read ${path}`, { cause })
      })
      await insertBytes(table, quoteFormat(format), 'unsent', () => createReadStream(path), given)
    },

    ping: (given = {}) => attempt('ping ClickHouse', 'always', given, (client) => proveWith(client, given)),

    version: async (given = {}) => {
      const [row] = await clickhouse.query<{ readonly version: string }>('SELECT version() AS version', given)
      return row?.version ?? ''
    },

    [Symbol.asyncDispose]: async () => {
      isClosed = true
      clearInterval(keepAlive)
      await Promise.all(clients.splice(0).map((client) => client.close()))
    },
  }
  return clickhouse
}

async function proveWith(client: ClickHouseClient, { signal }: IoOptions = {}): Promise<void> {
  const proof = await client.ping({ select: true, ...abortBy(signal) })
  if (!proof.success) throw proof.error
}

/** Best effort: what ends the statement is that the client goes away, where the server heeds that. */
async function endStatement(client: ClickHouseClient, queryId: string): Promise<void> {
  const query = `KILL QUERY WHERE query_id = ${quoteLiteral(queryId)} ASYNC`
  await client.command({ query }).catch(() => undefined)
}

const abortBy = (signal: AbortSignal | undefined): { abort_signal?: AbortSignal } =>
  signal === undefined ? {} : { abort_signal: signal }

function statement(
  { params, settings, signal }: StatementOptions,
  defaults: ClickHouseSettings,
): {
  clickhouse_settings: ClickHouseSettings
  query_params?: Record<string, unknown>
  abort_signal?: AbortSignal
} {
  return {
    clickhouse_settings: { ...defaults, ...settings },
    ...(params === undefined ? {} : { query_params: params }),
    ...abortBy(signal),
  }
}

const withToken = <T extends object>(settings: T, token: string | undefined): T =>
  token === undefined ? settings : { ...settings, insert_deduplication_token: token }

const columnList = (columns: readonly string[] | undefined): string =>
  columns === undefined ? '' : ` (${columns.map(quoteIdentifier).join(', ')})`

function quoteFormat(format: string): string {
  if (/^\w+$/.test(format)) return format
  throw new LakeError('BUG', `format ${JSON.stringify(format)}: expected the name of a format of ClickHouse`)
}

const sourceFault = (broken: { readonly thrown: unknown } | undefined): unknown => broken?.thrown

/** Rows as lines of JSON, in pieces that are worth a write each. */
function* linesOf(rows: readonly object[]): Generator<Buffer> {
  let piece = ''
  for (const row of rows) {
    piece += `${formatJson(row)}\n`
    if (piece.length < 65_536) continue
    yield Buffer.from(piece)
    piece = ''
  }
  if (piece !== '') yield Buffer.from(piece)
}

/** The driver's type for what a parser returns is the row that the caller named. */
function fromJson<T>(text: string): T {
  return parseJson(text, 'an answer of ClickHouse') as T
}
