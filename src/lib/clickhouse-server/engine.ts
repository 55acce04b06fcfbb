/**
 * The engine of ClickHouse inside this process (`chdb`), behind a pool of connections.
 *
 * A connection runs one statement at a time; connections run side by side. Readers and writers have pools of
 * their own, so that a slow read never delays an insert. Settings and parameters reach a connection through SET
 * and are reset before the next statement, so that nothing passes from one request to another.
 */
import { Session } from 'chdb'
import { messageOf } from '../base/errors.ts'
import { quoteIdentifier, quoteLiteral } from '../clickhouse/quote.ts'

export interface Work {
  readonly sql: string
  /** Where the statement names none itself. */
  readonly format: string
  readonly kind: 'read' | 'write'
  /** The statement changes its connection (SET, USE, a temporary table), which is closed after it. */
  readonly outlives: boolean
  readonly database: string
  readonly settings: ReadonlyMap<string, string>
  readonly params: ReadonlyMap<string, string>
  /** Shown in `system.processes` as the setting `log_comment`. Unique among running statements. */
  readonly id: string
}

export interface Answer {
  readonly bytes: Uint8Array
  readonly rowsRead: number
  readonly bytesRead: number
  readonly elapsedSeconds: number
}

export interface Engine {
  readonly version: string
  /**
   * Waits for a connection, runs, and answers. Aborting ends the statement in the engine, returns its
   * connection, and then rejects.
   * @throws EngineError in the words of ClickHouse.
   */
  run(work: Work, signal: AbortSignal): Promise<Answer>
  /**
   * Takes no new statement and kills those that run.
   * @returns false when one of them still runs after `deadlineMs`: the engine can then not be closed.
   */
  stop(deadlineMs: number): Promise<boolean>
  /** Closes the data directory. Only after `stop` returned true. */
  close(): void
}

/** A connection to the engine: what is used of `chdb`'s `Session`. */
export interface EngineSession {
  queryAsync(
    sql: string,
    options?: { readonly format: string },
  ): Promise<{
    text(): string
    bytes(): Uint8Array
    readonly rowsRead: number
    readonly bytesRead: number
    readonly elapsed: number
  }>
  close(): void
}

export interface EngineOptions {
  readonly path: string
  readonly memoryBytes: number
  /** A configuration file of ClickHouse: users, grants, profiles. Not given: every statement may do everything. */
  readonly configFile?: string
  readonly readers?: number
  readonly writers?: number
  /** Statements that may wait for a connection of their kind; one more is refused. */
  readonly maxWaiting?: number
  /** Opens a connection. Default: one of `chdb`. */
  readonly connect?: (path: string, connectionArgs: string[]) => EngineSession
}

/** A failure as ClickHouse words it: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`. */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: number
  readonly type: string

  constructor(code: number, type: string, reason: string) {
    super(`Code: ${code}. DB::Exception: ${reason.replace(/\.?$/, '.')} (${type})`)
    this.code = code
    this.type = type
  }
}

const errorText =
  /^Code: (?<code>\d+)\. (?:DB::Exception: )?(?<reason>[\s\S]*?)\s*\((?<type>[A-Z][A-Z0-9_]+)\)\s*$/

function engineError(thrown: unknown): EngineError {
  const message = messageOf(thrown)
  const groups = errorText.exec(message)?.groups
  if (groups === undefined) return new EngineError(1002, 'UNKNOWN_EXCEPTION', message)
  const type = groups['type'] ?? ''
  // A client within the engine reads the data of an insert, and adds what it was doing to the error.
  const reason = (groups['reason'] ?? '')
    .replace(/^(?:Code: \d+\. DB::Exception: )+/, '')
    .replace(/\s*\(version [\d.]+\)\.?$/, '')
    .replace(new RegExp(`\\s*\\.?\\s*\\(${type}\\)\\s*\\.?$`), '')
    .replace(/: data for INSERT was parsed from file\.?$/, '')
    .replace(/\s*: \(in file\/uri [^)]*\)/, '')
  return new EngineError(Number(groups['code']), type, reason)
}

