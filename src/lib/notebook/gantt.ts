/** When pieces of work began and ended, as a still picture (SVG): a bar each, one below the other. */
import { numberAxis } from './axis.ts'
import { escapeHtml } from './html-table.ts'
import { letterWidth, rounded, svgPage } from './svg.ts'

export interface GanttBar {
  readonly name: string
  /** Decides the colour, and is told when the pointer rests on the bar. */
  readonly state: string
  /** Milliseconds since the epoch; without a start there is no bar, without an end it goes on. */
  readonly startMs?: number
  readonly endMs?: number
}

const colors: Readonly<Record<string, string>> = {
  succeeded: '#0f766e',
  unchanged: '#94a3b8',
  failed: '#dc2626',
  cancelled: '#d97706',
  abandoned: '#d97706',
  running: '#2563eb',
}
const otherColor = '#64748b'

const [rowHeight, top, plotWidth, right] = [26, 28, 560, 84]

/** @param nowMs Where bars end that have no end yet. */
export function ganttPicture(bars: readonly GanttBar[], nowMs: number): string {
  const starts = bars.flatMap(({ startMs }) => startMs ?? [])
  const from = starts.length === 0 ? nowMs : Math.min(...starts)
  const ends = bars.map(({ endMs = nowMs }) => endMs)
  const axis = numberAxis(0, (Math.max(from + 1, ...ends) - from) / 1000)
  const left = Math.max(...bars.map(({ name }) => name.length), 0) * letterWidth + 20
  const [width, height] = [left + plotWidth + right, top + bars.length * rowHeight + 16]
  const x = (ms: number): number => left + (axis.place((ms - from) / 1000) ?? 0) * plotWidth
  const grid = axis.ticks.map(({ at, text }) => {
    const place = rounded(left + at * plotWidth)
    return `<path d="M${place} ${top - 6}V${height - 10}" stroke="#e2e8f0"/><text x="${place}" y="${top - 12}" text-anchor="middle" fill="#64748b">${text} s</text>`
  })
  const rows = bars.map((bar, at) => drawn(bar, { x, y: top + at * rowHeight, left, nowMs }))
  return svgPage(width, height, [...grid, ...rows])
}

interface BarPlace {
  readonly x: (ms: number) => number
  readonly y: number
  readonly left: number
  readonly nowMs: number
}

function drawn({ name, state, startMs, endMs }: GanttBar, { x, y, left, nowMs }: BarPlace): string {
  const label = `<text x="${left - 10}" y="${y + 16}" text-anchor="end">${escapeHtml(name)}</text>`
  if (startMs === undefined) {
    return `${label}<text x="${left + 6}" y="${y + 16}" fill="#64748b">${escapeHtml(state)}</text>`
  }
  const [from, to] = [x(startMs), x(endMs ?? nowMs)]
  const seconds = `${(((endMs ?? nowMs) - startMs) / 1000).toFixed(1)} s`
  const told = `${name}: ${state}, ${seconds}`
  return `${label}<rect x="${rounded(from)}" y="${y + 4}" width="${rounded(Math.max(to - from, 2))}" height="${rowHeight - 9}" rx="3" fill="${colors[state] ?? otherColor}"><title>${escapeHtml(told)}</title></rect><text x="${rounded(Math.max(to, from + 2) + 6)}" y="${y + 16}" fill="#64748b">${seconds}</text>`
}
