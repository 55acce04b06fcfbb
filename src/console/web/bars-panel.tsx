/** Horizontal bars, the greatest on top. */
import type { Layout, Trace } from 'plotly.js-basic-dist-min'
import { type ReactElement, useMemo } from 'react'
import type { BarsFigures, PanelAnswer } from '../answers.ts'
import { Chart } from './chart.tsx'
import { chartLayout } from './chart-layout.ts'
import { figure } from './format.ts'
import { Empty, PanelFrame, Unread } from './panel-frame.tsx'
import { useTheme } from './theme.ts'

interface BarsPanelProps {
  readonly panel: PanelAnswer
  readonly figures: BarsFigures | null
  readonly nowMs: number
}

export function BarsPanel({ panel, figures, nowMs }: BarsPanelProps): ReactElement {
  const isProvisional = figures?.bars.some((bar) => bar.isProvisional) === true
  return (
    <PanelFrame
      panel={panel}
      nowMs={nowMs}
      provisional={
        isProvisional ? 'Striped bars hold purchases of a day that is not over for the batch' : undefined
      }
    >
      {figures === null ? (
        <Unread panel={panel} />
      ) : figures.bars.length > 0 ? (
        <Bars panel={panel} figures={figures} />
      ) : panel.asOf === null ? (
        <Empty title="The first batch has not run">
          Run <code>lake batch</code>
        </Empty>
      ) : (
        <Empty title="No purchases">In the last seven days of the batch</Empty>
      )}
    </PanelFrame>
  )
}

function Bars({
  panel,
  figures: { bars },
}: {
  readonly panel: PanelAnswer
  readonly figures: BarsFigures
}): ReactElement {
  const theme = useTheme()
  const traces = useMemo<readonly Trace[]>(
    () => [
      {
        type: 'bar',
        orientation: 'h',
        x: bars.map(({ value }) => value),
        y: bars.map(({ label }) => label),
        text: bars.map(({ value }) => figure(value, panel.unit)),
        textposition: 'auto',
        insidetextanchor: 'end',
        insidetextfont: { color: theme.surface },
        outsidetextfont: { color: theme.text },
        cliponaxis: false,
        hovertemplate: '%{y}: %{x:,}<extra></extra>',
        marker: {
          color: theme.accent,
          pattern: {
            shape: bars.map(({ isProvisional }) => (isProvisional ? '/' : '')),
            fgopacity: 0.25,
            size: 6,
            solidity: 0.3,
            fillmode: 'overlay',
          },
        },
      },
    ],
    [bars, panel.unit, theme],
  )
  const layout = useMemo<Layout>(() => {
    const base = chartLayout(theme)
    return {
      ...base,
      margin: { l: 8, r: 24, t: 4, b: 28 },
      bargap: 0.3,
      barcornerradius: 3,
      showlegend: false,
      xaxis: { ...base.xaxis, showgrid: true, rangemode: 'tozero', nticks: 6 },
      yaxis: { ...base.yaxis, automargin: true, autorange: 'reversed', type: 'category', ticksuffix: '  ' },
    }
  }, [theme])
  const spoken = bars.map(({ label, value }) => `${label} ${figure(value, panel.unit)}`).join(', ')
  return (
    <Chart
      label={`${panel.title}: ${spoken}`}
      traces={traces}
      layout={layout}
      height={Math.max(120, 44 + bars.length * 30)}
    />
  )
}