const engineArguments = (memoryBytes: number, configFile: string | undefined): string[] => [
  ...(configFile === undefined ? [] : [`--config-file=${configFile}`]),
  `--max_server_memory_usage=${memoryBytes}`,
  `--mark_cache_size=${64 << 20}`,
  `--primary_index_cache_size=${64 << 20}`,
  `--index_mark_cache_size=${16 << 20}`,
  `--parquet_metadata_cache_size=${32 << 20}`,
  `--query_condition_cache_size=${16 << 20}`,
]

/** What the embedded engine sets otherwise than a server, and what makes one insert one block. */
const houseSettings: ReadonlyMap<string, string> = new Map([
  ['implicit_select', '0'],
  ['allow_introspection_functions', '0'],
  ['async_insert', '0'],
  ['max_insert_threads', '1'],
  ['max_insert_block_size', '100000000'],
  ['min_insert_block_size_rows', '100000000'],
  ['min_insert_block_size_bytes', '4000000000'],
])

interface Connection {
  /** Opened when it is first needed, and again after it was closed. */
  session: EngineSession | undefined
  database: string
  settings: ReadonlyMap<string, string>
  readonly params: Set<string>
  /** Its state can no longer be reset: it is closed after the statement. */
  isDirty: boolean
}

interface Waiting {
  readonly work: Work
  readonly take: (connection: Connection) => void
}

interface Pool {
  readonly size: number
  readonly free: Connection[]
  readonly waiting: Waiting[]
}

const newPool = (size: number): Pool => ({
  size,
  free: Array.from({ length: size }, () => ({
    session: undefined,
    database: 'default',
    settings: new Map(),
    params: new Set(),
    isDirty: false,
  })),
  waiting: [],
})

/** Takes a free connection, or waits for one. Aborting leaves the queue. */
function takeFrom(pool: Pool, work: Work, maxWaiting: number, signal: AbortSignal): Promise<Connection> {
  const free = pool.free.pop()
  if (free !== undefined) return Promise.resolve(free)
  if (pool.waiting.length >= maxWaiting) {
    const reason = `Too many simultaneous queries: ${pool.size} ${work.kind} and ${maxWaiting} wait`
    return Promise.reject(new EngineError(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', reason))
  }
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      pool.waiting.splice(pool.waiting.indexOf(waiting), 1)
      reject(signal.reason)
    }
    const waiting: Waiting = {
      work,
      take: (given) => {
        signal.removeEventListener('abort', leave)
        resolve(given)
      },
    }
    signal.addEventListener('abort', leave, { once: true })
    pool.waiting.push(waiting)
  })
}

/** A connection always returns to its pool: one that could not be closed or opened is opened at its next use. */
function returnTo(pool: Pool, used: Connection): void {
  if (used.isDirty) disconnect(used)
  const next = pool.waiting.shift()
  if (next === undefined) pool.free.push(used)
  else next.take(used)
}

function disconnect(connection: Connection): void {
  const { session } = connection
  Object.assign(connection, { session: undefined, database: 'default', settings: new Map(), isDirty: false })
  connection.params.clear()
  try {
    session?.close()
  } catch {
    // Nobody uses it again, and the engine frees it when it ends.
  }
}

const chdbSession = (path: string, connectionArgs: string[]): EngineSession =>
  new Session(path, { connectionArgs })

