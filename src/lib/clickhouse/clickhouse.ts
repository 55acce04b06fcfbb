/**
 * Port: what the platform needs of ClickHouse. It is a server, a cluster or the embedded engine.
 *
 * Integers beyond 2^53 are bigint, smaller ones are number. Decimal, dates and times are text; `NaN` and the
 * infinities are the texts `nan`, `inf` and `-inf`. No value is rounded.
 */
import type { IoOptions } from '../base/io.ts'

export type Settings = Readonly<Record<string, string | number | boolean>>

export interface StatementOptions extends IoOptions {
  /** Values for `{name:Type}`. Long integers as bigint, arrays as arrays, null as null. */
  readonly params?: Readonly<Record<string, unknown>>
  readonly settings?: Settings
}

export interface CommandOptions extends StatementOptions {
  /**
   * Running it twice is as good as once, so it is repeated when its answer was lost. Unless told, true of
   * `IF [NOT] EXISTS`, `OR REPLACE` and `REPLACE PARTITION`.
   */
  readonly isRepeatable?: boolean
}

export interface InsertOptions extends IoOptions {
  readonly columns?: readonly string[]
  readonly settings?: Settings
  /**
   * `insert_deduplication_token`: a second insert with the same token is dropped, whatever its rows, as long
   * as the table's deduplication window holds it. Without a window the token has no effect.
   */
  readonly token?: string
}

/**
 * Errors, all LakeError: `CLICKHOUSE_UNAVAILABLE` (details.ambiguous: true when the statement may have been
 * carried out), `CLICKHOUSE_REFUSED` (who we are), `CLICKHOUSE_FAILED` (details.clickhouseCode,
 * details.clickhouseType). Aborting ends the statement in the server and rejects with the signal's reason.
 */
export interface ClickHouse extends AsyncDisposable {
  /** All rows of a SELECT, in memory. Repeated when the connection breaks. The SQL names no FORMAT. */
  query<Row = Readonly<Record<string, unknown>>>(
    sql: string,
    options?: StatementOptions,
  ): Promise<readonly Row[]>
  /** Rows as they come. Leaving the loop ends the statement. Not repeated once it has begun. */
  stream<Row = Readonly<Record<string, unknown>>>(sql: string, options?: StatementOptions): AsyncIterable<Row>
  /** The bytes of an answer in any output format of ClickHouse: ArrowStream, Parquet, CSV. */
  raw(sql: string, options: StatementOptions & { readonly format: string }): AsyncIterable<Uint8Array>
  /** A statement without an answer: DDL, ALTER, INSERT … SELECT. */
  command(sql: string, options?: CommandOptions): Promise<void>
  /**
   * One insert, one block: all rows or none, for each partition of the table. Never repeated once it was
   * sent; an insert whose answer was lost fails with details.ambiguous. No rows: nothing is sent. A field
   * that the table lacks is an error; null for a number that is not Nullable is 0 to ClickHouse.
   */
  insert(table: string, rows: readonly object[], options?: InsertOptions): Promise<void>
  /** A file in an input format of ClickHouse: Parquet, ArrowStream, CSVWithNames. */
  insertFile(table: string, format: string, path: string, options?: InsertOptions): Promise<void>
  /** Resolves when the server answers and knows us. */
  ping(options?: IoOptions): Promise<void>
  /** `26.7.2.1`. */
  version(options?: IoOptions): Promise<string>
}
