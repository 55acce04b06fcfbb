/**
 * `lakeshore/notebook`: all that a cell imports of the platform. Its failures are told as a cell shows them.
 *
 * `import { lake, plot, show } from 'lakeshore/notebook'`
 */
import { compareRows as comparing } from '../lib/notebook/comparison.ts'
import { area, bar, heatMap, histogram, line, raw } from '../lib/notebook/figure.ts'
import { toFrame as framing } from '../lib/notebook/frame.ts'
import { calling } from './cell.ts'
import type { Lake } from './lake.ts'
import { openLake } from './open-lake.ts'
import { showItself } from './show/show.ts'

export type { RowFrame } from '../lib/notebook/cell-value.ts'
export type {
  ComparedRow,
  Comparison,
  ComparisonOptions,
} from '../lib/notebook/comparison.ts'
export type { Figure, HeatMapOptions, HistogramOptions, SeriesOptions } from '../lib/notebook/figure.ts'
export { columnsOf, type FrameClass } from '../lib/notebook/frame.ts'
export type { HtmlTableOptions } from '../lib/notebook/html-table.ts'
export type { Expectation } from '../lib/quality/expectation.ts'
export type {
  Books,
  Explanation,
  Ledger,
  LedgerIdentity,
  MessagePlace,
  MessageTrace,
  Reconciliation,
  WindowDifference,
} from './books.ts'
export type {
  Checkable,
  CheckResult,
  Lake,
  MetricProblem,
  MetricPrototype,
  SavedTable,
  Staged,
  StageOptions,
  TableSummary,
  Trial,
} from './lake.ts'
export { openLake } from './open-lake.ts'
export type {
  EventRow,
  Place,
  QuarantinedRow,
  RejectedRow,
  TableName,
  TableRows,
} from './rows.ts'
export type { Lineage, RunAttempt, RunRecord, RunSummary, TaskGraph } from './runs.ts'
export { type ShowOptions, show } from './show/show.ts'
export type {
  ArrowColumn,
  ArrowTable,
  ColumnSchema,
  Frame,
  Point,
  RowsOptions,
  Table,
  TableDiff,
  TableVersion,
} from './table.ts'

let opened: Lake | undefined

/** The lake that the environment names (`LAKE_HOME`, `LAKE_URI`, …). Opened when it is first asked. */
export const lake: Lake = new Proxy({} as Lake, {
  get: (_, name) => {
    opened ??= openLake()
    return Reflect.get(opened, name) as unknown
  },
})

/**
 * A metric to try: its columns, grain, SQL over `silver_events`, checks and panels. In a cell tagged `metric`, with every
 * value written out, `lake notebook promote` takes it into production.
 */
export const defineMetric: Lake['metric'] = (definition) => lake.metric(definition)

/** Rows as figures, which `show` draws. */
export const plot = {
  line: calling('plot.line', line) as typeof line,
  area: calling('plot.area', area) as typeof area,
  bar: calling('plot.bar', bar) as typeof bar,
  histogram: calling('plot.histogram', histogram) as typeof histogram,
  heatMap: calling('plot.heatMap', heatMap) as typeof heatMap,
  raw,
}
export const compareRows: typeof comparing = calling('compareRows', comparing)
export const toFrame: typeof framing = (Class, rows) => calling('toFrame', () => framing(Class, rows))()

// The kernel asks this for the last expression of a cell; see `kernel.cjs`.
Object.assign(globalThis, { [Symbol.for('lakeshore.show')]: showItself })
