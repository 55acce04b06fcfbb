/** `lakeshore/notebook`: all that a notebook imports of the platform. */
export {
  type ComparedRow,
  type Comparison,
  type ComparisonOptions,
  compareRows,
} from '../lib/notebook/comparison.ts'
export { type Figure, type FigureOptions, figureOf } from '../lib/notebook/figure.ts'
export { columnsOf, type FrameClass, toFrame } from '../lib/notebook/frame.ts'
export { type HtmlTableOptions, htmlTable } from '../lib/notebook/html-table.ts'
export { createScreen, type Display, plotlyMimeType, type Screen } from '../lib/notebook/screen.ts'
export type { Lake, RowsOptions, TableSummary } from './lake.ts'
export { openLake } from './open-lake.ts'
export type {
  EventRow,
  Place,
  QuarantinedRow,
  RejectedRow,
  TableName,
  TableRows,
} from './rows.ts'
