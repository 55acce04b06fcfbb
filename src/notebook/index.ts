/** `lakeshore/notebook`: all that a notebook imports of the platform. Its failures are told as a cell shows them. */
import { compareRows as comparing } from '../lib/notebook/comparison.ts'
import { figureOf as drawing } from '../lib/notebook/figure.ts'
import { toFrame as framing } from '../lib/notebook/frame.ts'
import { calling } from './cell.ts'

export type { RowFrame } from '../lib/notebook/cell-value.ts'
export type {
  ComparedRow,
  Comparison,
  ComparisonOptions,
} from '../lib/notebook/comparison.ts'
export type { Figure, FigureOptions } from '../lib/notebook/figure.ts'
export { columnsOf, type FrameClass } from '../lib/notebook/frame.ts'
export { type HtmlTableOptions, htmlTable } from '../lib/notebook/html-table.ts'
export { createScreen, type Display, plotlyMimeType, type Screen } from '../lib/notebook/screen.ts'
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
export type { Checkable, CheckResult, Lake, RowsOptions, TableSummary } from './lake.ts'
export { openLake } from './open-lake.ts'
export type {
  EventRow,
  Place,
  QuarantinedRow,
  RejectedRow,
  TableName,
  TableRows,
} from './rows.ts'

export const compareRows: typeof comparing = calling('compareRows', comparing)
export const figureOf: typeof drawing = calling('figureOf', drawing)
export const toFrame: typeof framing = (Class, rows) => calling('toFrame', () => framing(Class, rows))()