/** @throws Error when another process owns the directory (the engine writes why to standard error). */
export async function openEngine({
  path,
  memoryBytes,
  configFile,
  readers = 16,
  writers = 8,
  maxWaiting = 500,
  connect = chdbSession,
}: EngineOptions): Promise<Engine> {
  const connectionArgs = engineArguments(memoryBytes, configFile)
  const control = connect(path, connectionArgs)
  const version = (await control.queryAsync('SELECT version()', { format: 'TabSeparatedRaw' })).text().trim()
  const pools: Readonly<Record<Work['kind'], Pool>> = { read: newPool(readers), write: newPool(writers) }
  const running = new Map<AbortController, Promise<unknown>>()
  let isStopping = false

  const runOn = async (connection: Connection, work: Work, signal: AbortSignal): Promise<Answer> => {
    signal.throwIfAborted()
    if (holdsForeignParameter(connection, work)) disconnect(connection)
    connection.session ??= connect(path, connectionArgs)
    const { session } = connection
    await prepare(session, connection, work)
    connection.isDirty ||= work.outlives
    const statement = session.queryAsync(work.sql, { format: work.format })
    const stop = endWhenAborted(control, work.id, statement, signal)
    try {
      const result = await statement
      return {
        bytes: result.bytes(),
        rowsRead: result.rowsRead,
        bytesRead: result.bytesRead,
        elapsedSeconds: result.elapsed,
      }
    } catch (error) {
      // A failed statement stays in system.processes until its connection runs another, which is not to be ended.
      stop()
      await session.queryAsync('SELECT 1').catch(() => undefined)
      signal.throwIfAborted()
      throw engineError(error)
    } finally {
      stop()
    }
  }

  const run = async (work: Work, signal: AbortSignal): Promise<Answer> => {
    signal.throwIfAborted()
    const pool = pools[work.kind]
    const connection = await takeFrom(pool, work, maxWaiting, signal)
    try {
      return await runOn(connection, work, signal)
    } finally {
      returnTo(pool, connection)
    }
  }

  return {
    version,
    run: async (work, given) => {
      if (isStopping) throw shutDown
      // Not AbortSignal.any: on Node 20 the long-lived one would remember every request.
      const own = new AbortController()
      const onAbort = (): void => own.abort(given.reason)
      if (given.aborted) onAbort()
      given.addEventListener('abort', onAbort, { once: true })
      const answer = run(work, own.signal)
      running.set(own, answer)
      try {
        return await answer
      } finally {
        given.removeEventListener('abort', onAbort)
        running.delete(own)
      }
    },
    stop: async (deadlineMs) => {
      isStopping = true
      const answers = Promise.allSettled([...running.values()]).then(() => true)
      for (const own of running.keys()) own.abort(shutDown)
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<boolean>((passed) => {
        timer = setTimeout(() => passed(false), deadlineMs)
      })
      return await Promise.race([answers, deadline]).finally(() => clearTimeout(timer))
    },
    close: () => {
      for (const connection of [...pools.read.free, ...pools.write.free]) disconnect(connection)
      control.close()
    },
  }
}

const shutDown = new EngineError(210, 'NETWORK_ERROR', 'The server is shutting down')

/** A parameter cannot be unset: one that this request uses and did not give must not come from an earlier one. */
function holdsForeignParameter(used: Connection, work: Work): boolean {
  return [...used.params].some(
    (name) => !work.params.has(name) && new RegExp(`\\{\\s*${name}\\s*:`).test(work.sql),
  )
}

/** Brings a connection into the state that a request asks for, and only that. */
async function prepare(session: EngineSession, used: Connection, work: Work): Promise<void> {
  const wanted = new Map([...houseSettings, ...work.settings, ['log_comment', work.id]])
  const assignments = [
    ...[...used.settings.keys()].filter((name) => !wanted.has(name)).map((name) => `${name} = DEFAULT`),
    ...[...wanted]
      .filter(([name, value]) => used.settings.get(name) !== value)
      .map(([name, value]) => `${name} = ${quoteLiteral(value)}`),
    ...[...work.params].map(([name, value]) => `param_${name} = ${quoteLiteral(value)}`),
  ]
  try {
    if (used.database !== work.database) {
      await session.queryAsync(`USE ${quoteIdentifier(work.database)}`)
      used.database = work.database
    }
    await session.queryAsync(`SET ${assignments.join(', ')}`)
    used.settings = wanted
    for (const name of work.params.keys()) used.params.add(name)
    if (wanted.has('readonly')) used.isDirty = true
  } catch (error) {
    used.isDirty = true
    throw engineError(error)
  }
}

/** Asks the engine to end a statement, again and again, because it may not have begun at the first request. */
function endWhenAborted(
  control: EngineSession,
  id: string,
  running: Promise<unknown>,
  signal: AbortSignal,
): () => void {
  let isOver = false
  const ask = async (): Promise<void> => {
    while (!isOver) {
      await control
        .queryAsync(`KILL QUERY WHERE Settings['log_comment'] = ${quoteLiteral(id)} ASYNC`)
        .catch(() => undefined)
      const wait = new Promise((resolve) => setTimeout(resolve, 50))
      await Promise.race([wait, running.catch(() => undefined)])
    }
  }
  const onAbort = (): void => void ask()
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  return () => {
    isOver = true
    signal.removeEventListener('abort', onAbort)
  }
}
