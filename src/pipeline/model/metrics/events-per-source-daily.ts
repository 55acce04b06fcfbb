import type { GoldMetric } from '../metric.ts'

/** Events of the UTC day from each source. */
export const eventsPerSourceDaily: GoldMetric = {
  task: 'silver_to_gold_events_source',
  table: 'gold/events_per_source_daily',
  grain: ['event_date', 'source'],
  select: `
SELECT event_date, source, COUNT(*) AS event_count
FROM silver_events
GROUP BY event_date, source`,
  checks: [{ kind: 'between', column: 'event_count', min: 1 }],
}
