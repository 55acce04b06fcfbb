/** One figure of the latest day, the one before, and the days before that. A day that the data begin in is marked. */
import type { Layout, Trace } from 'plotly.js-basic-dist-min'
import { type ReactElement, useMemo } from 'react'
import type { PanelAnswer, StatFigures } from '../answers.ts'
import { Chart } from './chart/chart.tsx'
import { chartLayout } from './chart/chart-layout.ts'
import { day, figure } from './format.ts'
import { Empty, PanelFrame, Unread } from './panel-frame.tsx'
import { type Theme, useTheme } from './theme.ts'

interface StatPanelProps {
  readonly panel: PanelAnswer
  readonly figures: StatFigures | null
  /** The first window that was counted. */
  readonly oldestWindow: string | null
  readonly nowMs: number
}

export function StatPanel({ panel, figures, oldestWindow, nowMs }: StatPanelProps): ReactElement {
  const latest = figures?.days.at(-1)
  const provisional = latest?.isProvisional === true ? 'provisional' : undefined
  return (
    <PanelFrame panel={panel} nowMs={nowMs} provisional={provisional}>
      {figures === null ? (
        <Unread problem={panel.problem} />
      ) : latest === undefined ? (
        <Empty title={panel.asOf === null ? 'The first batch has not run' : 'The batch has seen no events'} />
      ) : (
        <div className="stat">
          <div className="stat-text">
            <p className="stat-value" data-value={latest.value}>
              {figure(latest.value, panel.unit)}
            </p>
            <p className="stat-note">
              {day(latest.day)}
              <Before panel={panel} figures={figures} />
            </p>
          </div>
          <Trend panel={panel} figures={figures} partialDay={partialDayOf(oldestWindow)} />
        </div>
      )}
    </PanelFrame>
  )
}

function Before({
  panel,
  figures,
}: {
  readonly panel: PanelAnswer
  readonly figures: StatFigures
}): ReactElement | null {
  const before = figures.days.at(-2)
  if (before === undefined) return null
  return (
    <span>
      {' · '}
      {figure(before.value, panel.unit)} on {day(before.day)}
    </span>
  )
}

/** Of few events a day the first may be minutes after midnight. */
const wholeWithinMs = 15 * 60_000

/** The day in which the data begin, unless they begin with it. */
function partialDayOf(oldestWindow: string | null): string | undefined {
  if (oldestWindow === null) return undefined
  const beginMs = Date.parse(oldestWindow)
  const firstDay = oldestWindow.slice(0, 10)
  return beginMs - Date.parse(firstDay) > wholeWithinMs ? firstDay : undefined
}

const trendLayout = (theme: Theme): Layout => ({
  ...chartLayout(theme),
  margin: { l: 0, r: 0, t: 2, b: 0 },
  showlegend: false,
  hovermode: 'closest',
  bargap: 0.28,
  barcornerradius: 2,
  xaxis: { visible: false, fixedrange: true, type: 'category' },
  yaxis: { visible: false, fixedrange: true, rangemode: 'tozero' },
})

function Trend({
  panel,
  figures: { days },
  partialDay,
}: {
  readonly panel: PanelAnswer
  readonly figures: StatFigures
  readonly partialDay: string | undefined
}): ReactElement {
  const theme = useTheme()
  const layout = useMemo(() => trendLayout(theme), [theme])
  const notes = useMemo(
    () =>
      days.map((of) => {
        const note = of.day === partialDay ? ', partial' : of.isProvisional ? ', provisional' : ''
        return { day: day(of.day), text: `${figure(of.value, panel.unit)}${note}` }
      }),
    [days, partialDay, panel.unit],
  )
  const traces = useMemo<readonly Trace[]>(
    () => [
      {
        type: 'bar',
        x: days.map((of) => of.day),
        y: days.map(({ value }) => value),
        customdata: notes.map((of) => `${of.day}<br>${of.text}`),
        hovertemplate: '%{customdata}<extra></extra>',
        marker: {
          color: theme.accent,
          opacity: days.map((_, at) => (at === days.length - 1 ? 1 : 0.45)),
          pattern: {
            shape: days.map((of) => (of.day === partialDay ? '.' : of.isProvisional ? '/' : '')),
            size: 4,
            solidity: 0.45,
          },
        },
      },
    ],
    [days, notes, partialDay, theme],
  )
  const spoken = notes.map((of) => `${of.day} ${of.text}`).join('; ')
  return <Chart label={`${panel.title} by day: ${spoken}`} traces={traces} layout={layout} height={56} />
}
