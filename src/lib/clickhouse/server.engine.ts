/**
 * The engine of ClickHouse inside this process (`chdb`), as a fixed number of seats.
 *
 * A seat is a connection that runs one statement at a time; seats run side by side. Readers and writers have
 * seats of their own, so that slow reading holds up no insert. Settings and parameters reach a seat through
 * SET and are taken back before the next statement, so that nothing passes from one request to another.
 */
import { Session } from 'chdb'
import { messageOf } from '../base/errors.ts'
import { quoteIdentifier, quoteLiteral } from './quote.ts'

export interface Work {
  readonly sql: string
  /** Where the statement names none itself. */
  readonly format: string
  readonly kind: 'read' | 'write'
  /** The statement changes its seat (SET, USE, a temporary table): the seat is not used again. */
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
   * Waits for a seat, runs, and answers. Aborting ends the statement in the engine, frees its seat, and then
   * rejects.
   * @throws EngineError in the words of ClickHouse.
   */
  run(work: Work, signal: AbortSignal): Promise<Answer>
  /** Ends every statement and gives the data directory back. */
  close(): Promise<void>
}

export interface EngineOptions {
  readonly path: string
  readonly memoryBytes: number
  readonly readers?: number
  readonly writers?: number
  /** Statements that may wait for a seat of their kind; one more is refused. */
  readonly maxWaiting?: number
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

const told =
  /^Code: (?<code>\d+)\. (?:DB::Exception: )?(?<reason>[\s\S]*?)\s*\((?<type>[A-Z][A-Z0-9_]+)\)\s*$/

function engineError(thrown: unknown): EngineError {
  const message = messageOf(thrown)
  const groups = told.exec(message)?.groups
  if (groups === undefined) return new EngineError(1002, 'UNKNOWN_EXCEPTION', message)
  const type = groups['type'] ?? ''
  // The data of an insert are read by a client within the engine, which tells its own errand with the fault.
  const reason = (groups['reason'] ?? '')
    .replace(/^(?:Code: \d+\. DB::Exception: )+/, '')
    .replace(/\s*\(version [\d.]+\)\.?$/, '')
    .replace(new RegExp(`\\s*\\.?\\s*\\(${type}\\)\\s*\\.?$`), '')
    .replace(/: data for INSERT was parsed from file\.?$/, '')
    .replace(/\s*: \(in file\/uri [^)]*\)/, '')
  return new EngineError(Number(groups['code']), type, reason)
}

const engineArguments = (memoryBytes: number): readonly string[] => [
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

interface Seat {
  session: Session
  database: string
  settings: ReadonlyMap<string, string>
  params: Set<string>
  isSoiled: boolean
}

interface Waiting {
  readonly work: Work
  readonly take: (seat: Seat) => void
}

interface Room {
  readonly size: number
  readonly free: Seat[]
  readonly waiting: Waiting[]
}

/** @throws Error when another process owns the directory (the engine writes why to standard error). */
export async function openEngine({
  path,
  memoryBytes,
  readers = 16,
  writers = 8,
  maxWaiting = 500,
}: EngineOptions): Promise<Engine> {
  const connectionArgs = engineArguments(memoryBytes)
  const openSession = (): Session => new Session(path, { connectionArgs })
  const control = openSession()
  const version = (await control.queryAsync('SELECT version()', { format: 'TabSeparatedRaw' })).text().trim()
  const seat = (): Seat => ({
    session: openSession(),
    database: 'default',
    settings: new Map(),
    params: new Set(),
    isSoiled: false,
  })
  const renew = (used: Seat): void => {
    used.session.close()
    Object.assign(used, seat())
  }
  const rooms: Readonly<Record<Work['kind'], Room>> = {
    read: { size: readers, free: Array.from({ length: readers }, seat), waiting: [] },
    write: { size: writers, free: Array.from({ length: writers }, seat), waiting: [] },
  }
  const running = new Map<AbortController, Promise<unknown>>()
  let isClosed = false

  const takeSeat = (work: Work, signal: AbortSignal): Promise<Seat> => {
    const room = rooms[work.kind]
    const free = room.free.pop()
    if (free !== undefined) return Promise.resolve(free)
    if (room.waiting.length >= maxWaiting) {
      const reason = `Too many simultaneous queries: ${room.size} ${work.kind} and ${maxWaiting} wait`
      return Promise.reject(new EngineError(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', reason))
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        room.waiting.splice(room.waiting.indexOf(waiting), 1)
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
      room.waiting.push(waiting)
    })
  }

  const giveBack = (work: Work, used: Seat): void => {
    if (used.isSoiled) renew(used)
    const room = rooms[work.kind]
    const next = room.waiting.shift()
    if (next === undefined) room.free.push(used)
    else next.take(used)
  }

  const runSeated = async (work: Work, used: Seat, signal: AbortSignal): Promise<Answer> => {
    signal.throwIfAborted()
    if (holdsForeignParameter(used, work)) renew(used)
    await prepare(used, work)
    used.isSoiled ||= work.outlives
    const running = used.session.queryAsync(work.sql, { format: work.format })
    const stop = endWhenAborted(control, work.id, running, signal)
    try {
      const result = await running
      return {
        bytes: result.bytes(),
        rowsRead: result.rowsRead,
        bytesRead: result.bytesRead,
        elapsedSeconds: result.elapsed,
      }
    } catch (error) {
      // A failed statement stays in system.processes until its connection runs another, which is not to be ended.
      stop()
      await used.session.queryAsync('SELECT 1').catch(() => undefined)
      signal.throwIfAborted()
      throw engineError(error)
    } finally {
      stop()
    }
  }

  const run = async (work: Work, signal: AbortSignal): Promise<Answer> => {
    signal.throwIfAborted()
    const used = await takeSeat(work, signal)
    try {
      return await runSeated(work, used, signal)
    } finally {
      giveBack(work, used)
    }
  }

  return {
    version,
    run: async (work, given) => {
      if (isClosed) throw shutDown
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
    close: async () => {
      isClosed = true
      const answers = [...running.values()]
      for (const own of running.keys()) own.abort(shutDown)
      await Promise.allSettled(answers)
      for (const { session } of [...rooms.read.free, ...rooms.write.free]) session.close()
      control.close()
    },
  }
}

const shutDown = new EngineError(210, 'NETWORK_ERROR', 'The server is shutting down')

/** A parameter cannot be unset: one that this request uses and did not give must not come from an earlier one. */
function holdsForeignParameter(used: Seat, work: Work): boolean {
  return [...used.params].some(
    (name) => !work.params.has(name) && new RegExp(`\\{\\s*${name}\\s*:`).test(work.sql),
  )
}

/** Brings a seat into the state that a request asks for, and only that. */
async function prepare(used: Seat, work: Work): Promise<void> {
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
      await used.session.queryAsync(`USE ${quoteIdentifier(work.database)}`)
      used.database = work.database
    }
    await used.session.queryAsync(`SET ${assignments.join(', ')}`)
    used.settings = wanted
    for (const name of work.params.keys()) used.params.add(name)
    if (wanted.has('readonly')) used.isSoiled = true
  } catch (error) {
    used.isSoiled = true
    throw engineError(error)
  }
}

/** Asks the engine again and again to end a statement: it may not have begun when it is first asked. */
function endWhenAborted(
  control: Session,
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
