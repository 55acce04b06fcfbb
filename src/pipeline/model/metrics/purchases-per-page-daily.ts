import { goldMetric } from '../metric.ts'
import { eventDate } from '../metric-column.ts'

export const purchasesPerPageDaily = goldMetric({
  name: 'purchases_per_page_daily',
  description: 'Purchases of the UTC day on each page that had one.',
  task: 'silver_to_gold_purchases_page',
  position: 4,
  columns: {
    event_date: eventDate,
    page: { type: 'string', description: 'The page of the purchase' },
    purchase_count: { type: 'long', description: 'Purchase events, each counted once' },
  },
  grain: ['event_date', 'page'],
  sql: `
SELECT event_date, page, COUNT(*) AS purchase_count
FROM silver_events
WHERE event_type = 'purchase'
GROUP BY event_date, page`,
  checks: [{ kind: 'between', column: 'purchase_count', min: 1 }],
  panels: [
    {
      kind: 'bars',
      id: 'top-pages-by-purchases',
      title: 'Top Pages by Purchases',
      description: 'Purchase events by page, over the last seven UTC days that the batch has seen.',
      unit: 'count',
      value: 'purchases',
      label: 'page',
      measure: 'purchase_count',
      days: 7,
      limit: 10,
    },
  ],
})
