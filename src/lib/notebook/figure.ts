/** Rows as a figure for plotly: plain data that plotly.js draws wherever it runs. https://plotly.com/javascript/reference/ */
import type { AnyRow } from './cell-value.ts'

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
 * @throws RangeError naming the column that no row has.
 */
export function figureOf(rows: readonly object[], { kind, x, y, by, title }: FigureOptions): Figure {
  const anyRows = rows.map((row): AnyRow => ({ ...row }))
  for (const name of [x, y, ...(by === undefined ? [] : [by])]) {
    if (anyRows.length > 0 && !anyRows.some((row) => name in row)) {
      throw new RangeError(`figureOf: no row has the column ${name}`)
    }
  }
  const series = new Map<string, AnyRow[]>()
  for (const row of anyRows) {
    const name = by === undefined ? y : String(row[by])
    const points = series.get(name)
    if (points === undefined) series.set(name, [row])
    else points.push(row)
  }
  const data = [...series].map(([name, points]) => ({
    type: kind === 'bar' ? 'bar' : 'scatter',
    ...(kind === 'line' && { mode: 'lines+markers' }),
    name,
    x: points.map((row) => drawable(row[x])),
    y: points.map((row) => drawable(row[y])),
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

/** Plotly takes no bigint. */
function drawable(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
