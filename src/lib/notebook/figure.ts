/** Rows as a figure for plotly: plain data that plotly.js draws wherever it runs. https://plotly.com/javascript/reference/ */
import { LakeError } from '../base/errors.ts'
import { cellOf, columnNames } from './named-rows.ts'

export interface Figure {
  readonly data: readonly Readonly<Record<string, unknown>>[]
  readonly layout: Readonly<Record<string, unknown>>
}

export interface FigureOptions {
  readonly kind: 'line' | 'bar'
  /** The columns of the two axes. */
  readonly x: string
  readonly y: string
  /** A column whose values each become a line, or a stack of bars, of their own. */
  readonly by?: string
  readonly title?: string
}

/**
 * Points in the order of the rows; series in the order in which they first come. A bigint that no number holds is
 * rounded, as any picture rounds.
 *
 * @throws LakeError `COLUMN_MISSING` naming the column that no row has.
 */
export function figureOf(rows: readonly object[], { kind, x, y, by, title }: FigureOptions): Figure {
  requireColumns(rows, [x, y, ...(by === undefined ? [] : [by])])
  const series = new Map<string, object[]>()
  for (const row of rows) {
    const name = by === undefined ? y : String(cellOf(row, by))
    const points = series.get(name)
    if (points === undefined) series.set(name, [row])
    else points.push(row)
  }
  const data = [...series].map(([name, points]) => ({
    type: kind === 'bar' ? 'bar' : 'scatter',
    ...(kind === 'line' && { mode: 'lines+markers' }),
    name,
    x: points.map((row) => drawable(cellOf(row, x))),
    y: points.map((row) => drawable(cellOf(row, y))),
  }))
  return {
    data,
    layout: {
      ...(title !== undefined && { title: { text: title } }),
      xaxis: { title: { text: x } },
      yaxis: { title: { text: y }, rangemode: 'tozero' },
      ...(kind === 'bar' && { barmode: 'stack' }),
      showlegend: data.length > 1,
      margin: { t: title === undefined ? 24 : 56 },
    },
  }
}

function requireColumns(rows: readonly object[], wanted: readonly string[]): void {
  if (rows.length === 0) return
  const known = columnNames(rows)
  for (const column of wanted.filter((name) => !known.includes(name))) {
    throw new LakeError('COLUMN_MISSING', `figureOf: no row has the column ${column}`, {
      details: { fault: 'column-not-in-rows', column, known },
    })
  }
}

/** Plotly takes no bigint. */
function drawable(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
