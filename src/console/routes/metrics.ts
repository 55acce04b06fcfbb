/** The metrics as the batch last published them: declarations, and rows by day. */
import { z } from 'zod'
import { goldMetrics } from '../../pipeline/model/gold.ts'
import type { GoldMetric } from '../../pipeline/model/metric.ts'
import { metricSchema, metricsSchema } from '../answers.ts'
import { answer, missing, type Route, route } from './route.ts'

const mostRows = 10_000

const daysQuery = z.object({
  /** The first day; all days without it. */
  from: z.iso.date('expected a day as 2026-01-31').optional(),
  /** The day after the last one. */
  to: z.iso.date('expected a day as 2026-01-31').optional(),
  limit: z.coerce
    .number('expected a whole number')
    .int('expected a whole number')
    .min(1, 'expected 1 or more')
    .max(mostRows, `expected ${mostRows} or less`)
    .default(1000),
})

export const metricRoutes: readonly Route[] = [
  route({
    path: '/api/metrics',
    summary: 'The metrics: what each says, its columns and its grain',
    answer: metricsSchema,
    handle: () => answer({ metrics: goldMetrics.map(declarationOf) }),
  }),
  route({
    path: '/api/metrics/{name}',
    summary: 'The rows of a metric, newest day first; a provisional row may still change',
    params: z.object({ name: z.string() }),
    query: daysQuery,
    answer: metricSchema,
    failures: { 400: 'a wrong parameter', 404: 'no such metric', 503: 'ClickHouse does not answer' },
    handle: async ({ params: { name }, query: { from, to, limit } }, { clickhouse }, { signal }) => {
      const metric = goldMetrics.find((known) => known.name === name)
      if (metric === undefined) {
        return missing(
          'Metric',
          name,
          goldMetrics.map((known) => known.name),
        )
      }
      const rows = await clickhouse.query<Record<string, unknown>>(rowsSql(metric), {
        params: { from: from ?? '1970-01-01', to: to ?? '2149-06-06', limit },
        signal,
      })
      return answer({ ...declarationOf(metric), rows: [...rows] })
    },
  }),
]

function declarationOf({
  name,
  description,
  grain,
  columns,
}: GoldMetric): z.infer<typeof metricsSchema>['metrics'][number] {
  return {
    name,
    description,
    grain: [...grain],
    columns: Object.entries(columns).map(([column, { type, description: meaning }]) => ({
      name: column,
      type,
      description: meaning,
    })),
  }
}

/** Days are those of ClickHouse's `Date`. */
function rowsSql({ name, columns, grain }: GoldMetric): string {
  const [day, ...rest] = grain
  return `SELECT ${Object.keys(columns).join(', ')}, provisional FROM serving.${name}
WHERE event_date >= {from:Date} AND event_date < {to:Date}
ORDER BY ${[`${day} DESC`, ...rest].join(', ')}
LIMIT {limit:UInt32}`
}
