import { goldMetric } from '../metric.ts'
import { eventDate } from '../metric-column.ts'

export const dailyActiveUsers = goldMetric({
  name: 'daily_active_users',
  description: 'Distinct users with any valid event on the UTC day.',
  task: 'silver_to_gold_dau',
  position: 1,
  columns: {
    event_date: eventDate,
    dau_count: { type: 'long', description: 'Distinct users with any event' },
  },
  grain: ['event_date'],
  sql: `
SELECT event_date, COUNT(DISTINCT user_id) AS dau_count
FROM silver_events
GROUP BY event_date`,
  checks: [{ kind: 'between', column: 'dau_count', min: 1 }],
  panels: [
    {
      kind: 'stat',
      id: 'daily-active-users',
      title: 'Daily Active Users',
      description: 'Distinct users with any valid event on the UTC day.',
      unit: 'count',
      value: 'daily_active_users',
      measure: 'dau_count',
      aggregate: 'sum',
    },
  ],
})
