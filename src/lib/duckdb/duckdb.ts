/**
 * DuckDB: the engine that parses, computes, and reads and writes Parquet. The only home of its driver.
 *
 * One instance, many connections; every connection is UTC. Nothing is downloaded: extensions that are not
 * part of the binary are neither installed nor loaded.
 */
import { setImmediate } from 'node:timers/promises'
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBResult,
  ResultReturnType,
} from '@duckdb/node-api'
import { distinctNames } from '../base/distinct-names.ts'
import { LakeError, messageOf } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { memoryShares } from '../base/memory.ts'
import { type FlatColumn, flatColumns, textBytesOf } from './flat-columns.ts'
import { FreedMemory, inSmallChunks, sizeOf } from './large-values.ts'
import { plainValue, type Row, type Value } from './values.ts'

export interface DuckDbOptions {
  /** Where queries that outgrow memory spill to. */
  readonly tempDirectory?: string
  /** As DuckDB writes sizes: `2GB`. Default half of what the machine or the container has. */
  readonly memoryLimit?: string
  readonly threads?: number
}

export interface Column {
  readonly name: string
  /** DuckDB's name of the type: `BIGINT`, `TIMESTAMP WITH TIME ZONE`, `STRUCT(a BIGINT)`. */
  readonly type: string
}

export interface RowChunk {
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
}

export interface TupleChunk {
  readonly columns: readonly Column[]
  /** Values by the position of their column. */
  readonly rows: readonly (readonly Value[])[]
  /** Rows beyond the `limit`: counted, and not read. */
  readonly more: number
}

export interface TupleOptions extends IoOptions {
  /** At most so many rows are read; the others are counted. */
  readonly limit?: number
}

export interface ColumnChunk {
  readonly rowCount: number
  /** Column → its values, in the order of the rows. */
  readonly columns: Readonly<Record<string, readonly Value[]>>
}

const interruptAgainMs = 50
/** A value may be megabytes long, and stand in every row of a chunk of the engine. */
const mostChunkBytes = 1 << 20
const mostChunkRows = 2_048
const mostFlatRows = 65_536
const mostFlatBytes = 16 << 20

export async function openDuckDb(options: DuckDbOptions = {}): Promise<DuckDb> {
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    ...(options.tempDirectory !== undefined && { temp_directory: options.tempDirectory }),
    memory_limit: options.memoryLimit ?? `${memoryShares().duckdb}B`,
    ...(options.threads !== undefined && { threads: String(options.threads) }),
  })
  return new DuckDb(instance)
}

export class DuckDb implements Disposable {
  readonly #instance: DuckDBInstance
  readonly #sessions = new Set<DuckDbSession>()

  constructor(instance: DuckDBInstance) {
    this.#instance = instance
  }

  /** How far the queries that run are, from 0 to 100: the least of them; `undefined` where none says so. */
  progress(): number | undefined {
    const known = [...this.#sessions]
      .map((session) => session.progress)
      .filter((share) => share !== undefined)
    return known.length === 0 ? undefined : Math.min(...known)
  }

  /** A session of its own: temporary tables and views are seen by it alone. The caller closes it. */
  async connect(): Promise<DuckDbSession> {
    const connection = await this.#instance.connect()
    await connection.run(
      "set TimeZone = 'UTC'; set enable_progress_bar = true; set enable_progress_bar_print = false",
    )
    const session = new DuckDbSession(connection, () => this.#sessions.delete(session))
    this.#sessions.add(session)
    return session
  }

  /** Runs `work` in a session of its own. */
  async use<T>(work: (session: DuckDbSession) => Promise<T>): Promise<T> {
    using session = await this.connect()
    return await work(session)
  }

  [Symbol.dispose](): void {
    this.#instance.closeSync()
  }
}

export class DuckDbSession implements Disposable {
  /** The driver's connection, for what lives in this folder. */
  readonly connection: DuckDBConnection

  readonly #onClose: () => void

  constructor(connection: DuckDBConnection, onClose: () => void = () => undefined) {
    this.connection = connection
    this.#onClose = onClose
  }

  /** How far the query that runs is, from 0 to 100; `undefined` where there is none, or it does not say. */
  get progress(): number | undefined {
    const { percentage } = this.connection.progress
    return percentage < 0 ? undefined : percentage
  }

  /** @throws LakeError `SQL_INVALID` with the engine's words. */
  async run(sql: string, { signal }: IoOptions = {}): Promise<void> {
    await this.#interruptible(signal, () => this.connection.run(sql))
  }

  async rows(sql: string, { signal }: IoOptions = {}): Promise<readonly Row[]> {
    return this.#interruptible(signal, async () => rowsOf(await this.connection.run(sql)))
  }

  /** All rows by position: names may be doubled, and any text. */
  async table(sql: string, { signal }: IoOptions = {}): Promise<Omit<TupleChunk, 'more'>> {
    return this.#interruptible(signal, async () => {
      const result = await this.connection.run(sql)
      return { columns: columnsOf(result), rows: await result.convertRows(plainValue) }
    })
  }

