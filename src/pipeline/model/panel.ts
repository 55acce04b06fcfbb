/**
 * What a figure on the overview is made of, whoever draws it. A metric declares panels over its own columns; those
 * that need SQL of their own are declared beside the console's list.
 */

/** `batch` is exact and as old as the last load; `realtime` is seconds old and counts what arrived on time. */
export const layers = ['batch', 'realtime'] as const
export type Layer = (typeof layers)[number]

/** `joined`: the batch answers for closed days, the speed layer for those after them. */
export const panelLayers = [...layers, 'joined'] as const
export type PanelLayer = (typeof panelLayers)[number]

export const panelRows = ['top', 'middle', 'bottom'] as const
export type PanelRow = (typeof panelRows)[number]

export const units = ['count', 'ratio'] as const
export type Unit = (typeof units)[number]

export const panelKinds = ['stat', 'timeseries', 'bars'] as const
export type PanelKind = (typeof panelKinds)[number]

interface CommonMetricPanel {
  /** Its name in addresses: `/api/panels/{id}`. */
  readonly id: string
  readonly title: string
  /** One sentence: what is counted, over which time. */
  readonly description: string
  readonly unit: Unit
  /** The name of the figure. */
  readonly value: string
}

/** One figure a day; the last day is shown large, all of them as a trend. */
export interface MetricStatPanel extends CommonMetricPanel {
  readonly kind: 'stat'
  /** The column that holds it, and how the rows of one day become one figure. */
  readonly measure: string
  readonly aggregate: 'sum' | 'max'
}

/** One bar for each value of a column, over the newest days; the greatest first. */
export interface MetricBarsPanel extends CommonMetricPanel {
  readonly kind: 'bars'
  readonly label: string
  /** The column that is added up. */
  readonly measure: string
  readonly days: number
  readonly limit: number
}

export type MetricPanel = MetricStatPanel | MetricBarsPanel
