/** Rows as a figure for plotly: plain data that plotly.js draws wherever it runs. https://plotly.com/javascript/reference/ */
import { LakeError } from '../base/errors.ts'
import { cellOf, columnNames } from './named-rows.ts'

export interface Figure {
  readonly data: readonly Readonly<Record<string, unknown>>[]
  readonly layout: Readonly<Record<string, unknown>>
}

export interface SeriesOptions<Column extends string = string> {
  /** The columns of the two axes. */
  readonly x: Column
  readonly y: Column
  /** A column whose values each become a line, an area or a stack of bars of their own, with a colour of its own. */
  readonly color?: Column
  readonly title?: string
}

export interface HistogramOptions<Column extends string = string> {
  /** A column of numbers. */
  readonly x: Column
  /** How many bars of equal width; 20 without it. */
  readonly bins?: number
  readonly title?: string
}

export interface HeatMapOptions<Column extends string = string> {
  readonly x: Column
  readonly y: Column
  /** The column that says how dark a cell is. Of several rows of one cell the last counts. */
  readonly value: Column
  readonly title?: string
}

type ColumnOf<Row> = keyof Row & string

/** Points in the order of the rows, joined by a line. A bigint that no number holds is rounded, as any picture rounds. */
export function line<Row extends object>(
  rows: readonly Row[],
  options: SeriesOptions<ColumnOf<Row>>,
): Figure {
  return seriesFigure('plot.line', rows, options, { type: 'scatter', mode: 'lines+markers' })
}

/** As `line`, filled down to the axis; several areas stand on each other. */
export function area<Row extends object>(
  rows: readonly Row[],
  options: SeriesOptions<ColumnOf<Row>>,
): Figure {
  return seriesFigure('plot.area', rows, options, { type: 'scatter', mode: 'lines', stackgroup: 'one' })
}

export function bar<Row extends object>(rows: readonly Row[], options: SeriesOptions<ColumnOf<Row>>): Figure {
  const figure = seriesFigure('plot.bar', rows, options, { type: 'bar' })
  return { ...figure, layout: { ...figure.layout, barmode: 'stack' } }
}

/** How many rows lie in each of some ranges of equal width. Rows whose value is no number are left out. */
export function histogram<Row extends object>(
  rows: readonly Row[],
  { x, bins = 20, title }: HistogramOptions<ColumnOf<Row>>,
): Figure {
  requireColumns('plot.histogram', rows, [x])
  if (!Number.isInteger(bins) || bins < 1)
    throw new LakeError('USAGE', `plot.histogram: bins must be a whole number from 1, got ${bins}`)
  const values = rows.map((row) => drawable(cellOf(row, x))).filter((value) => typeof value === 'number')
  const numbers = values.filter(Number.isFinite)
  const low = numbers.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
  const high = numbers.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
  const width = (high - low) / bins || 1
  const counts = Array.from({ length: high === low ? 1 : bins }, () => 0)
  for (const value of numbers) {
    const at = Math.min(Math.floor((value - low) / width), counts.length - 1)
    counts[at] = (counts[at] ?? 0) + 1
  }
  const ranges = counts.map(
    (_, at) => `${shortNumber(low + at * width)} – ${shortNumber(low + (at + 1) * width)}`,
  )
  const data = numbers.length === 0 ? [] : [{ type: 'bar', name: x, x: ranges, y: counts }]
  return { data, layout: { ...layoutOf({ x, y: 'rows', title }), bargap: 0.05, showlegend: false } }
}

/** A cell for each pair of values, in the order in which they first come. */
export function heatMap<Row extends object>(
  rows: readonly Row[],
  { x, y, value, title }: HeatMapOptions<ColumnOf<Row>>,
): Figure {
  requireColumns('plot.heatMap', rows, [x, y, value])
  const [across, down] = [x, y].map((name) => [...new Set(rows.map((row) => String(cellOf(row, name))))])
  const cells = new Map(
    rows.map((row) => [`${String(cellOf(row, y))}\n${String(cellOf(row, x))}`, drawable(cellOf(row, value))]),
  )
  const z = down?.map((row) => across?.map((column) => cells.get(`${row}\n${column}`) ?? null))
  const data =
    rows.length === 0
      ? []
      : [{ type: 'heatmap', name: value, x: across, y: down, z, colorscale: 'Blues', reversescale: true }]
  return { data, layout: { ...layoutOf({ x, y, title }), showlegend: false } }
}

/** A figure of your own, as plotly.js takes it. */
export function raw(
  data: readonly Readonly<Record<string, unknown>>[],
  layout: Readonly<Record<string, unknown>> = {},
): Figure {
  return { data, layout }
}

/** @throws LakeError `COLUMN_MISSING` naming the column that no row has. */
function seriesFigure(
  call: string,
  rows: readonly object[],
  { x, y, color, title }: SeriesOptions,
  trace: Readonly<Record<string, unknown>>,
): Figure {
  requireColumns(call, rows, [x, y, ...(color === undefined ? [] : [color])])
  const series = new Map<string, object[]>()
  for (const row of rows) {
    const name = color === undefined ? y : String(cellOf(row, color))
    const points = series.get(name)
    if (points === undefined) series.set(name, [row])
    else points.push(row)
  }
  const data = [...series].map(([name, points]) => ({
    ...trace,
    name,
    x: points.map((row) => drawable(cellOf(row, x))),
    y: points.map((row) => drawable(cellOf(row, y))),
  }))
  const layout = layoutOf({ x, y, title })
  return { data, layout: { ...layout, showlegend: data.length > 1 } }
}

function layoutOf({
  x,
  y,
  title,
}: {
  readonly x: string
  readonly y: string
  readonly title: string | undefined
}): Figure['layout'] {
  return {
    ...(title !== undefined && { title: { text: title } }),
    xaxis: { title: { text: x } },
    yaxis: { title: { text: y }, rangemode: 'tozero' },
    margin: { t: title === undefined ? 24 : 56 },
  }
}

function requireColumns(call: string, rows: readonly object[], wanted: readonly string[]): void {
  if (rows.length === 0) return
  const known = columnNames(rows)
  for (const column of wanted.filter((name) => !known.includes(name))) {
    throw new LakeError('COLUMN_MISSING', `${call}: no row has the column ${column}`, {
      details: { fault: 'column-not-in-rows', column, known },
    })
  }
}

const shortNumber = (value: number): string => String(Number(value.toPrecision(4)))

/** Plotly takes no bigint. */
function drawable(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