  /** Runs `work` in one transaction: `now()` stands still in it. It must not run within another. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.run('begin transaction')
    let result: T
    try {
      result = await work()
    } catch (error) {
      await this.run('rollback')
      throw error
    }
    await this.run('commit')
    return result
  }

  /** The only row of a query that always has one. */
  async row(sql: string, options: IoOptions = {}): Promise<Row> {
    const [row] = await this.rows(sql, options)
    if (row === undefined) throw new LakeError('BUG', 'Expected one row, got none', { details: { sql } })
    return row
  }

  /** Reads as the consumer asks: at most one chunk is held. The first chunk may be empty; it names the columns. */
  async *chunks(sql: string, { signal }: IoOptions = {}): AsyncIterable<RowChunk> {
    const result = await this.#interruptible(signal, () => this.connection.stream(sql))
    const columns = columnsOf(result)
    yield { columns, rows: [] }
    const names = namesOf(columns)
    for (;;) {
      const chunk = await this.#nextChunk(result, sql, { signal })
      if (chunk === undefined) return
      const rows = chunk.convertRows(plainValue).map((values) => rowOf(names, values))
      yield { columns, rows }
    }
  }

  /**
   * Rows by position, as the consumer asks: names may be doubled, and any text. The first chunk has no rows, and names
   * the columns. The engine holds 64 MiB of values at a time, of which a MiB is decoded, or one row.
   */
  async *tuples(
    sql: string,
    { limit = Number.POSITIVE_INFINITY, signal }: TupleOptions = {},
  ): AsyncIterable<TupleChunk> {
    const result = await this.#stream(sql, { signal })
    const freed = new FreedMemory()
    const columns = columnsOf(result)
    yield { columns, rows: [], more: 0 }
    let count = 0
    for (;;) {
      const chunk = await this.#nextChunk(result, sql, { signal })
      if (chunk === undefined) return
      const wanted = Math.min(chunk.rowCount, limit - count)
      for (const { rows, sizeBytes } of tuplesOf(chunk, wanted)) {
        yield { columns, rows, more: 0 }
        await freed.free(sizeBytes)
        // A reader that takes everything at once, such as a file, never lets a signal through.
        await setImmediate()
        signal?.throwIfAborted()
      }
      const unread = chunk.rowCount - wanted
      if (unread > 0) {
        yield { columns, rows: [], more: unread }
        await freed.free(unread * rowSizeOf(chunk, wanted))
      }
      count += wanted
    }
  }

  /**
   * The same by columns: each chunk has at least one row, and as many values in each column; no more than 2,048 rows,
   * and fewer where values are large.
   */
  async *columnChunks(sql: string, { signal }: IoOptions = {}): AsyncIterable<ColumnChunk> {
    const result = await this.#stream(sql, { signal })
    const freed = new FreedMemory()
    const names = namesOf(columnsOf(result))
    let held = new HeldColumns(names)
    for (;;) {
      const chunk = await this.#nextChunk(result, sql, { signal })
      if (chunk !== undefined) held.take(chunk)
      if (held.isFull || (chunk === undefined && held.rowCount > 0)) {
        yield held
        const { sizeBytes } = held
        held = new HeldColumns(names)
        await freed.free(sizeBytes)
      }
      if (chunk === undefined) return
    }
  }

