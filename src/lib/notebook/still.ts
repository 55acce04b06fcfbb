/**
 * A figure as a still picture (SVG), for readers that run no script: nbconvert's HTML, the page of a code host.
 *
 * It draws what `figure.ts` makes. plotly.js draws in a browser alone, so the picture shows the same series in the same
 * colours, and not the same pixels.
 */
import { type Axis, bandAxis, isTimes, numberAxis, timeAxis } from './axis.ts'
import type { Figure } from './figure.ts'
import { escapeHtml } from './html-table.ts'

interface Series {
  readonly kind: 'line' | 'area' | 'bar'
  readonly name: string
  readonly color: string
  readonly x: readonly unknown[]
  readonly y: readonly unknown[]
}

const [width, height] = [760, 380]
const plot = { left: 72, right: 48, top: 64, bottom: 64 }
const [plotWidth, plotHeight] = [width - plot.left - plot.right, height - plot.top - plot.bottom]
/** The colours that plotly.js gives to series in their order. */
const colors = [
  '#1f77b4',
  '#ff7f0e',
  '#2ca02c',
  '#d62728',
  '#9467bd',
  '#8c564b',
  '#e377c2',
  '#7f7f7f',
  '#bcbd22',
  '#17becf',
]
const mostNames = 8

/** `undefined` for a figure that has no values, or others than lines, areas and bars that are stacked, and a heat map. */
export function stillOf({ data, layout }: Figure): string | undefined {
  const [only] = data
  if (data.length === 1 && only?.['type'] === 'heatmap') return heatMapStill(only, layout)
  const series = data.map(seriesOf).filter((each) => each !== undefined)
  const xs = series.flatMap(({ x }) => x)
  const isStacked = layout['barmode'] === 'stack' || series.filter(({ kind }) => kind === 'bar').length < 2
  if (series.length < data.length || xs.length === 0 || !isStacked) return undefined
  const x = axisOf(series, xs)
  const marks = markedPoints(series)
  const ends = marks.flatMap(({ from, to }) => [from, to])
  const y = numberAxis(smallest([0, ...ends]), -smallest([0, ...ends.map((value) => -value)]))
  const hasNames = series.length > 1
  const drawnSeries = series.flatMap((each) =>
    drawn(
      each,
      marks.filter(({ of }) => of === each),
      x,
      y,
    ),
  )
  return framed(layout, [...(hasNames ? namesOf(series) : []), ...gridOf(x, y), ...drawnSeries])
}

/** The picture with what all have: the ground, and the titles. */
function framed(layout: Figure['layout'], content: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#444">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(width / 2, 26, titleOf(layout), 'middle', 'font-size="17"'),
    text(plot.left + plotWidth / 2, height - 14, titleOf(layout['xaxis']), 'middle'),
    text(
      0,
      0,
      titleOf(layout['yaxis']),
      'middle',
      `transform="translate(16 ${plot.top + plotHeight / 2}) rotate(-90)"`,
    ),
    ...content,
    '</svg>',
  ].join('')
}

/** Pale for the smallest value, dark for the largest; nothing where there is none. */
function heatMapStill(
  trace: Readonly<Record<string, unknown>>,
  layout: Figure['layout'],
): string | undefined {
  const { x: across, y: down, z } = trace
  if (!Array.isArray(across) || !Array.isArray(down) || !Array.isArray(z)) return undefined
  const rows = z.filter((row): row is unknown[] => Array.isArray(row))
  const values = rows
    .flat()
    .filter((value): value is number => typeof value === 'number' && Number.isFinite(value))
  if (values.length === 0) return undefined
  const [low, high] = [smallest(values), -smallest(values.map((value) => -value))]
  const [x, y] = [bandAxis(across), bandAxis(down)]
  const [wide, tall] = [plotWidth / across.length, plotHeight / down.length]
  const cells = rows.flatMap((row, at) =>
    row.flatMap((value, column) => {
      if (typeof value !== 'number') return []
      const share = high === low ? 1 : (value - low) / (high - low)
      const dark = Math.round(95 - share * 60)
      const corner = `x="${round(plot.left + column * wide)}" y="${round(plot.top + plotHeight - (at + 1) * tall)}"`
      return [`<rect ${corner} width="${round(wide)}" height="${round(tall)}" fill="hsl(210,70%,${dark}%)"/>`]
    }),
  )
  return framed(layout, [
    ...cells,
    ...y.ticks.map(({ at, text: label }) => text(plot.left - 8, top(at) + 4, cut(label, 9), 'end')),
    ...x.ticks.map(({ at, text: label }) =>
      text(left(at), plot.top + plotHeight + 20, cut(label, 13), 'middle'),
    ),
  ])
}

function seriesOf(trace: Readonly<Record<string, unknown>>, index: number): Series | undefined {
  const { type, name, x, y, stackgroup } = trace
  if ((type !== 'bar' && type !== 'scatter') || !Array.isArray(x) || !Array.isArray(y)) return undefined
  const color = colors[index % colors.length] ?? '#444'
  const kind = type === 'bar' ? 'bar' : stackgroup === undefined ? 'line' : 'area'
  return { kind, name: String(name ?? `trace ${index}`), color, x, y }
}

