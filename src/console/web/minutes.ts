/** A minute without a row counted nothing: zeros between the range's start and the newest event. */
import { windowMs } from '../../pipeline/model/time-rules.ts'
import type { TimeseriesFigures } from '../answers.ts'

type Points = TimeseriesFigures['series'][number]['points']

/** One point a minute; none after the newest event, where nobody knows yet. `isLastWhole`: nor the minute of it. */
export function everyMinute(
  points: Points,
  { from, to }: { readonly from: string; readonly to: string },
  newestEvent: string | null,
  { isLastWhole = false }: { readonly isLastWhole?: boolean } = {},
): Points {
  const known = new Map(points.map(({ time, value }) => [Date.parse(time), value]))
  const newestMs = Math.max(newestEvent === null ? 0 : Date.parse(newestEvent), ...known.keys())
  const firstMs = Math.ceil(Date.parse(from) / windowMs) * windowMs
  const lastMs = Math.min(Date.parse(to), newestMs) - (isLastWhole ? windowMs : 0)
  const filled: Points = []
  for (let ms = firstMs; ms <= lastMs; ms += windowMs) {
    filled.push({ time: new Date(ms).toISOString(), value: known.get(ms) ?? 0 })
  }
  return filled
}
