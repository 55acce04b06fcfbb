/** Brings ClickHouse to the schema of the platform. Safe to run by several processes at once, and again. */
import type { IoOptions } from '../lib/base/io.ts'
import type { ClickHouse } from '../lib/clickhouse/clickhouse.ts'
import { createDatabase, ensureTable } from '../lib/clickhouse/ddl.ts'
import {
  goldTableNames,
  goldTables,
  loadedTables,
  loadsTable,
  realtimeTableNames,
  realtimeTables,
  servingViews,
} from './serving-tables.ts'

/** @throws LakeError `SCHEMA_MISMATCH` when a table of ours is there with other columns. */
export async function ensureServingSchema(clickhouse: ClickHouse, options: IoOptions = {}): Promise<void> {
  for (const database of ['realtime', 'gold', 'serving']) {
    await clickhouse.command(createDatabase(database), options)
  }
  const tables = [
    ...realtimeTableNames.map((name) => realtimeTables[name]),
    ...goldTableNames.map((name) => goldTables[name]),
    ...goldTableNames.map((name) => loadedTables[name]),
    loadsTable,
  ]
  for (const table of tables) await ensureTable(clickhouse, table, options)
  for (const { name, select } of servingViews) {
    await clickhouse.command(`CREATE OR REPLACE VIEW ${name} AS ${select}`, options)
  }
}
