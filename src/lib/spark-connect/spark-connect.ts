/**
 * A thin client of Spark Connect, the open protocol of Apache Spark and of Sail: plans go there, answers come back over
 * gRPC.
 *
 * An operation is sent once, under an id of our own. If the connection breaks, or the server ends a long answer, the
 * client attaches to the same operation again and reads on behind what it has; it never sends the operation again, so
 * that a write runs at most once.
 */
import { randomUUID } from 'node:crypto'
import {
  type ChannelCredentials,
  type Client,
  credentials,
  loadPackageDefinition,
  Metadata,
} from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { tableFromIPC } from 'apache-arrow'
import { type Clock, systemClock } from '../base/clock.ts'
import { type ErrorCode, LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { retry } from '../base/retry.ts'
import { mayCarryToken, parseConnectUrl } from './connect-url.ts'
import { failureOf, isDisconnected } from './failure.ts'
import {
  type AnalyzePlanResponse,
  type ExecutePlanResponse,
  errorIfExists,
  interruptOperation,
  type Plan,
  protocol,
  type Relation,
  type SparkField,
} from './messages.ts'

export type { DataSource, Relation, SparkField, SparkType } from './messages.ts'

export interface SparkConnectOptions {
  /** `sc://host:port`, with parameters of the protocol. */
  readonly url: string
  /** In place of one in the URL. A secret. */
  readonly token?: string | undefined
  readonly clock?: Clock
}

/** Where Parquet files are written: there must be nothing yet. */
export interface ParquetTarget {
  readonly path: string
  readonly partitionBy: readonly string[]
  readonly options?: Readonly<Record<string, string>>
}

/** State of the server that is ours alone: settings and views. */
export interface SparkSession {
  /** The relation is known by this name in the SQL of the session. */
  createView(name: string, relation: Relation, options?: IoOptions): Promise<void>
  columns(relation: Relation, options?: IoOptions): Promise<readonly SparkField[]>
  /** The files that the relation is read from, as the engine names them. */
  inputFiles(relation: Relation, options?: IoOptions): Promise<readonly string[]>
  writeParquet(relation: Relation, target: ParquetTarget, options?: IoOptions): Promise<void>
  /** Its rows as streams of Arrow's IPC format. */
  arrow(relation: Relation, options?: IoOptions): AsyncIterable<Uint8Array>
}

export interface SparkConnect extends AsyncDisposable {
  /** For people: `sc://host:port`. */
  readonly where: string
  /** The version of Spark that the server is, or is like. */
  version(options?: IoOptions): Promise<string>
  /**
   * @param settings of Spark, which hold in this session.
   * @throws LakeError `ENGINE_UNAVAILABLE`, `ENGINE_REFUSED`, `ENGINE_OUT_OF_MEMORY`, `ENGINE_FAILED`, `SQL_INVALID`
   * and `DISK_FULL`, as all that the session does.
   */
  session<T>(
    settings: Readonly<Record<string, string>>,
    work: (session: SparkSession) => Promise<T>,
    options?: IoOptions,
  ): Promise<T>
}

/** As the clients of Spark have it. */
const mostMessageBytes = 128 * 2 ** 20
/** The server of Spark drops who asks more often than every five minutes. */
const keepAliveMs = 330_000
const shortCallMs = 20_000
/** Analysing may list and open files. */
const analysisMs = 300_000
/** How long a cancelled operation may take to end. */
const interruptMs = 5_000
/** Attempts to attach again without hearing anything new. */
const mostReattachments = 6
/** What was read is released after so many answers; the server keeps the others for us. */
const releaseEvery = 16

type Answers = AsyncIterable<ExecutePlanResponse> & { cancel(): void }
type Unary = (
  request: object,
  metadata: Metadata,
  options: { readonly deadline: number },
  callback: (error: unknown, answer: unknown) => void,
) => unknown
type Streaming = (request: object, metadata: Metadata) => Answers

/** As grpc-js makes it of the protocol. */
interface Service extends Client {
  readonly ExecutePlan: Streaming
  readonly ReattachExecute: Streaming
  readonly ReleaseExecute: Unary
  readonly ReleaseSession: Unary
  readonly Interrupt: Unary
  readonly Config: Unary
  readonly AnalyzePlan: Unary
}
type UnaryName = 'ReleaseExecute' | 'ReleaseSession' | 'Interrupt' | 'Config' | 'AnalyzePlan'

/** Nothing is asked of the server yet. @throws LakeError `CONFIG_INVALID` as `parseConnectUrl` does. */
export function openSparkConnect(options: SparkConnectOptions): SparkConnect {
  return new Connection(options)
}

class Connection implements SparkConnect {
  readonly where: string
  readonly #service: Service
  readonly #metadata = new Metadata()
  readonly #clock: Clock

  constructor({ url, token: given, clock = systemClock }: SparkConnectOptions) {
    const { host, port, usesTls: asked, token: inUrl } = parseConnectUrl(url)
    const token = given ?? inUrl
    const usesTls = asked || (token !== undefined && !mayCarryToken({ host, usesTls: asked }))
    this.where = `sc://${host}:${port}`
    this.#clock = clock
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`)
    this.#service = openService(
      `${host}:${port}`,
      usesTls ? credentials.createSsl() : credentials.createInsecure(),
    )
  }

  version({ signal }: IoOptions = {}): Promise<string> {
    return this.session(
      {},
      async (session) => {
        const query = 'select version() as version'
        for await (const bytes of session.arrow({ sql: { query } }, { signal })) {
          const value: unknown = tableFromIPC(bytes).getChild('version')?.get(0)
          if (typeof value === 'string') return value
        }
        throw new LakeError('ENGINE_FAILED', `${this.where}: it does not say its version`)
      },
      { signal },
    )
  }

  async session<T>(
    settings: Readonly<Record<string, string>>,
    work: (session: SparkSession) => Promise<T>,
    { signal }: IoOptions = {},
  ): Promise<T> {
    const id = randomUUID()
    const pairs = Object.entries(settings).map(([key, value]) => ({ key, value }))
    try {
      if (pairs.length > 0) {
        const request = { ...this.#request(id), operation: { set: { pairs } } }
        await this.#call('Config', request, 'Configure the session', shortCallMs, { signal })
      }
      return await work(this.#sessionOf(id))
    } finally {
      // Best effort: a session that nobody uses ends by itself. Some servers do not know the call.
      void this.#once('ReleaseSession', this.#request(id), shortCallMs).catch(() => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#service.close()
  }

  #sessionOf(id: string): SparkSession {
    const analyze = async (
      what: object,
      operation: string,
      options: IoOptions,
    ): Promise<AnalyzePlanResponse> =>
      (await this.#call(
        'AnalyzePlan',
        { ...this.#request(id), ...what },
        operation,
        analysisMs,
        options,
        // What cannot be analysed is wrong, unless the engine says otherwise.
        'SQL_INVALID',
      )) as AnalyzePlanResponse
    const run = async (
      command: NonNullable<Plan['command']>,
      operation: string,
      options: IoOptions,
    ): Promise<void> => {
      for await (const _ of this.#execute(id, { command }, operation, options));
    }
    return {
      createView: (name, input, options = {}) =>
        run({ create_dataframe_view: { input, name, replace: true } }, `Read ${name}`, options),
      columns: async (root, options = {}) => {
        const { schema } = await analyze({ schema: { plan: { root } } }, 'Analyse the SELECT', options)
        return schema?.schema?.struct?.fields ?? []
      },
      inputFiles: async (root, options = {}) => {
        const { input_files: found } = await analyze(
          { input_files: { plan: { root } } },
          'List the input files',
          options,
        )
        return found?.files ?? []
      },
      writeParquet: (input, { path, partitionBy, options: parquet = {} }, options = {}) => {
        const write_operation = {
          input,
          source: 'parquet',
          path,
          mode: errorIfExists,
          partitioning_columns: partitionBy,
          options: parquet,
        } as const
        return run({ write_operation }, 'Write Parquet', options)
      },
      arrow: async function* (this: Connection, root: Relation, options: IoOptions = {}) {
        for await (const { arrow_batch: batch } of this.#execute(id, { root }, 'Run a query', options)) {
          if (batch !== undefined) yield batch.data
        }
      }.bind(this),
    }
  }

  #request(id: string): object {
    return {
      session_id: id,
      user_context: { user: 'lakeshore', name: 'lakeshore' },
      client_type: 'lakeshore',
    }
  }

  /** The answers to one operation, to its end. */
  async *#execute(
    id: string,
    plan: Plan,
    operation: string,
    { signal }: IoOptions,
  ): AsyncGenerator<ExecutePlanResponse> {
    signal?.throwIfAborted()
    const request = { ...this.#request(id), operation_id: randomUUID() }
    const reattachable = [{ reattach_options: { reattachable: true } }]
    let answers = this.#service.ExecutePlan(
      { ...request, plan, request_options: reattachable },
      this.#metadata,
    )
    let last: string | undefined
    let heard = 0
    let silentAttempts = 0
    const interrupted = this.#interruptOn(signal, request, () => answers.cancel())
    try {
      for (;;) {
        let broken: unknown
        try {
          for await (const answer of answers) {
            if (answer.result_complete !== undefined) return
            last = answer.response_id ?? last
            silentAttempts = 0
            yield answer
            heard += 1
            if (heard % releaseEvery === 0) this.#release(request, last)
          }
        } catch (error) {
          if (!isDisconnected(error)) throw error
          broken = error
        }
        signal?.throwIfAborted()
        silentAttempts += 1
        if (silentAttempts > mostReattachments) {
          const early = new LakeError(
            'ENGINE_UNAVAILABLE',
            `${operation}: ${this.where} ends its answers early`,
          )
          throw broken === undefined ? early : failureOf(broken, operation, this.where)
        }
        // A long answer is ended by the server as a rule: only a broken connection needs time.
        if (broken !== undefined) await this.#clock.sleep(50 * 2 ** silentAttempts, { signal })
        answers = this.#service.ReattachExecute(
          { ...request, ...(last !== undefined && { last_response_id: last }) },
          this.#metadata,
        )
      }
    } catch (error) {
      signal?.throwIfAborted()
      throw failureOf(error, operation, this.where)
    } finally {
      await interrupted[Symbol.asyncDispose]()
      answers.cancel()
      this.#release(request)
    }
  }

  /**
   * Ends an operation at the server when `signal` is aborted. What reads its answers hears the end of it from the server,
   * so that nothing of the operation runs on; if the server says nothing, it is told after a while by `giveUp`.
   */
  #interruptOn(signal: AbortSignal | undefined, operation: object, giveUp: () => void): AsyncDisposable {
    let asked: Promise<unknown> | undefined
    let deadline: NodeJS.Timeout | undefined
    const abort = (): void => {
      deadline = setTimeout(giveUp, interruptMs)
      asked = this.#once(
        'Interrupt',
        { ...operation, interrupt_type: interruptOperation },
        interruptMs,
      ).catch(giveUp)
    }
    signal?.addEventListener('abort', abort, { once: true })
    return {
      [Symbol.asyncDispose]: async () => {
        signal?.removeEventListener('abort', abort)
        await asked
        clearTimeout(deadline)
      },
    }
  }

  /** Best effort: the server keeps answers for a while and then forgets them. */
  #release(operation: object, until?: string): void {
    const what = until === undefined ? { release_all: {} } : { release_until: { response_id: until } }
    void this.#once('ReleaseExecute', { ...operation, ...what }, shortCallMs).catch(() => undefined)
  }

  /** For calls that may be sent again. */
  async #call(
    name: UnaryName,
    request: object,
    operation: string,
    deadlineMs: number,
    { signal }: IoOptions,
    otherwise?: ErrorCode,
  ): Promise<unknown> {
    return retry(
      async () => {
        try {
          return await this.#once(name, request, deadlineMs)
        } catch (error) {
          throw failureOf(error, operation, this.where, otherwise)
        }
      },
      { signal, clock: this.#clock, maxAttempts: 3, firstDelayMs: 100 },
    )
  }

  #once(name: UnaryName, request: object, deadlineMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#service[name](request, this.#metadata, { deadline: Date.now() + deadlineMs }, (error, answer) => {
        if (error === null || error === undefined) resolve(answer)
        else reject(error)
      })
    })
  }
}

function openService(address: string, channel: ChannelCredentials): Service {
  const definition = fromJSON(protocol, { keepCase: true, longs: Number, defaults: false })
  const { spark } = loadPackageDefinition(definition) as unknown as {
    readonly spark: {
      readonly connect: {
        readonly SparkConnectService: new (
          address: string,
          channel: ChannelCredentials,
          options: Readonly<Record<string, number>>,
        ) => Service
      }
    }
  }
  return new spark.connect.SparkConnectService(address, channel, {
    'grpc.max_receive_message_length': mostMessageBytes,
    'grpc.max_send_message_length': mostMessageBytes,
    'grpc.keepalive_time_ms': keepAliveMs,
    'grpc.keepalive_timeout_ms': shortCallMs,
  })
}
