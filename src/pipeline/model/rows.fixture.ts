/** Rows of the platform's tables as SQL, each given by what differs from a row that is in order. */
import { duckDbType } from '../../lib/delta/index.ts'
import { type LakeTable, lakeTables } from './tables.ts'

/** Column → SQL of its value. */
export type SqlRow = Readonly<Record<string, string>>

/** A SELECT of rows with the types of the table, in the order of its columns; one that a row lacks is null. */
export function rowsSelect(table: LakeTable, rows: readonly SqlRow[]): string {
  const { fields } = lakeTables[table].schema
  const values = rows.map((row) => `(${fields.map(({ name }) => row[name] ?? 'null').join(', ')})`)
  const typed = fields.map(({ name, type }) => `"${name}"::${duckDbType(type)} as "${name}"`)
  return `select ${typed.join(', ')} from (values ${values.join(', ')}) as v(${fields.map(({ name }) => `"${name}"`).join(', ')})`
}

/** A valid event, as bronze has it. */
export const validEvent: SqlRow = {
  event_id: `'e'`,
  user_id: '7',
  event_type: `'click'`,
  page: `'/home'`,
  timestamp: `timestamptz '2026-11-20 11:59:58+00'`,
  source: `'web'`,
  event_date: `date '2026-11-20'`,
  kafka_topic: `'user-events'`,
  kafka_partition: '0',
  kafka_offset: '1',
  kafka_timestamp: `timestamptz '2026-11-20 12:00:00+00'`,
  ingested_at: `timestamptz '2026-11-20 12:00:01+00'`,
}
