import { goldMetric } from '../metric.ts'
import { eventDate } from '../metric-column.ts'

export const conversionRateDaily = goldMetric({
  name: 'conversion_rate_daily',
  description: 'Distinct users with a purchase ÷ daily active users, and the number of purchases.',
  task: 'silver_to_gold_conversion',
  position: 2,
  columns: {
    event_date: eventDate,
    conversion_rate: { type: 'double', description: 'Users with a purchase ÷ `dau_count`, from 0 to 1' },
    total_purchases: { type: 'long', description: 'Purchase events' },
    dau_count: { type: 'long', description: 'Distinct users with any event' },
  },
  grain: ['event_date'],
  sql: `
SELECT event_date,
  CAST(COUNT(DISTINCT CASE WHEN event_type = 'purchase' THEN user_id END) AS DOUBLE)
    / COUNT(DISTINCT user_id) AS conversion_rate,
  COUNT(CASE WHEN event_type = 'purchase' THEN 1 END) AS total_purchases,
  COUNT(DISTINCT user_id) AS dau_count
FROM silver_events
GROUP BY event_date`,
  checks: [
    { kind: 'between', column: 'conversion_rate', min: 0, max: 1 },
    { kind: 'between', column: 'total_purchases', min: 0 },
    { kind: 'between', column: 'dau_count', min: 1 },
  ],
  panels: [
    {
      kind: 'stat',
      id: 'conversion-rate',
      title: 'Conversion Rate',
      description: 'Users with a purchase out of daily active users, by UTC day.',
      unit: 'ratio',
      value: 'conversion_rate',
      measure: 'conversion_rate',
      aggregate: 'max',
    },
  ],
})
