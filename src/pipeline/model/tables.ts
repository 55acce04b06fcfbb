/** Every table of the platform, declared once: its columns, and what it is partitioned by. */
import { arrayOf, type Field, field, type StructType, structOf } from '../../lib/delta/schema.ts'
import type { TableDeclaration } from '../../lib/delta/table.ts'

const eventFields: readonly Field[] = [
  field('event_id', 'string'),
  field('user_id', 'long'),
  field('event_type', 'string'),
  field('page', 'string'),
  field('timestamp', 'timestamp'),
  field('source', 'string'),
]

const placeFields: readonly Field[] = [
  field('kafka_topic', 'string'),
  field('kafka_partition', 'integer'),
  field('kafka_offset', 'long'),
  field('kafka_timestamp', 'timestamp'),
  field('ingested_at', 'timestamp'),
]

const bronzeEvents = structOf(...eventFields, field('event_date', 'date'), ...placeFields)
const byDay = ['event_date']

export const lakeTables = {
  'bronze/events': { schema: bronzeEvents, partitionBy: byDay },
  'bronze/rejected': {
    schema: structOf(
      field('raw', 'binary'),
      field('key', 'binary'),
      field('headers', arrayOf(structOf(field('key', 'string'), field('value', 'binary')))),
      field('reasons', arrayOf('string')),
      ...placeFields,
    ),
  },
  'silver/events': { schema: bronzeEvents, partitionBy: byDay },
  'silver/quarantine': {
    schema: structOf(...bronzeEvents.fields, field('reasons', arrayOf('string'))),
    partitionBy: byDay,
  },
  'gold/daily_active_users': { schema: structOf(field('event_date', 'date'), field('dau_count', 'long')) },
  'gold/conversion_rate_daily': {
    schema: structOf(
      field('event_date', 'date'),
      field('conversion_rate', 'double'),
      field('total_purchases', 'long'),
      field('dau_count', 'long'),
    ),
  },
  'gold/events_per_source_daily': {
    schema: structOf(field('event_date', 'date'), field('source', 'string'), field('event_count', 'long')),
  },
  'gold/purchases_per_page_daily': {
    schema: structOf(field('event_date', 'date'), field('page', 'string'), field('purchase_count', 'long')),
  },
} as const satisfies Readonly<Record<string, TableDeclaration>>

export type LakeTable = keyof typeof lakeTables

export const lakeTableNames = Object.keys(lakeTables) as readonly LakeTable[]

export function isLakeTable(name: string): name is LakeTable {
  return Object.hasOwn(lakeTables, name)
}

export function columnNames(schema: StructType): readonly string[] {
  return schema.fields.map(({ name }) => name)
}
