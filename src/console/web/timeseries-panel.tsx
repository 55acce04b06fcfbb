/** Counts per bin of time: stacked bars or lines; what is provisional is drawn lighter or dotted. */
import type { Layout, Trace } from 'plotly.js-basic-dist-min'
import { type ReactElement, useMemo } from 'react'
import type { Freshness, PanelAnswer, TimeseriesFigures } from '../answers.ts'
import { everyBin, type Points, totalsOf } from './chart/bins.ts'
import { Chart } from './chart/chart.tsx'
import { chartLayout } from './chart/chart-layout.ts'
import { clockTime, exactTime } from './format.ts'
import { Empty, PanelFrame, Unread } from './panel-frame.tsx'
import { type Theme, useTheme } from './theme.ts'

interface TimeseriesPanelProps {
  readonly panel: PanelAnswer
  readonly figures: TimeseriesFigures | null
  readonly freshness: Freshness | undefined
  readonly nowMs: number
}

export function TimeseriesPanel({ panel, figures, freshness, nowMs }: TimeseriesPanelProps): ReactElement {
  const hasPoints = figures?.series.some(({ points }) => points.length > 0) === true
  const provisional =
    hasPoints && panel.provisionalFrom !== null
      ? `provisional from ${clockTime(panel.provisionalFrom)}`
      : undefined
  return (
    <PanelFrame panel={panel} nowMs={nowMs} scope={`per ${stepOf(figures)}, UTC`} provisional={provisional}>
      {figures === null ? (
        <Unread problem={panel.problem} />
      ) : hasPoints ? (
        <Bins panel={panel} figures={figures} newestEvent={freshness?.newestEvent ?? null} />
      ) : (
        <Empty title={freshness?.newestEvent ? 'Nothing in this time' : 'No events yet'}>
          {freshness?.newestEvent
            ? `The newest event is of ${exactTime(freshness.newestEvent)}`
            : 'They appear here seconds after the first one was sent'}
        </Empty>
      )}
    </PanelFrame>
  )
}

function Bins({
  panel,
  figures,
  newestEvent,
}: {
  readonly panel: PanelAnswer
  readonly figures: TimeseriesFigures
  readonly newestEvent: string | null
}): ReactElement {
  const theme = useTheme()
  const { provisionalFrom, style } = panel
  const traces = useMemo<readonly Trace[]>(() => {
    const isStacked = style === 'stacked'
    const drawn = isStacked ? stackedBars : dottedLines
    const openFrom = binOf(provisionalFrom, figures.stepSeconds)
    // A line that falls to a bin which has just begun would look like a loss.
    const filled = figures.series.map(({ label, points }) => ({
      label,
      points: everyBin(points, figures, newestEvent, { isLastWhole: !isStacked }),
    }))
    const traces = filled.flatMap(({ label, points }, at) =>
      drawn(label, points, openFrom, theme.series[at % theme.series.length] ?? theme.accent),
    )
    return isStacked ? [...traces, total(totalsOf(filled.map(({ points }) => points)))] : traces
  }, [figures, newestEvent, provisionalFrom, style, theme])
  const layout = useMemo<Layout>(() => binsLayout(theme, figures, style), [theme, figures, style])
  const totals = figures.series
    .map(({ label, points }) => `${label} ${points.reduce((sum, { value }) => sum + value, 0)}`)
    .join(', ')
  return (
    <Chart
      label={`${panel.title} per ${stepOf(figures)}; in all: ${totals}`}
      traces={traces}
      layout={layout}
      height={280}
    />
  )
}

/** `minute`, `5 minutes`. */
function stepOf(figures: TimeseriesFigures | null): string {
  const minutes = (figures?.stepSeconds ?? 60) / 60
  return minutes === 1 ? 'minute' : `${minutes} minutes`
}

/** The beginning of the bin that holds a time. */
function binOf(time: string | null, stepSeconds: number): string | null {
  if (time === null) return null
  const stepMs = stepSeconds * 1000
  return new Date(Math.floor(Date.parse(time) / stepMs) * stepMs).toISOString()
}

/** Drawn by nothing: what is told under the pointer ends with it. */
function total(points: Points): Trace {
  return {
    type: 'scatter',
    mode: 'markers',
    name: 'total',
    x: points.map(({ time }) => time),
    y: points.map(({ value }) => value),
    marker: { opacity: 0 },
    showlegend: false,
    hovertemplate: '%{y:,}',
  }
}

function stackedBars(name: string, points: Points, openFrom: string | null, color: string): Trace[] {
  const isOpen = (time: string): boolean => openFrom !== null && time >= openFrom
  return [
    {
      type: 'bar',
      name,
      x: points.map(({ time }) => time),
      y: points.map(({ value }) => value),
      marker: { color, opacity: points.map(({ time }) => (isOpen(time) ? 0.45 : 1)), line: { width: 0 } },
      hovertemplate: '%{y:,}',
    },
  ]
}

/** Dotted throughout, and drawn over where it is closed: the tooltip then shows one line. */
function dottedLines(name: string, points: Points, openFrom: string | null, color: string): Trace[] {
  const cut = openFrom === null ? -1 : points.findIndex(({ time }) => time >= openFrom)
  const closed = cut < 0 ? points : points.slice(0, cut)
  const line = (of: Points, dash: string): Trace => ({
    type: 'scatter',
    mode: 'lines',
    name,
    legendgroup: name,
    x: of.map(({ time }) => time),
    y: of.map(({ value }) => value),
    line: { color, width: 2, dash, shape: 'linear' },
  })
  const isOpenAlone = closed.length === 0
  return [
    { ...line(points, 'dot'), showlegend: isOpenAlone, hovertemplate: '%{y:,}' },
    { ...line(closed, 'solid'), showlegend: !isOpenAlone, hoverinfo: 'skip' },
  ]
}

/** Half a bin more on both sides: a bar stands around the beginning of its bin. */
const shifted = (iso: string, ms: number): string => new Date(Date.parse(iso) + ms).toISOString()

function binsLayout(
  theme: Theme,
  { from, to, stepSeconds }: TimeseriesFigures,
  style: PanelAnswer['style'],
): Layout {
  const base = chartLayout(theme)
  const half = stepSeconds * 500
  return {
    ...base,
    barmode: 'stack',
    bargap: 0.18,
    hovermode: 'x unified',
    // What is told under the pointer stands in the order of the stack, the highest first.
    legend: { ...base.legend, traceorder: style === 'stacked' ? 'reversed' : 'normal' },
    xaxis: {
      ...base.xaxis,
      type: 'date',
      range: [shifted(from, -half), shifted(to, half)],
      tickformat: '%H:%M',
      hoverformat: '%a %-d %b, %H:%M UTC',
      nticks: 7,
    },
    yaxis: { ...base.yaxis, rangemode: 'tozero', nticks: 5 },
  }
}
