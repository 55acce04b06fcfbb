import type { GoldMetric } from '../metric.ts'

/** Purchases of the UTC day on each page that had one. */
export const purchasesPerPageDaily: GoldMetric = {
  task: 'silver_to_gold_purchases_page',
  table: 'gold/purchases_per_page_daily',
  grain: ['event_date', 'page'],
  select: `
SELECT event_date, page, COUNT(*) AS purchase_count
FROM silver_events
WHERE event_type = 'purchase'
GROUP BY event_date, page`,
  checks: [{ kind: 'between', column: 'purchase_count', min: 1 }],
}