  /** The same as the engine lays columns out: at most 65,536 rows at a time, and fewer where values are large. */
  async *flatChunks(
    sql: string,
    { signal }: IoOptions = {},
  ): AsyncIterable<{ readonly rowCount: number; readonly columns: readonly FlatColumn[] }> {
    const result = await this.#stream(sql, { signal })
    const freed = new FreedMemory()
    let held: DuckDBDataChunk[] = []
    let [rowCount, sizeBytes] = [0, 0]
    for (;;) {
      const chunk = await this.#nextChunk(result, sql, { signal })
      if (chunk !== undefined) {
        held.push(chunk)
        rowCount += chunk.rowCount
        sizeBytes += textBytesOf(chunk)
      }
      if (rowCount > 0 && (chunk === undefined || rowCount >= mostFlatRows || sizeBytes >= mostFlatBytes)) {
        yield { rowCount, columns: flatColumns(held) }
        held = []
        await freed.free(sizeBytes)
        rowCount = 0
        sizeBytes = 0
      }
      if (chunk === undefined) return
    }
  }

  async #stream(sql: string, { signal }: IoOptions): Promise<DuckDBResult> {
    // By default the engine fills a second chunk ahead, which holds gigabytes where values are large.
    await this.run("set streaming_buffer_size = '1KB'", { signal })
    return this.#interruptible(signal, async () =>
      this.connection.stream(await inSmallChunks(this.connection, sql)),
    )
  }

  /** @returns `undefined` at the end. The driver ends a stream that failed like a whole one: the result alone tells. */
  async #nextChunk(
    result: DuckDBResult,
    sql: string,
    { signal }: IoOptions,
  ): Promise<DuckDBDataChunk | undefined> {
    const chunk = await this.#interruptible(signal, () => result.fetchChunk())
    if (chunk !== null && chunk.rowCount > 0) return chunk
    if (result.returnType !== ResultReturnType.INVALID) return undefined
    signal?.throwIfAborted()
    // The driver keeps the engine's words to itself: the query says them when it runs again.
    await this.run(`explain analyze ${sql}`, { signal })
    throw new LakeError('SOURCE_FAILED', 'DuckDB: the query failed before its end, and not the second time', {
      details: { sql, fault: 'failed-once' },
    })
  }

  /** What a query would return. */
  async describe(select: string, options: IoOptions = {}): Promise<readonly Column[]> {
    const rows = await this.rows(`describe ${select}`, options)
    return rows.map((row) => ({ name: String(row['column_name']), type: String(row['column_type']) }))
  }

  async #interruptible<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    let again: NodeJS.Timeout | undefined
    const interrupt = (): void => {
      this.connection.interrupt()
      // An interrupt that comes before the engine has begun is lost: it is sent until the work has ended.
      again = setTimeout(interrupt, interruptAgainMs)
    }
    signal?.addEventListener('abort', interrupt, { once: true })
    try {
      return await work()
    } catch (error) {
      signal?.throwIfAborted()
      throw engineError(error)
    } finally {
      clearTimeout(again)
      signal?.removeEventListener('abort', interrupt)
    }
  }

  [Symbol.dispose](): void {
    this.#onClose()
    this.connection.closeSync()
  }
}

function columnsOf(result: DuckDBResult): readonly Column[] {
  return result.columnNames().map((name, index) => ({ name, type: result.columnType(index).toString() }))
}

/** A name that is doubled gets a number: `a`, `a:1`. */
const namesOf = (columns: readonly Column[]): readonly string[] =>
  distinctNames(columns.map(({ name }) => name))

/** Not by assignment: `__proto__` is a name like any other. */
const rowOf = (names: readonly string[], values: readonly Value[]): Row =>
  Object.fromEntries(names.map((name, index) => [name, values[index] ?? null]))

