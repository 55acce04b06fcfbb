import type { GoldMetric } from '../metric.ts'

/** Distinct users with any event on the UTC day. */
export const dailyActiveUsers: GoldMetric = {
  task: 'silver_to_gold_dau',
  table: 'gold/daily_active_users',
  grain: ['event_date'],
  select: `
SELECT event_date, COUNT(DISTINCT user_id) AS dau_count
FROM silver_events
GROUP BY event_date`,
  checks: [{ kind: 'between', column: 'dau_count', min: 1 }],
}
