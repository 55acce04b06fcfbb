/** Gold as a whole: what all metrics are together, derived from their declarations. */
import { field, type StructType, structOf } from '../../lib/delta/index.ts'
import type { GoldMetric } from './metric.ts'
import type { MetricRow } from './metric-column.ts'
import { goldMetrics as declared } from './metrics/index.ts'

type Declared = (typeof declared)[number]

/** The name of a metric, and of its table in ClickHouse: `daily_active_users`. */
export type GoldTable = Declared['name']
/** The name of a metric's Delta table: `gold/daily_active_users`. */
export type GoldLakeTable = `gold/${GoldTable}`

/** The rows of each Delta table of gold. */
export type GoldRows = {
  readonly [Metric in Declared as `gold/${Metric['name']}`]: MetricRow<Metric['columns']>
}

/** Every metric, in the order in which their tasks are shown. */
export const goldMetrics: readonly GoldMetric<GoldTable>[] = declared

export const goldTableNames: readonly GoldTable[] = goldMetrics.map(({ name }) => name)

/** @throws TypeError never for a name of the type. */
export function metricOf(name: GoldTable): GoldMetric<GoldTable> {
  const found = goldMetrics.find((metric) => metric.name === name)
  if (found === undefined) throw new TypeError(`No metric ${name}`)
  return found
}

/** Columns of a gold table, as in Delta. */
export function goldColumnsOf(name: GoldTable): readonly string[] {
  return Object.keys(metricOf(name).columns)
}

export function goldSchemaOf({ columns }: Pick<GoldMetric, 'columns'>): StructType {
  return structOf(...Object.entries(columns).map(([name, { type }]) => field(name, type)))
}
