/**
 * A count by day that both layers know: the batch answers for the days before its boundary, the speed layer from it
 * on. The days of the speed layer are provisional: they hold duplicates, and miss what came late.
 */
import type { GoldTable } from './gold.ts'
import type { MetricStatPanel } from './panel.ts'

export interface JoinedView {
  /** The view's name in `serving`. */
  readonly name: string
  /** The name of the count. */
  readonly measure: string
  /** The column of each layer that is added up. */
  readonly gold: { readonly table: GoldTable; readonly column: string }
  readonly realtime: { readonly table: string; readonly column: string }
  readonly panel: MetricStatPanel
}

export const joinedViews: readonly JoinedView[] = [
  {
    name: 'purchases_per_day',
    measure: 'purchase_count',
    gold: { table: 'purchases_per_page_daily', column: 'purchase_count' },
    realtime: { table: 'purchases_per_minute', column: 'purchase_count' },
    panel: {
      kind: 'stat',
      id: 'total-purchases',
      title: 'Total Purchases',
      description: 'Purchase events on the UTC day.',
      unit: 'count',
      value: 'purchases',
      measure: 'purchase_count',
      aggregate: 'sum',
    },
  },
  {
    name: 'events_per_day',
    measure: 'event_count',
    gold: { table: 'events_per_source_daily', column: 'event_count' },
    realtime: { table: 'events_per_minute', column: 'event_count' },
    panel: {
      kind: 'stat',
      id: 'total-events',
      title: 'Total Events',
      description: 'Valid events on the UTC day.',
      unit: 'count',
      value: 'events',
      measure: 'event_count',
      aggregate: 'sum',
    },
  },
]
