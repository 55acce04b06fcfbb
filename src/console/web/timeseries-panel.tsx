/** Counts per minute: stacked bars or lines; what is provisional is drawn lighter or dotted. */
import type { Layout, Trace } from 'plotly.js-basic-dist-min'
import { type ReactElement, useMemo } from 'react'
import type { Freshness, PanelAnswer, TimeseriesFigures } from '../answers.ts'
import { Chart } from './chart.tsx'
import { chartLayout } from './chart-layout.ts'
import { clockTime, exactTime } from './format.ts'
import { everyMinute } from './minutes.ts'
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
    <PanelFrame panel={panel} nowMs={nowMs} scope="per minute, UTC" provisional={provisional}>
      {figures === null ? (
        <Unread problem={panel.problem} />
      ) : hasPoints ? (
        <Minutes panel={panel} figures={figures} newestEvent={freshness?.newestEvent ?? null} />
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

function Minutes({
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
    return figures.series.flatMap(({ label, points }, at) =>
      drawn(
        label,
        // A line that falls to a minute which has just begun would look like a loss.
        everyMinute(points, figures, newestEvent, { isLastWhole: !isStacked }),
        provisionalFrom,
        theme.series[at % theme.series.length] ?? theme.accent,
      ),
    )
  }, [figures, newestEvent, provisionalFrom, style, theme])
  const layout = useMemo<Layout>(() => minutesLayout(theme, figures), [theme, figures])
  const totals = figures.series
    .map(({ label, points }) => `${label} ${points.reduce((sum, { value }) => sum + value, 0)}`)
    .join(', ')
  return (
    <Chart
      label={`${panel.title} per minute; in all: ${totals}`}
      traces={traces}
      layout={layout}
      height={280}
    />
  )
}

type Points = TimeseriesFigures['series'][number]['points']

function stackedBars(name: string, points: Points, provisionalFrom: string | null, color: string): Trace[] {
  const isOpen = (time: string): boolean => provisionalFrom !== null && time >= provisionalFrom
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
function dottedLines(name: string, points: Points, provisionalFrom: string | null, color: string): Trace[] {
  const cut = provisionalFrom === null ? -1 : points.findIndex(({ time }) => time >= provisionalFrom)
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

/** Half a minute more on both sides: a bar is centred on its minute. */
const shifted = (iso: string, ms: number): string => new Date(Date.parse(iso) + ms).toISOString()

function minutesLayout(theme: Theme, { from, to }: TimeseriesFigures): Layout {
  const base = chartLayout(theme)
  return {
    ...base,
    barmode: 'stack',
    bargap: 0.18,
    hovermode: 'x unified',
    xaxis: {
      ...base.xaxis,
      type: 'date',
      range: [shifted(from, -30_000), shifted(to, 30_000)],
      tickformat: '%H:%M',
      nticks: 7,
    },
    yaxis: { ...base.yaxis, rangemode: 'tozero', nticks: 5 },
  }
}
