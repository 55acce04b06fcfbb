/** Every Delta table of the platform, declared once: its columns, and what it is partitioned by. */
import {
  arrayOf,
  type Field,
  field,
  type StructType,
  structOf,
  type TableDeclaration,
} from '../../lib/delta/index.ts'
import { type GoldLakeTable, goldMetrics, goldSchemaOf } from './gold.ts'

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

/** A version's time is in its commit: file times do not outlast a backup, a copy or an object store's rewrite. */
const properties = { 'delta.enableInCommitTimestamps': 'true' }

function tableOf(schema: StructType, partitionBy?: readonly string[]): TableDeclaration {
  return { schema, properties, ...(partitionBy !== undefined && { partitionBy }) }
}

const eventTables = {
  'bronze/events': tableOf(bronzeEvents, byDay),
  'bronze/rejected': tableOf(
    structOf(
      field('raw', 'binary'),
      field('key', 'binary'),
      field('headers', arrayOf(structOf(field('key', 'string'), field('value', 'binary')))),
      field('reasons', arrayOf('string')),
      ...placeFields,
    ),
  ),
  'silver/events': tableOf(bronzeEvents, byDay),
  'silver/quarantine': tableOf(structOf(...bronzeEvents.fields, field('reasons', arrayOf('string'))), byDay),
}

export type LakeTable = keyof typeof eventTables | GoldLakeTable

/** In the order bronze, silver, gold. */
export const lakeTables: Readonly<Record<LakeTable, TableDeclaration>> = {
  ...eventTables,
  ...(Object.fromEntries(
    goldMetrics.map((metric) => [`gold/${metric.name}`, tableOf(goldSchemaOf(metric))]),
  ) as Readonly<Record<GoldLakeTable, TableDeclaration>>),
}

export const lakeTableNames = Object.keys(lakeTables) as readonly LakeTable[]

export function isLakeTable(name: string): name is LakeTable {
  return Object.hasOwn(lakeTables, name)
}

/** The columns that name a row of the table: the grain of a metric, else the place of the message in the log. */
export function rowKey(table: LakeTable): readonly string[] {
  return goldMetrics.find(({ name }) => table === `gold/${name}`)?.grain ?? placeColumns
}

const placeColumns = ['kafka_partition', 'kafka_offset'] as const

export function columnNames(schema: StructType): readonly string[] {
  return schema.fields.map(({ name }) => name)
}
