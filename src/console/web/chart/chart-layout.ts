/** What all charts with axes share. */
import type { Json, Layout } from 'plotly.js-basic-dist-min'
import type { Theme } from '../theme.ts'

const fontFamily = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'

interface ChartLayout {
  readonly [key: string]: Json
  readonly xaxis: Layout
  readonly yaxis: Layout
  readonly legend: Layout
}

const axis = (theme: Theme): Layout => ({
  fixedrange: true,
  gridcolor: theme.grid,
  linecolor: theme.grid,
  zeroline: false,
  tickfont: { color: theme.text, size: 12 },
})

export const chartLayout = (theme: Theme): ChartLayout => ({
  margin: { l: 44, r: 8, t: 8, b: 28 },
  paper_bgcolor: 'transparent',
  plot_bgcolor: 'transparent',
  font: { family: fontFamily, color: theme.text, size: 12 },
  legend: { orientation: 'h', x: 0, y: 1.02, xanchor: 'left', yanchor: 'bottom', traceorder: 'normal' },
  hoverlabel: { bgcolor: theme.surface, bordercolor: theme.grid, font: { color: theme.text } },
  dragmode: false,
  xaxis: { ...axis(theme), showgrid: false },
  yaxis: axis(theme),
})
