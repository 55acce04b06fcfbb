/** A bin without a row counted nothing: zeros between the range's start and the newest event. */
import type { TimeseriesFigures } from '../../answers.ts'

export type Points = TimeseriesFigures['series'][number]['points']

/** One point a bin; none after the newest event, where nobody knows yet. `isLastWhole`: nor the bin of it. */
export function everyBin(
  points: Points,
  { from, to, stepSeconds }: Pick<TimeseriesFigures, 'from' | 'to' | 'stepSeconds'>,
  newestEvent: string | null,
  { isLastWhole = false }: { readonly isLastWhole?: boolean } = {},
): Points {
  const stepMs = stepSeconds * 1000
  const known = new Map(points.map(({ time, value }) => [Date.parse(time), value]))
  const newestMs = Math.max(newestEvent === null ? 0 : Date.parse(newestEvent), ...known.keys())
  const firstMs = Math.ceil(Date.parse(from) / stepMs) * stepMs
  const lastMs = Math.min(Date.parse(to), newestMs) - (isLastWhole ? stepMs : 0)
  const filled: Points = []
  for (let ms = firstMs; ms <= lastMs; ms += stepMs) {
    filled.push({ time: new Date(ms).toISOString(), value: known.get(ms) ?? 0 })
  }
  return filled
}

/** What stands on each other, added up. */
export function totalsOf(series: readonly Points[]): Points {
  const totals = new Map<string, number>()
  for (const points of series) {
    for (const { time, value } of points) totals.set(time, (totals.get(time) ?? 0) + value)
  }
  return [...totals].map(([time, value]) => ({ time, value })).sort((a, b) => (a.time < b.time ? -1 : 1))
}
