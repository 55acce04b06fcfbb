/**
 * The panels of the *Lakehouse Platform Overview*: metrics, views over both layers, and the speed layer.
 *
 * The console draws them, and Grafana's dashboard is generated from them. The SQL has Grafana's macros, which the
 * console expands itself.
 */
import { goldMetrics } from '../pipeline/model/gold.ts'
import { type JoinedView, joinedViews } from '../pipeline/model/joined-view.ts'
import type { GoldMetric } from '../pipeline/model/metric.ts'
import type {
  MetricBarsPanel,
  MetricPanel,
  MetricStatPanel,
  PanelLayer,
  PanelRow,
  Unit,
} from '../pipeline/model/panel.ts'

interface CommonPanel {
  readonly id: string
  readonly title: string
  /** One sentence: what is counted, over which time, and what is provisional in it. */
  readonly description: string
  readonly row: PanelRow
  readonly layer: PanelLayer
  readonly unit: Unit
  /** The column that holds the figure. */
  readonly value: string
  readonly sql: string
}

/** Rows of `time` (a day), value, `provisional`; days ascending. The last day is the figure, all are its trend. */
export interface StatPanel extends CommonPanel {
  readonly kind: 'stat'
}

/** Rows of `time`, `label`, value; time ascending. A bin without a row counted nothing. */
export interface TimeseriesPanel extends CommonPanel {
  readonly kind: 'timeseries'
  readonly label: string
  /** What the labels are, in the order in which they are drawn; others may come after them. */
  readonly labels: readonly string[]
  readonly style: 'stacked' | 'lines'
}

/** Rows of `label`, value, and how much of it is provisional; the greatest first. */
export interface BarsPanel extends CommonPanel {
  readonly kind: 'bars'
  readonly label: string
  /** The column that holds the part of the figure that is provisional. */
  readonly provisional: string
}

export type Panel = StatPanel | TimeseriesPanel | BarsPanel

/** How many days a figure's trend has. */
export const trendDays = 14
/** In characters: a name is whatever somebody sent. */
const labelLength = 80

/** The newest days of a view: by the data's own days, so that a late batch shows its last figures. */
function latestDays(view: string, { value, aggregate, measure }: MetricStatPanel): string {
  return `SELECT time, ${value}, provisional FROM (
  SELECT toDateTime(event_date, 'UTC') AS time, ${aggregate}(d.${measure}) AS ${value}, max(d.provisional) AS provisional
  FROM ${view} AS d
  GROUP BY event_date
  ORDER BY event_date DESC
  LIMIT ${trendDays}
)
ORDER BY time`
}

function sumsByLabel(view: string, { label, value, measure, days, limit }: MetricBarsPanel): string {
  return `SELECT if(lengthUTF8(name) > ${labelLength}, concat(leftUTF8(name, ${labelLength}), '…'), name) AS ${label}, ${value}, provisional_${value}
FROM (
  SELECT ${label} AS name, sum(${measure}) AS ${value}, sumIf(${measure}, provisional) AS provisional_${value}
  FROM ${view}
  WHERE event_date > (SELECT max(event_date) FROM ${view}) - ${days}
  GROUP BY name
  ORDER BY ${value} DESC, name
  LIMIT ${limit}
)
ORDER BY ${value} DESC, name`
}

/** Sums of deltas by bins of whole windows, in UTC whatever the server's zone. The speed layer also writes rows that count nothing, to hold its place. */
function windowSums(table: string, label: string, measure: string, value: string): string {
  return `SELECT toTimeZone($__timeInterval(window_start), 'UTC') AS time, ${label}, toInt64(sum(${measure})) AS ${value}
FROM ${table}
WHERE $__timeFilter(window_start) AND ${measure} > 0
GROUP BY time, ${label}
ORDER BY time, ${label}`
}

const provisionalDay = 'The latest day is provisional until a batch has seen its end.'
const liveDay =
  'Closed days are counted by the batch; days after them by the speed layer, which counts what arrived on time, duplicates too.'
const openWindows = 'The newest minutes are provisional: events may still arrive on time.'

function metricPanel({ name }: GoldMetric, panel: MetricPanel): Panel {
  const { id, title, unit, value } = panel
  const description = `${panel.description} ${provisionalDay}`
  const common = { id, title, description, layer: 'batch', unit, value } as const
  const view = `serving.${name}`
  return panel.kind === 'stat'
    ? { ...common, kind: 'stat', row: 'top', sql: latestDays(view, panel) }
    : {
        ...common,
        kind: 'bars',
        row: 'bottom',
        label: panel.label,
        provisional: `provisional_${value}`,
        sql: sumsByLabel(view, panel),
      }
}

function joinedPanel({ name, panel }: JoinedView): Panel {
  const { id, title, unit, value } = panel
  return {
    id,
    title,
    description: `${panel.description} ${liveDay}`,
    kind: 'stat',
    row: 'top',
    layer: 'joined',
    unit,
    value,
    sql: latestDays(`serving.${name}`, panel),
  }
}

const metricPanels = goldMetrics.flatMap((metric) => metric.panels.map((panel) => metricPanel(metric, panel)))

const realtimePanels: readonly Panel[] = [
  {
    id: 'event-stream',
    title: 'Event Stream',
    description: `Valid events per minute that arrived on time, by type. ${openWindows}`,
    kind: 'timeseries',
    row: 'middle',
    layer: 'realtime',
    unit: 'count',
    value: 'events',
    label: 'event_type',
    labels: ['click', 'login', 'logout', 'purchase'],
    style: 'stacked',
    sql: windowSums('realtime.events_per_minute', 'event_type', 'event_count', 'events'),
  },
  {
    id: 'logins-per-source',
    title: 'Logins Per Source',
    description: `Logins per minute that arrived on time, by source. ${openWindows}`,
    kind: 'timeseries',
    row: 'middle',
    layer: 'realtime',
    unit: 'count',
    value: 'logins',
    label: 'source',
    labels: ['web', 'mobile'],
    style: 'lines',
    sql: windowSums('realtime.logins_per_source', 'source', 'login_count', 'logins'),
  },
]

/** From the top of the page down. */
export const panels: readonly Panel[] = [
  ...metricPanels.filter(({ row }) => row === 'top'),
  ...joinedViews.map(joinedPanel),
  ...realtimePanels,
  ...metricPanels.filter(({ row }) => row === 'bottom'),
]

/** The panel of that id, or `undefined`. */
export function findPanel(id: string): Panel | undefined {
  return panels.find((panel) => panel.id === id)
}
