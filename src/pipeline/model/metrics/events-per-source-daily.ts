import { goldMetric } from '../metric.ts'
import { eventDate } from '../metric-column.ts'

export const eventsPerSourceDaily = goldMetric({
  name: 'events_per_source_daily',
  description: 'Valid events of the UTC day from each source.',
  task: 'silver_to_gold_events_source',
  position: 3,
  columns: {
    event_date: eventDate,
    source: { type: 'string', description: '`web` or `mobile`', isLowCardinality: true },
    event_count: { type: 'long', description: 'Events, each counted once' },
  },
  grain: ['event_date', 'source'],
  sql: `
SELECT event_date, source, COUNT(*) AS event_count
FROM silver_events
GROUP BY event_date, source`,
  checks: [{ kind: 'between', column: 'event_count', min: 1 }],
  panels: [],
})
