import type { GoldMetric } from '../metric.ts'

/** Distinct users with a purchase ÷ daily active users, and the number of purchases. */
export const conversionRateDaily: GoldMetric = {
  task: 'silver_to_gold_conversion',
  table: 'gold/conversion_rate_daily',
  grain: ['event_date'],
  select: `
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
}
