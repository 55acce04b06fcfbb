/** A table as a cell sees it. Types alone, and none of a library; see `lake.ts`. */
import type { Expectation } from '../lib/quality/expectation.ts'
import type { CheckResult } from './lake.ts'
import type { TableName, TableRows } from './rows.ts'

/** A version of a table; or the newest at a time, `2026-01-31` or `2026-01-31T12:00:00Z`; or the one of a release. */
export type Point = number | string | { readonly release: number }

export interface RowsOptions<Column extends string = string> {
  /** These columns alone, in this order. */
  readonly columns?: readonly Column[]
  /** A condition in SQL: `event_type = 'purchase'`. */
  readonly where?: string
  /** In SQL: `event_date, source desc`. Without it the order is nobody's promise. */
  readonly orderBy?: string
  readonly limit?: number
}

export interface TableVersion {
  readonly version: number
  /** `2026-01-31T12:00:00.000Z`. */
  readonly at: string
  /** What the commit did: `WRITE`, `OPTIMIZE`. */
  readonly operation: string | null
  /** The run of the batch that made it; null if it was none. */
  readonly run: number | null
}

export interface ColumnSchema {
  readonly column: string
  /** As SQL names it: `BIGINT`. */
  readonly type: string
  readonly nullable: boolean
  readonly comment: string | null
}

/** What differs between two versions, by the columns that name a row of the table. */
export interface TableDiff {
  readonly table: string
  readonly from: number
  readonly to: number
  readonly added: number
  readonly removed: number
  readonly changed: number
  /** A row for each value that changed, and for each row that came or went; the columns of the key first. */
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

/** The part of an Apache Arrow table that cells mostly use; all of it is there: https://arrow.apache.org/docs/js/ */
export interface ArrowTable {
  readonly numRows: number
  readonly numCols: number
  readonly schema: { readonly fields: readonly { readonly name: string; readonly nullable: boolean }[] }
  get(row: number): { toJSON(): Record<string, unknown> } | null
  getChild(column: string): ArrowColumn | null
}

export interface ArrowColumn extends Iterable<unknown> {
  readonly length: number
  readonly nullCount: number
  get(row: number): unknown
  /** Of a column of numbers a typed array. */
  toArray(): ArrayLike<unknown>
}

/** The part of danfo's data frame that cells mostly use; all of it is there: https://danfo.jsdata.org */
export interface Frame {
  readonly columns: string[]
  readonly shape: number[]
  readonly values: unknown[][]
  head(rows?: number): Frame
  tail(rows?: number): Frame
  print(): void
  describe(): Frame
  sortValues(column: string, options?: { readonly ascending?: boolean }): Frame
  groupby(columns: string[]): {
    agg(how: Record<string, string>): Frame
    count(): Frame
    sum(): Frame
    mean(): Frame
  }
  column(name: string): {
    readonly values: unknown[]
    mean(): number
    sum(): number
    min(): number
    max(): number
  }
}

export interface Table<Name extends TableName = TableName> {
  readonly name: Name
  /**
   * Rows with the types of the table.
   *
   * @throws LakeError `TABLE_MISSING` before landing or batch made it, `SQL_INVALID`, `USAGE` if they are too many for
   * the kernel, and `SCHEMA_MISMATCH` for a whole number that no `number` holds exactly (read it as text, by `sql`).
   */
  rows<Column extends keyof TableRows[Name] & string = keyof TableRows[Name] & string>(
    options?: RowsOptions<Column>,
  ): Promise<Pick<TableRows[Name], Column>[]>
  /** The same rows as a data frame of danfo, which is loaded when this is first called. */
  frame(options?: RowsOptions<keyof TableRows[Name] & string>): Promise<Frame>
  /** The same rows as an Arrow table: for millions of them. No value is rounded. */
  arrow(options?: RowsOptions<keyof TableRows[Name] & string>): Promise<ArrowTable>
  /** The table as it was. */
  at(point: Point): Table<Name>
  /** Its versions, the newest first, as far as they are still in the log. */
  history(): Promise<TableVersion[]>
  schema(): Promise<ColumnSchema[]>
  /** What differs between two points; without the second, between the first and now. */
  diff(from: Point, to?: Point): Promise<TableDiff>
  /** The checks that are declared for the table, or others: see `lake.check`. */
  check(expectations?: readonly Expectation[]): Promise<CheckResult[]>
}