function axisOf(series: readonly Series[], xs: readonly unknown[]): Axis {
  if (series.some(({ kind }) => kind === 'bar')) return bandAxis(xs)
  const numbers = xs.filter((value): value is number => typeof value === 'number' && Number.isFinite(value))
  if (numbers.length === xs.length) return numberAxis(smallest(numbers), -smallest(numbers.map((n) => -n)))
  return isTimes(xs) ? timeAxis(xs) : bandAxis(xs)
}

/** Not by `Math.min(...values)`: a hundred thousand arguments are too many. */
const smallest = (values: readonly number[]): number =>
  values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)

interface Mark {
  readonly of: Series
  readonly x: unknown
  /** Where a bar begins; 0 for a point. */
  readonly from: number
  readonly to: number
}

/** Bars and areas of one place stand on each other: those below 0 downwards. What is no number has no mark. */
function markedPoints(series: readonly Series[]): readonly Mark[] {
  const stacks = new Map<string, number>()
  return series.flatMap((of) =>
    of.x.flatMap((x, index): Mark[] => {
      const y: unknown = of.y[index]
      if (typeof y !== 'number' || !Number.isFinite(y)) return []
      if (of.kind === 'line') return [{ of, x, from: 0, to: y }]
      const key = `${y < 0 ? '-' : '+'}${String(x)}`
      const from = stacks.get(key) ?? 0
      stacks.set(key, from + y)
      return [{ of, x, from, to: from + y }]
    }),
  )
}

const left = (at: number): number => round(plot.left + at * plotWidth)
const top = (at: number): number => round(plot.top + (1 - at) * plotHeight)
const round = (value: number): number => Math.round(value * 10) / 10

function drawn({ kind, color }: Series, marks: readonly Mark[], x: Axis, y: Axis): readonly string[] {
  const points = marks.flatMap(({ x: value, from, to }) => {
    const [across, low, high] = [x.place(value), y.place(Math.min(from, to)), y.place(Math.max(from, to))]
    const [at, base] = [y.place(to), y.place(from)]
    if (across === undefined || low === undefined || high === undefined || at === undefined) return []
    return [{ across, low, high, at, base: base ?? at }]
  })
  if (kind === 'area') {
    const [above, below] = [
      points.map(({ across, at }) => `${left(across)},${top(at)}`),
      points.map(({ across, base }) => `${left(across)},${top(base)}`),
    ]
    return [
      `<polygon points="${[...above, ...below.reverse()].join(' ')}" fill="${color}" fill-opacity="0.5"/>`,
    ]
  }
  if (kind === 'line') {
    const line = points.map(({ across, at }) => `${left(across)},${top(at)}`)
    const dots =
      points.length > 100
        ? []
        : line.map((each) => `<circle cx="${each.replace(',', '" cy="')}" r="3" fill="${color}"/>`)
    return [`<polyline points="${line.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`, ...dots]
  }
  const wide = Math.max(1, x.band * plotWidth * 0.8)
  return points.map(
    ({ across, low, high }) =>
      `<rect x="${round(left(across) - wide / 2)}" y="${top(high)}" width="${round(wide)}" height="${round(top(low) - top(high))}" fill="${color}"/>`,
  )
}

function gridOf(x: Axis, y: Axis): readonly string[] {
  return [
    ...y.ticks.flatMap(({ at, text: label }) => [
      `<path d="M${plot.left} ${top(at)}h${plotWidth}" stroke="#eee"/>`,
      text(plot.left - 8, top(at) + 4, label, 'end'),
    ]),
    ...x.ticks.map(({ at, text: label }) =>
      text(left(at), plot.top + plotHeight + 20, cut(label, 13), 'middle'),
    ),
    `<path d="M${plot.left} ${top(y.place(0) ?? 0)}h${plotWidth}" stroke="#444"/>`,
  ]
}

function namesOf(series: readonly Series[]): readonly string[] {
  const more = series.length - mostNames
  const step = plotWidth / Math.min(series.length, mostNames + (more > 0 ? 1 : 0))
  const shown = series
    .slice(0, mostNames)
    .flatMap(({ name, color }, index) => [
      `<rect x="${round(plot.left + index * step)}" y="38" width="12" height="12" fill="${color}"/>`,
      text(round(plot.left + index * step + 18), 49, cut(name, Math.floor(step / 9)), 'start'),
    ])
  return more > 0 ? [...shown, text(plot.left + mostNames * step, 49, `and ${more} more`, 'start')] : shown
}

function text(x: number, y: number, content: string, anchor: string, more = ''): string {
  if (content === '') return ''
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" ${more}>${escapeHtml(content)}</text>`
}

const cut = (label: string, most: number): string =>
  label.length <= most ? label : `${label.slice(0, Math.max(1, most - 1))}…`

/** Of the layout or of an axis: `{ title: { text } }`, or `{ title }`. */
function titleOf(part: unknown): string {
  if (typeof part !== 'object' || part === null || !('title' in part)) return ''
  const { title } = part
  if (typeof title === 'string') return title
  return typeof title === 'object' && title !== null && 'text' in title ? String(title.text) : ''
}
