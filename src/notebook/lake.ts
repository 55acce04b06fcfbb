/**
 * The platform as a cell of a notebook sees it: tables with their types, SQL over the lake, SQL over ClickHouse.
 * Types alone, and none of a library: the TypeScript of a notebook's kernel is older than theirs.
 */
import type { RowFrame } from '../lib/notebook/cell-value.ts'
import type { Expectation } from '../lib/quality/expectation.ts'
import type { MetricColumns, MetricRow } from '../pipeline/model/metric-column.ts'
import type { MetricDefinition } from '../pipeline/promotion/definition.ts'
import type { Books } from './books.ts'
import type { TableName } from './rows.ts'
import type { Runs } from './runs.ts'
import type { Table } from './table.ts'

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

/** A table of the sandbox as it is after it was saved. */
export interface SavedTable {
  readonly table: string
  readonly version: number
  readonly rows: number
}

/** A reason why a definition cannot become a metric of production. */
export interface MetricProblem {
  readonly rule: string
  readonly problem: string
  readonly advice: string
}

/** A metric as a cell tries it: `lake notebook promote` takes it into production. */
export interface MetricPrototype<Row extends object = Readonly<Record<string, unknown>>> {
  readonly name: string
  /** What its SQL makes of silver as readers see it. */
  rows(): Promise<Row[]>
  /** Why it could not be promoted as it is; none if it could. */
  problems(): Promise<MetricProblem[]>
}

/** What a batch shows to a gate. */
export interface Staged {
  /** The run of the batch. */
  readonly run: number
  readonly task: string
  /** The tables that the task has made, each with the UTC days that are new in it. */
  readonly days: { readonly [Name in TableName]?: readonly string[] }
}

export interface StageOptions {
  /** UTC days, `2026-01-31`; all without it. */
  readonly days?: readonly string[]
  /** The share of users whose events are taken, above 0 and up to 1: each with all of their events. */
  readonly sample?: number
}

/** What a task has made on trial. */
export interface Trial {
  readonly task: string
  readonly tables: readonly TableName[]
  readonly rowsIn: number
  readonly rowsOut: number
  /** The lake with these tables in place of its own; of the others, what they were made from. */
  readonly lake: Lake
}

export interface Lake extends Books, Runs {
  /** Where the tables are. */
  readonly uri: string
  /**
   * In a gate what it judges: `table`, `sql` and `check` read that, and of the other tables what it was made from, in place
   * of the release. null in every other run.
   */
  staged(): Promise<Staged | null>
  /**
   * Runs a task of the batch as production does, into tables that this kernel alone sees: `(await
   * lake.stage('silver_to_gold_dau', { days: ['2026-01-31'] })).lake.table('gold/daily_active_users')`. Its input are the
   * newest versions. Trials build on each other: `trial.lake.stage(…)` reads what the first has made.
   *
   * @throws LakeError `USAGE` for a task that makes no table, `CHECK_FAILED` as in production.
   */
  stage(task: string, options?: StageOptions): Promise<Trial>
  /** The tables that exist, in the order bronze, silver, gold, at their newest versions. */
  tables(): Promise<TableSummary[]>
  /** A table, with its types: a name that is none is an error before the cell runs. */
  table<Name extends TableName>(name: Name): Table<Name>
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
  /**
   * Writes a table of your own: `lake.save('sandbox/heavy_users', rows)`. What it had is replaced, and stays readable as
   * an older version. SQL reads it as `sandbox.heavy_users`.
   *
   * @param of rows, a data frame, or SQL over the lake.
   * @throws LakeError `USAGE` for a table outside the sandbox: cells change nothing of the platform.
   */
  save(name: `sandbox/${string}`, of: Checkable): Promise<SavedTable>
  /** A metric to try; see `defineMetric`. */
  metric<const Name extends string, const Columns extends MetricColumns>(
    definition: MetricDefinition<Name, Columns> & {
      readonly grain: readonly ['event_date', ...(keyof Columns & string)[]]
    },
  ): MetricPrototype<MetricRow<Columns>>
  /** ClickHouse's SQL over `realtime`, `gold` and `serving`; `params` fill `{name:Type}`. */
  clickhouse<Row extends object = Readonly<Record<string, unknown>>>(
    query: string,
    params?: Readonly<Record<string, unknown>>,
  ): Promise<Row[]>
  /** Lets go of all that was opened. The end of the kernel does so as well. */
  close(): Promise<void>
}
