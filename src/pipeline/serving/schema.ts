/** Brings ClickHouse to the schema of the platform. Safe to run by several processes at once, and again. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { ensureTables, ensureViews } from '../../lib/clickhouse/ddl.ts'
import { goldTableNames } from '../model/gold.ts'
import {
  goldTables,
  loadedTables,
  loadsTable,
  realtimeTableNames,
  realtimeTables,
  servingViews,
} from './tables.ts'

/** @throws LakeError `SCHEMA_MISMATCH` when a table of ours is there with other columns. */
export async function ensureServingSchema(clickhouse: ClickHouse, options: IoOptions = {}): Promise<void> {
  const tables = [
    ...realtimeTableNames.map((name) => realtimeTables[name]),
    ...goldTableNames.map((name) => goldTables[name]),
    ...goldTableNames.map((name) => loadedTables[name]),
    loadsTable,
  ]
  await ensureTables(clickhouse, tables, options)
  await ensureViews(clickhouse, servingViews, options)
}
