/** The columns of a metric: their types, what they say, and what JavaScript has for their values. */

/** The types that a metric's column may have, by their names in Delta. */
export const metricColumnTypes = ['date', 'string', 'long', 'double', 'boolean'] as const
export type MetricColumnType = (typeof metricColumnTypes)[number]

/** What JavaScript has for a value of each type. */
interface ValuesOf extends Readonly<Record<MetricColumnType, unknown>> {
  /** `2026-01-31`, a UTC day. */
  readonly date: string
  readonly string: string
  readonly long: number
  readonly double: number
  readonly boolean: boolean
}

export interface MetricColumn<Type extends MetricColumnType = MetricColumnType> {
  readonly type: Type
  /** What a value says, with its unit. */
  readonly description: string
  /** A text with few distinct values, which ClickHouse keeps as numbers. */
  readonly isLowCardinality?: boolean
}

export type MetricColumns = Readonly<Record<string, MetricColumn>>

/** One row of a metric, as TypeScript sees it. */
export type MetricRow<Columns extends MetricColumns> = {
  readonly [Column in keyof Columns]: ValuesOf[Columns[Column]['type']]
}

/** The UTC day of the events, which every metric has. */
export const eventDate = { type: 'date', description: 'The UTC day' } as const
