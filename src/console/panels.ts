/**
 * The panels of the *Lakehouse Platform Overview*, declared once: the console draws them, and Grafana's
 * dashboard is generated from them. The SQL is Grafana's, macros and all; the console expands them itself.
 */

/** `batch` is exact and as old as the last load; `realtime` is seconds old and counts what arrived on time. */
export type Layer = 'batch' | 'realtime'
export type Row = 'top' | 'middle' | 'bottom'
export type Unit = 'count' | 'ratio'

interface CommonPanel {
  readonly id: string
  readonly title: string
  /** One sentence: what is counted, over which time, and what is provisional in it. */
  readonly description: string
  readonly row: Row
  readonly layer: Layer
  readonly unit: Unit
  /** The column that holds the figure. */
  readonly value: string
  readonly sql: string
}

/** Rows of `time` (a day), value, `provisional`; days ascending. The last day is the figure, all are its trend. */
export interface StatPanel extends CommonPanel {
  readonly kind: 'stat'
}

/** Rows of `time`, `label`, value; time ascending. A minute without a row counted nothing. */
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

const trendDays = 14

/** The newest days of a view: by the data's own days, so that a late batch shows its last figures. */
function latestDays(view: string, value: string, expression: string): string {
  return `SELECT time, ${value}, provisional FROM (
  SELECT toDateTime(event_date, 'UTC') AS time, ${expression} AS ${value}, max(d.provisional) AS provisional
  FROM ${view} AS d
  GROUP BY event_date
  ORDER BY event_date DESC
  LIMIT ${trendDays}
)
ORDER BY time`
}

/** Sums of deltas by window. The speed layer also writes rows that count nothing, to hold its place. */
function windowSums(table: string, label: string, measure: string, value: string): string {
  return `SELECT window_start AS time, ${label}, toInt64(sum(${measure})) AS ${value}
FROM ${table}
WHERE $__timeFilter(window_start) AND ${measure} > 0
GROUP BY window_start, ${label}
ORDER BY time, ${label}`
}

const provisionalDay = 'The latest day is provisional until a batch has seen its end.'
const openWindows = 'The newest minutes are provisional: events may still arrive on time.'

export const panels: readonly Panel[] = [
  {
    id: 'daily-active-users',
    title: 'Daily Active Users',
    description: `Distinct users with any valid event on the UTC day. ${provisionalDay}`,
    kind: 'stat',
    row: 'top',
    layer: 'batch',
    unit: 'count',
    value: 'daily_active_users',
    sql: latestDays('serving.daily_active_users', 'daily_active_users', 'sum(d.dau_count)'),
  },
  {
    id: 'conversion-rate',
    title: 'Conversion Rate',
    description: `Users with a purchase out of daily active users, by UTC day. ${provisionalDay}`,
    kind: 'stat',
    row: 'top',
    layer: 'batch',
    unit: 'ratio',
    value: 'conversion_rate',
    sql: latestDays('serving.conversion_rate_daily', 'conversion_rate', 'max(d.conversion_rate)'),
  },
  {
    id: 'total-purchases',
    title: 'Total Purchases',
    description: `Purchase events on the UTC day, each counted once. ${provisionalDay}`,
    kind: 'stat',
    row: 'top',
    layer: 'batch',
    unit: 'count',
    value: 'purchases',
    sql: latestDays('serving.conversion_rate_daily', 'purchases', 'sum(d.total_purchases)'),
  },
  {
    id: 'total-events',
    title: 'Total Events',
    description: `Valid events on the UTC day, each counted once. ${provisionalDay}`,
    kind: 'stat',
    row: 'top',
    layer: 'batch',
    unit: 'count',
    value: 'events',
    sql: latestDays('serving.events_per_source_daily', 'events', 'sum(d.event_count)'),
  },
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
  {
    id: 'top-pages-by-purchases',
    title: 'Top Pages by Purchases',
    description: `Purchase events by page, over the last seven UTC days that the batch has seen. ${provisionalDay}`,
    kind: 'bars',
    row: 'bottom',
    layer: 'batch',
    unit: 'count',
    value: 'purchases',
    label: 'page',
    provisional: 'provisional_purchases',
    sql: `SELECT page, sum(purchase_count) AS purchases, sumIf(purchase_count, provisional) AS provisional_purchases
FROM serving.purchases_per_page_daily
WHERE event_date > (SELECT max(event_date) FROM serving.purchases_per_page_daily) - 7
GROUP BY page
ORDER BY purchases DESC, page
LIMIT 10`,
  },
]

/** The panel of that id, or `undefined`. */
export function findPanel(id: string): Panel | undefined {
  return panels.find((panel) => panel.id === id)
}