async function rowsOf(result: DuckDBResult): Promise<readonly Row[]> {
  const names = namesOf(columnsOf(result))
  return (await result.convertRows(plainValue)).map((values) => rowOf(names, values))
}

interface TupleBatch {
  readonly rows: readonly (readonly Value[])[]
  readonly sizeBytes: number
}

/** The first `count` rows of a chunk, each value decoded when its batch is asked for. */
function* tuplesOf(chunk: DuckDBDataChunk, count: number): Iterable<TupleBatch> {
  const valuesOf = rowReader(chunk)
  let rows: (readonly Value[])[] = []
  let sizeBytes = 0
  for (let row = 0; row < count; row++) {
    const values = valuesOf(row)
    rows.push(values)
    sizeBytes += sizeOf(values)
    if (sizeBytes < mostChunkBytes) continue
    yield { rows, sizeBytes }
    rows = []
    sizeBytes = 0
  }
  if (rows.length > 0) yield { rows, sizeBytes }
}

const rowSizeOf = (chunk: DuckDBDataChunk, row: number): number => sizeOf(rowReader(chunk)(row))

function rowReader(chunk: DuckDBDataChunk): (row: number) => readonly Value[] {
  const vectors = Array.from({ length: chunk.columnCount }, (_, index) => chunk.getColumnVector(index))
  return (row) => vectors.map((vector) => plainValue(vector.getItem(row), vector.type, plainValue))
}

/** Columns that grow by chunks of the engine. */
class HeldColumns implements ColumnChunk {
  rowCount = 0
  sizeBytes = 0
  readonly columns: Readonly<Record<string, readonly Value[]>>
  readonly #values: readonly Value[][]

  constructor(names: readonly string[]) {
    this.#values = names.map(() => [])
    this.columns = Object.fromEntries(names.map((name, index) => [name, this.#values[index] ?? []]))
  }

  get isFull(): boolean {
    return this.rowCount >= mostChunkRows || this.sizeBytes >= mostChunkBytes
  }

  take(chunk: DuckDBDataChunk): void {
    this.rowCount += chunk.rowCount
    for (const [index, values] of chunk.convertColumns(plainValue).entries()) {
      const held = this.#values[index]
      for (const value of values) {
        held?.push(value)
        this.sizeBytes += sizeOf(value)
      }
    }
  }
}

/** DuckDB tells kinds of errors apart by the first words of the message alone. */
function engineError(error: unknown): LakeError {
  const message = messageOf(error)
  if (/No space left on device/i.test(message)) {
    return new LakeError('DISK_FULL', `DuckDB: ${message}`, { cause: error })
  }
  if (/No files found that match the pattern|Cannot open file ".*": No such file/.test(message)) {
    return new LakeError('OBJECT_MISSING', `DuckDB: ${message}`, { cause: error })
  }
  if (/^Out of Memory\b/.test(message)) {
    return new LakeError('OUT_OF_MEMORY', `DuckDB: ${message}`, { cause: error })
  }
  if (/Read-only file system|Permission denied|Operation not permitted/.test(message)) {
    return new LakeError('FILE_UNWRITABLE', `DuckDB: ${message}`, {
      cause: error,
      details: { fault: 'no-access' },
    })
  }
  if (isDamagedFile(message)) {
    return new LakeError('SOURCE_FAILED', `DuckDB: ${message}`, {
      cause: error,
      details: { fault: 'file-damaged' },
    })
  }
  if (/^(IO|Permission|Internal|FATAL|INTERNAL)\b/.test(message)) {
    return new LakeError('SOURCE_FAILED', `DuckDB: ${message}`, { cause: error })
  }
  return new LakeError('SQL_INVALID', message, { cause: error })
}

/** What DuckDB says of a Parquet file that is cut off, or is none: it has no kind of its own for that. */
function isDamagedFile(message: string): boolean {
  return (
    /^(Invalid|Invalid Input|IO|Serialization|TProtocolException)\b/.test(message) &&
    /magic bytes|parquet file|footer|TProtocol|TTransport|thrift|decompress|page header|Parquet reader|dictionary|know what type/i.test(
      message,
    )
  )
}
