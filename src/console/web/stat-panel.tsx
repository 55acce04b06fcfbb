/** One figure of the latest day, its change, and the days before it. */
import type { Layout, Trace } from 'plotly.js-basic-dist-min'
import { type ReactElement, useMemo } from 'react'
import type { PanelAnswer, StatFigures } from '../answers.ts'
import { Chart } from './chart.tsx'
import { day, figure } from './format.ts'
import { Empty, PanelFrame, Unread } from './panel-frame.tsx'
import { useTheme } from './theme.ts'

interface StatPanelProps {
  readonly panel: PanelAnswer
  readonly figures: StatFigures | null
  readonly nowMs: number
}

export function StatPanel({ panel, figures, nowMs }: StatPanelProps): ReactElement {
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
          <Trend panel={panel} figures={figures} />
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

const trendLayout: Layout = {
  margin: { l: 0, r: 0, t: 2, b: 0 },
  paper_bgcolor: 'transparent',
  plot_bgcolor: 'transparent',
  showlegend: false,
  bargap: 0.28,
  barcornerradius: 2,
  xaxis: { visible: false, fixedrange: true, type: 'category' },
  yaxis: { visible: false, fixedrange: true, rangemode: 'tozero' },
}

function Trend({
  panel,
  figures: { days },
}: {
  readonly panel: PanelAnswer
  readonly figures: StatFigures
}): ReactElement {
  const { accent } = useTheme()
  const traces = useMemo<readonly Trace[]>(
    () => [
      {
        type: 'bar',
        x: days.map((of) => of.day),
        y: days.map(({ value }) => value),
        marker: {
          color: accent,
          opacity: days.map((_, at) => (at === days.length - 1 ? 1 : 0.45)),
          pattern: {
            shape: days.map(({ isProvisional }) => (isProvisional ? '/' : '')),
            size: 4,
            solidity: 0.45,
          },
        },
      },
    ],
    [days, accent],
  )
  const spoken = days.map((of) => `${day(of.day)} ${figure(of.value, panel.unit)}`).join(', ')
  return (
    <Chart
      label={`${panel.title} by day: ${spoken}`}
      traces={traces}
      layout={trendLayout}
      height={56}
      isStatic
    />
  )
}
