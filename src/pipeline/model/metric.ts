/**
 * A gold metric, declared once: its columns, its grain, its SQL, its checks, its panels.
 *
 * Everything else is derived from the declaration: the Delta schema, ClickHouse's tables and views, the row type of
 * notebooks, the REST API, the panels of console and Grafana, and the reference in `docs/tables.md`.
 * To add a metric is to add a file in `metrics/` and to run `npm run generate`.
 */
import type { Expectation } from '../../lib/quality/expectation.ts'
import type { MetricColumns } from './metric-column.ts'
import type { MetricPanel } from './panel.ts'

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
