/** Takes the data of a metric out of what readers see. Its older versions stay until they are vacuumed. */
import type { IoOptions } from '../../lib/base/io.ts'
import { deleteRows } from '../../lib/delta/index.ts'
import type { GoldTable } from '../model/gold.ts'
import type { Platform } from '../platform/compose.ts'
import { goldTables, loadedTables } from '../serving/tables.ts'

/** ClickHouse first: where it cannot be reached, nothing has been taken back. */
export async function withdrawMetric(
  platform: Platform,
  name: GoldTable,
  { signal }: IoOptions = {},
): Promise<{ readonly rows: number }> {
  const clickhouse = await platform.clickhouse()
  await clickhouse.command(`DROP VIEW IF EXISTS serving.${name}`, { signal })
  for (const table of [loadedTables[name], goldTables[name]])
    await clickhouse.command(`DROP TABLE IF EXISTS ${table.name}`, { signal })
  const table = await platform.table(`gold/${name}`)
  if (!(await table.exists({ signal }))) return { rows: 0 }
  const { numRecords = 0 } = await table.snapshot({ signal })
  const duckdb = await platform.duckdb()
  await duckdb.use((session) => deleteRows(table, session, { signal }))
  return { rows: numRecords }
}
