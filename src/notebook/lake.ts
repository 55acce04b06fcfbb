/**
 * The platform as a cell of a notebook sees it: tables with their types, SQL over the lake, SQL over ClickHouse.
 * Types alone, and none of a library: the TypeScript of a notebook's kernel is older than theirs.
 */
import type { RowFrame } from '../lib/notebook/cell-value.ts'
import type { Expectation } from '../lib/quality/expectation.ts'
import type { Books } from './books.ts'
import type { TableName, TableRows } from './rows.ts'

export interface RowsOptions<Column extends string = string> {
  /** These columns alone, in this order. */
  readonly columns?: readonly Column[]
  /** A condition in SQL: `event_type = 'purchase'`. */
  readonly where?: string
  /** In SQL: `event_date, source desc`. Without it the order is nobody's promise. */
  readonly orderBy?: string
  readonly limit?: number
  /** The table as it was at this version; without it as the newest release has it, and bronze as it is now. */
  readonly version?: number
}

export interface TableSummary {
  readonly table: TableName
  readonly version: number
  readonly rows: number
  readonly files: number
  readonly sizeBytes: number
  /** The version of the table below that a batch made it from; absent in bronze, and before the first batch. */
  readonly madeFrom?: { readonly table: TableName; readonly version: number }
}

/** How an expectation ended, of one group of rows where they are grouped. */
export interface CheckResult {
  /** In words. */
  readonly expectation: string
  /** Of a table of the platform: the UTC day. */
  readonly group?: string
  /** `unknown` if there was nothing to decide it by: `problem` says why. */
  readonly outcome: 'holds' | 'breaks' | 'unknown'
  readonly rows: number
  /** Rows that break it. */
  readonly violations: number
  readonly problem?: string
  /** Some of the rows that break it. */
  readonly sample: readonly Readonly<Record<string, unknown>>[]
}

/** Rows, a data frame (danfo's, or another with `columns` and `values`), or a text: SQL over the lake, or a table's name. */
export type Checkable = string | readonly object[] | RowFrame

export interface Lake extends Books {
  /** Where the tables are. */
  readonly uri: string
  /** The tables that exist, in the order bronze, silver, gold. */
  tables(): Promise<TableSummary[]>
  /**
   * Rows of a table, with its types. All of it comes into memory: give a `where` or a `limit` for large ones.
   *
   * @throws LakeError `TABLE_MISSING` before landing or batch made it, `SQL_INVALID`, and `SCHEMA_MISMATCH` for a
   * whole number that no `number` holds exactly (read it as text, by `sql`).
   */
  rows<T extends TableName, C extends keyof TableRows[T] & string = keyof TableRows[T] & string>(
    table: T,
    options?: RowsOptions<C>,
  ): Promise<Pick<TableRows[T], C>[]>
  /**
   * DuckDB's SQL over the newest release, `select * from gold.daily_active_users`, and other versions, `select * from
   * at_version('gold.daily_active_users', 3)`. Whole numbers come as `number`, and as bigint where that would round
   * them.
   */
  sql<Row extends object = Readonly<Record<string, unknown>>>(query: string): Promise<Row[]>
  /**
   * Holds rows to what is expected of them, and lets the cell fail if they break it: the same expectations as those of the
   * platform's checks. A table of the platform is asked day by day, without expectations the checks of severity `fail`
   * that are declared for it.
   *
   * @throws LakeError `CHECK_FAILED` naming what is broken, with a row; `USAGE` if nothing is expected, or for rows
   * whose columns have no type.
   */
  check(of: Checkable, expectations?: readonly Expectation[]): Promise<CheckResult[]>
  /** ClickHouse's SQL over `realtime`, `gold` and `serving`; `params` fill `{name:Type}`. */
  clickhouse<Row extends object = Readonly<Record<string, unknown>>>(
    query: string,
    params?: Readonly<Record<string, unknown>>,
  ): Promise<Row[]>
  /** Lets go of all that was opened. The end of the kernel does so as well. */
  close(): Promise<void>
}
