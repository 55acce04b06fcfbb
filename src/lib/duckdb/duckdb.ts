/**
 * DuckDB: the engine that parses, computes, and reads and writes Parquet. The only home of its driver.
 *
 * One instance, many connections; every connection is UTC. Nothing is downloaded: extensions that are not
 * part of the binary are neither installed nor loaded.
 */
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBResult,
  ResultReturnType,
} from '@duckdb/node-api'
import { LakeError, messageOf } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { memoryShares } from '../base/memory.ts'
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

export interface ColumnChunk {
  readonly rowCount: number
  /** Column → its values, in the order of the rows. */
  readonly columns: Readonly<Record<string, readonly Value[]>>
}

const interruptAgainMs = 50

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

  constructor(instance: DuckDBInstance) {
    this.#instance = instance
  }

  /** A session of its own: temporary tables and views are seen by it alone. The caller closes it. */
  async connect(): Promise<DuckDbSession> {
    const connection = await this.#instance.connect()
    await connection.run("set TimeZone = 'UTC'")
    return new DuckDbSession(connection)
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

  constructor(connection: DuckDBConnection) {
    this.connection = connection
  }

  /** @throws LakeError `SQL_INVALID` with the engine's words. */
  async run(sql: string, { signal }: IoOptions = {}): Promise<void> {
    await this.#interruptible(signal, () => this.connection.run(sql))
  }

  async rows(sql: string, { signal }: IoOptions = {}): Promise<readonly Row[]> {
    return this.#interruptible(signal, async () => rowsOf(await this.connection.run(sql)))
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
    const names = columns.map(({ name }) => name)
    for (;;) {
      const chunk = await this.#nextChunk(result, sql, { signal })
      if (chunk === undefined) return
      const rows = chunk.convertRows(plainValue).map((values) => {
        const row: Record<string, Row[string]> = {}
        names.forEach((name, index) => {
          row[name] = values[index] ?? null
        })
        return row
      })
      yield { columns, rows }
    }
  }

  /** The same by columns: each chunk has at least one row, and as many values in each column. */
  async *columnChunks(sql: string, { signal }: IoOptions = {}): AsyncIterable<ColumnChunk> {
    const result = await this.#interruptible(signal, () => this.connection.stream(sql))
    const names = columnsOf(result).map(({ name }) => name)
    for (;;) {
      const chunk = await this.#nextChunk(result, sql, { signal })
      if (chunk === undefined) return
      const values = chunk.convertColumns(plainValue)
      yield {
        rowCount: chunk.rowCount,
        columns: Object.fromEntries(names.map((name, index) => [name, values[index] ?? []])),
      }
    }
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
    this.connection.closeSync()
  }
}

function columnsOf(result: DuckDBResult): readonly Column[] {
  return result
    .deduplicatedColumnNames()
    .map((name, index) => ({ name, type: result.columnType(index).toString() }))
}

async function rowsOf(result: DuckDBResult): Promise<readonly Row[]> {
  return (await result.convertRowObjects(plainValue)) as readonly Row[]
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
  if (/^(IO|Permission|Internal|FATAL|INTERNAL)\b/.test(message)) {
    return new LakeError('SOURCE_FAILED', `DuckDB: ${message}`, { cause: error })
  }
  return new LakeError('SQL_INVALID', message, { cause: error })
}
