/**
 * The port `ClickHouse` over HTTP, by `@clickhouse/client`.
 *
 * The client outlives the server that it found first: after a failure it finds the next one. A statement is
 * repeated only where that is safe.
 */
import { constants, createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson } from '../base/json.ts'
import type { ClickHouse, CommandOptions, InsertOptions, StatementOptions } from './clickhouse.ts'
import { type ClickHouseOptions, Connection, type Repeat } from './connection.ts'
import { failureOf } from './failure.ts'
import { quoteIdentifier, quoteTable } from './quote.ts'

export type { ClickHouseOptions, Finder, Place } from './connection.ts'

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

const repeatOf = (sql: string, { isRepeatable }: CommandOptions): Repeat =>
  (isRepeatable ?? repeatable.test(sql)) ? 'always' : 'unsent'

const repeatable = /\bIF\s+(?:NOT\s+)?EXISTS\b|\bOR\s+REPLACE\b|\bREPLACE\s+PARTITION\b/i

interface StreamedAnswer<T> {
  readonly read: () => AsyncIterable<T>
  readonly close: () => void
  readonly giveUp: () => void
}

/**
 * Aborting `signal` gives up opening; the open client knows nothing of it.
 *
 * @throws LakeError `CLICKHOUSE_UNAVAILABLE`, `CLICKHOUSE_REFUSED` when the server cannot be had.
 */
export async function openClickHouse(options: ClickHouseOptions): Promise<ClickHouse> {
  const connection = new Connection(options)
  const attempt = connection.attempt.bind(connection)

  const insertBytes = async (
    table: string,
    format: string,
    open: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { columns, settings, token, signal }: InsertOptions,
  ): Promise<void> => {
    let broken: { readonly thrown: unknown } | undefined
    try {
      await attempt(`insert into ${table}`, 'unsent', { signal }, async (client, queryId) => {
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

  /** A statement whose answer is read as it comes. */
  const begin = <T extends object>(
    io: IoOptions,
    send: (client: ClickHouseClient, queryId: string) => Promise<T>,
  ): Promise<T & { readonly giveUp: () => void }> =>
    attempt('query ClickHouse', 'always', io, async (client, queryId) => ({
      ...(await send(client, queryId)),
      giveUp: () => connection.giveUp(client, queryId),
    }))

  /** Reads to the end; where the reader leaves before, or fails, the statement is ended in the server. */
  async function* answerOf<T>(
    { read, close, giveUp }: StreamedAnswer<T>,
    { signal }: IoOptions,
  ): AsyncIterable<T> {
    signal?.addEventListener('abort', close, { once: true })
    let isWhole = false
    try {
      yield* read()
      signal?.throwIfAborted()
      isWhole = true
    } catch (thrown) {
      signal?.throwIfAborted()
      throw failureOf(thrown, 'read from ClickHouse', connection.url)
    } finally {
      signal?.removeEventListener('abort', close)
      close()
      if (!isWhole) giveUp()
    }
  }

  const { signal: opening } = options
  try {
    await attempt('connect to ClickHouse', 'always', { signal: opening }, (client) =>
      proveWith(client, { signal: opening }),
    )
  } catch (error) {
    await connection.close()
    throw error
  }
  connection.opened()

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
      const { result, giveUp } = await begin(given, async (client, queryId) => ({
        result: await client.query({
          query: sql,
          format: 'JSONEachRow',
          query_id: queryId,
          ...statement(given, readSettings),
        }),
      }))
      const parts = { read: () => result.stream(), close: () => result.close(), giveUp }
      for await (const rows of answerOf(parts, given)) for (const row of rows) yield row.json()
    },

    async *raw(sql, given) {
      const { stream, giveUp } = await begin(given, (client, queryId) =>
        client.exec({
          query: `${sql.replace(/[\s;]+$/, '')}\nFORMAT ${quoteFormat(given.format)}`,
          query_id: queryId,
          ...statement(given, rawSettings),
        }),
      )
      yield* answerOf({ read: () => stream, close: () => stream.destroy(), giveUp }, given)
    },

    command: (sql, given = {}) =>
      attempt('ClickHouse', repeatOf(sql, given), given, async (client, queryId) => {
        const asked = statement(given, { wait_end_of_query: 1 })
        await client.command({ query: sql, query_id: queryId, ...asked })
      }),

    insert: async (table, rows, given = {}) => {
      if (rows.length > 0) await insertBytes(table, 'JSONEachRow', () => linesOf(rows), given)
    },

    insertFile: async (table, format, path, given = {}) => {
      await access(path, constants.R_OK).catch((cause: unknown) => {
        throw new LakeError('FILE_MISSING', `insert into ${table}: cannot read ${path}`, { cause })
      })
      await insertBytes(table, quoteFormat(format), () => createReadStream(path), given)
    },

    ping: (given = {}) => attempt('ping ClickHouse', 'always', given, (client) => proveWith(client, given)),

    version: async (given = {}) => {
      const [row] = await clickhouse.query<{ readonly version: string }>('SELECT version() AS version', given)
      return row?.version ?? ''
    },

    [Symbol.asyncDispose]: () => connection.close(),
  }
  return clickhouse
}

async function proveWith(client: ClickHouseClient, { signal }: IoOptions = {}): Promise<void> {
  const proof = await client.ping({ select: true, ...abortBy(signal) })
  if (!proof.success) throw proof.error
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
