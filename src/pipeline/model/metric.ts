/** A gold metric: its SQL, its grain, its checks. One file a metric, in `gold/`. */
import type { Expectation } from '../../lib/quality/expectation.ts'
import type { LakeTable } from './tables.ts'

export interface GoldMetric {
  /** The task of the DAG that makes it. */
  readonly task: string
  readonly table: Extract<LakeTable, `gold/${string}`>
  /** Columns that name one row; `event_date` is always one of them. */
  readonly grain: readonly ['event_date', ...string[]]
  /** A SELECT over `silver_events`, in the dialect that DuckDB and Spark share. */
  readonly select: string
  /** What must hold of the new rows before anyone sees them, besides the grain. */
  readonly checks: readonly Expectation[]
}
