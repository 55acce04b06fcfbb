/** Horizontal bars, the greatest on top. */
import type { Layout, Trace } from 'plotly.js-basic-dist-min'
import { type ReactElement, useMemo } from 'react'
import type { BarsFigures, PanelAnswer } from '../answers.ts'
import { Chart } from './chart/chart.tsx'
import { chartLayout } from './chart/chart-layout.ts'
import { figure, plainText } from './format.ts'
import { Empty, PanelFrame, Unread } from './panel-frame.tsx'
import { type Theme, useTheme } from './theme.ts'

interface BarsPanelProps {
  readonly panel: PanelAnswer
  readonly figures: BarsFigures | null
  readonly nowMs: number
}

export function BarsPanel({ panel, figures, nowMs }: BarsPanelProps): ReactElement {
  const isProvisional = figures?.bars.some(({ provisional }) => provisional > 0) === true
  return (
    <PanelFrame
      panel={panel}
      nowMs={nowMs}
      scope="last seven days"
      provisional={isProvisional ? 'striped: provisional' : undefined}
    >
      {figures === null ? (
        <Unread problem={panel.problem} />
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
  const traces = useMemo(() => barTraces(bars, panel.unit, theme), [bars, panel.unit, theme])
  const layout = useMemo(() => barLayout(bars, theme), [bars, theme])
  const spoken = bars.map(({ label, value }) => `${label} ${figure(value, panel.unit)}`).join(', ')
  return (
    <Chart
      label={`${panel.title}: ${spoken}`}
      traces={traces}
      layout={layout}
      height={Math.max(120, 20 + bars.length * 30)}
    />
  )
}

type Bar = BarsFigures['bars'][number]

function barTraces(bars: readonly Bar[], unit: PanelAnswer['unit'], theme: Theme): readonly Trace[] {
  // By number: a name may be one that a chart takes for its own, as `__proto__`.
  const y = bars.map((_, at) => at)
  const bar = { type: 'bar', orientation: 'h', y, cliponaxis: false } as const
  return [
    {
      ...bar,
      x: bars.map(({ value, provisional }) => value - provisional),
      marker: { color: theme.accent },
      hoverinfo: 'skip',
    },
    {
      ...bar,
      x: bars.map(({ provisional }) => provisional),
      customdata: bars.map(({ label, value, provisional }) => [value, provisional, plainText(label)]),
      text: bars.map(({ value }) => figure(value, unit)),
      textposition: 'outside',
      textfont: { color: theme.text },
      hovertemplate:
        '%{customdata[2]}: %{customdata[0]:,}, of which %{customdata[1]:,} provisional<extra></extra>',
      marker: { color: theme.accent, pattern: { shape: '/', size: 5, solidity: 0.45 } },
    },
  ]
}

function barLayout(bars: readonly Bar[], theme: Theme): Layout {
  const base = chartLayout(theme)
  return {
    ...base,
    margin: { l: 8, r: 48, t: 4, b: 4 },
    barmode: 'stack',
    bargap: 0.3,
    barcornerradius: 3,
    showlegend: false,
    // Every bar says its figure.
    xaxis: { ...base.xaxis, visible: false, rangemode: 'tozero' },
    yaxis: {
      ...base.yaxis,
      showgrid: false,
      automargin: true,
      autorange: 'reversed',
      tickvals: bars.map((_, at) => at),
      ticktext: bars.map(({ label }) => plainText(label)),
      ticksuffix: '  ',
    },
  }
}
