/**
 * A gold metric, declared once: its columns, its grain, its SQL, its checks, its panels.
 *
 * Everything else is derived from the declaration: the Delta schema, ClickHouse's tables and views, the row type of
 * notebooks, the REST API, the panels of console and Grafana, and the reference in `docs/tables.md`.
 * To add a metric is to add a file in `metrics/` and to run `npm run generate`.
 */
import type { Expectation } from '../../lib/quality/expectation.ts'
import type { MetricPanel } from './panel.ts'

/** A type of a metric's column, by its name in Delta, and what JavaScript has for a value of it. */
interface ValuesOf {
  /** `2026-01-31`, a UTC day. */
  readonly date: string
  readonly string: string
  readonly long: number
  readonly double: number
  readonly boolean: boolean
}

export type MetricColumnType = keyof ValuesOf

export interface MetricColumn<Type extends MetricColumnType = MetricColumnType> {
  readonly type: Type
  /** What a value says, with its unit. */
  readonly description: string
  /** A text with few distinct values, which ClickHouse keeps as numbers. */
  readonly isLowCardinality?: boolean
}

export type MetricColumns = Readonly<Record<string, MetricColumn>>

export interface GoldMetric<Name extends string = string, Columns extends MetricColumns = MetricColumns> {
  /** The table's name in `gold`, in Delta and ClickHouse; the file has the same, with dashes. */
  readonly name: Name
  /** One sentence: what is counted, over which time. */
  readonly description: string
  /** The task of the DAG that makes it. */
  readonly task: string
  /** Where its task and its panels stand among those of the others. */
  readonly position: number
  readonly columns: Columns
  /** Columns that name one row; `event_date` is always the first. */
  readonly grain: readonly ['event_date', ...string[]]
  /** A SELECT over `silver_events`, in the dialect that DuckDB and Spark share; its aliases are the columns. */
  readonly sql: string
  /** What must hold of the new rows before anyone sees them, besides the grain. */
  readonly checks: readonly Expectation[]
  readonly panels: readonly MetricPanel[]
}

type GrainOf<Columns> = readonly ['event_date', ...(keyof Columns & string)[]]

/** Holds the declaration to its own columns: a grain of others does not compile. */
export function goldMetric<const Name extends string, const Columns extends MetricColumns>(
  metric: GoldMetric<Name, Columns> & { readonly grain: GrainOf<Columns> },
): GoldMetric<Name, Columns> {
  return metric
}

/** One row of a metric, as TypeScript sees it. */
export type MetricRow<Columns extends MetricColumns> = {
  readonly [Column in keyof Columns]: ValuesOf[Columns[Column]['type']]
}

/** The UTC day of the events, which every metric has. */
export const eventDate = { type: 'date', description: 'The UTC day' } as const
