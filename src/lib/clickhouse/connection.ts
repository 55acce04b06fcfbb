/**
 * The connection to a ClickHouse server, by `@clickhouse/client`.
 *
 * The server has a fixed URL, or a function finds it, which is called again after a failure. A statement is
 * repeated only where that is safe. The driver's client for an earlier server stays open until the end, because
 * statements may still run on it.
 */
import { randomUUID } from 'node:crypto'
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { type Clock, systemClock } from '../base/clock.ts'
import { isLakeError, LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson, parseJson } from '../base/json.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import { retry } from '../base/retry.ts'
import { failureOf } from './failure.ts'
import { quoteLiteral } from './quote.ts'

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

/** Where a server is, and who we are to it. */
export interface Place {
  readonly url: string
  readonly username: string
  readonly password: string
}

/** A server that may move: it ends, and another one takes its place elsewhere. */
export interface Finder {
  /** Finds the server that answers. Called at first, and again after a failure. */
  find(options: IoOptions): Promise<Place>
  /** Tells the server that was found last that the client is still there. Never rejects. */
  touch(): Promise<void>
  readonly touchEveryMs: number
}

interface FoundOptions extends CommonOptions {
  readonly finder: Finder
}

export type ClickHouseOptions = ServerOptions | FoundOptions

interface Reached {
  readonly place: Place
  readonly client: ClickHouseClient
}

/** Whether a statement is tried again when its answer was lost, or only when it cannot have arrived. */
export type Repeat = 'always' | 'unsent'

/** How long closing waits for the server to take the end of a statement. */
const patienceMs = 1_000

export class Connection {
  readonly #options: ClickHouseOptions
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #clients: ClickHouseClient[] = []
  /** Statements that the server is being told to end. */
  readonly #endings = new Set<Promise<void>>()
  #current: Reached | undefined
  #connecting: Promise<Reached> | undefined
  #keepAlive: NodeJS.Timeout | undefined
  #isProved = false
  #isOpen = false
  #isClosed = false

  constructor(options: ClickHouseOptions) {
    this.#options = options
    this.#logger = options.logger ?? silentLogger
    this.#clock = options.clock ?? systemClock
  }

  /** Where the server is, without credentials; empty before it was found. */
  get url(): string {
    return this.#current?.place.url ?? ''
  }

  /** From now on the signal of the options has no effect, and a server that may move is told that we are there. */
  opened(): void {
    this.#isOpen = true
    const options = this.#options
    if (!('finder' in options)) return
    const { finder } = options
    this.#keepAlive = setInterval(() => {
      if (this.#current !== undefined) void finder.touch()
    }, finder.touchEveryMs).unref()
  }

  /** Runs `work` on a client; on a failure finds the server again, and repeats what may be repeated. */
  attempt<T>(
    operation: string,
    repeat: Repeat,
    { signal }: IoOptions,
    work: (client: ClickHouseClient, queryId: string) => Promise<T>,
  ): Promise<T> {
    const options = this.#options
    let refusals = 0
    return retry(
      async () => {
        const { client, place } = await this.#reach()
        signal?.throwIfAborted()
        const queryId = randomUUID()
        try {
          return await work(client, queryId)
        } catch (thrown) {
          if (signal?.aborted) {
            this.giveUp(client, queryId)
            signal.throwIfAborted()
          }
          const failure = failureOf(thrown, operation, place.url)
          if (isLakeError(failure, 'CLICKHOUSE_UNAVAILABLE', 'CLICKHOUSE_REFUSED')) this.#isProved = false
          if (isLakeError(failure, 'CLICKHOUSE_REFUSED')) refusals++
          throw failure
        }
      },
      {
        signal,
        clock: this.#clock,
        maxAttempts: 4,
        isRetryable: (error) => {
          // Another server may have taken the port of the one that moved: it refused, so nothing was done.
          if (isLakeError(error, 'CLICKHOUSE_REFUSED')) return 'finder' in options && refusals === 1
          if (!isLakeError(error, 'CLICKHOUSE_UNAVAILABLE') || !('ambiguous' in error.details)) return false
          return repeat === 'always' || error.details['ambiguous'] === false
        },
        onRetry: (error, number) =>
          this.#logger.warn({ err: error, attempt: number }, `${operation}: tried again`),
      },
    )
  }

  /** Ends a statement that nobody waits for any more. A server that we find ourselves sees that its client has gone. */
  giveUp(client: ClickHouseClient, queryId: string): void {
    if (!('url' in this.#options)) return
    const ended = endStatement(client, queryId).finally(() => this.#endings.delete(ended))
    this.#endings.add(ended)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#keepAlive)
    const late = new AbortController()
    const patience = this.#clock.sleep(patienceMs, { signal: late.signal }).catch(() => undefined)
    await Promise.race([Promise.all(this.#endings), patience])
    late.abort()
    await Promise.all(this.#clients.splice(0).map((client) => client.close()))
  }

  async #reach(): Promise<Reached> {
    if (this.#isClosed) throw new LakeError('BUG', 'ClickHouse client: used after it was closed')
    if (this.#current !== undefined && this.#isProved) return this.#current
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    this.#current = await this.#connecting
    this.#isProved = true
    return this.#current
  }

  async #connect(): Promise<Reached> {
    const options = this.#options
    const current = this.#current
    const signal = this.#isOpen ? undefined : options.signal
    const place: Place =
      'finder' in options
        ? await options.finder.find({ signal })
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
    this.#clients.push(client)
    return { place, client }
  }
}

/** Best effort: what ends the statement is that the client goes away, where the server heeds that. */
async function endStatement(client: ClickHouseClient, queryId: string): Promise<void> {
  const query = `KILL QUERY WHERE query_id = ${quoteLiteral(queryId)} ASYNC`
  await client.command({ query }).catch(() => undefined)
}

/** The driver's type for what a parser returns is the row that the caller named. */
function fromJson<T>(text: string): T {
  return parseJson(text, 'an answer of ClickHouse') as T
}
