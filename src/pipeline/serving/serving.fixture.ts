import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'

/** Takes every row out of the platform's tables in ClickHouse; the tables themselves stay, where there are any. */
export async function emptyServing(clickhouse: ClickHouse): Promise<void> {
  const tables = await clickhouse.query<{ readonly name: string }>(
    `SELECT concat(database, '.', name) AS name FROM system.tables
     WHERE database IN ('realtime', 'gold', 'serving') AND total_rows > 0`,
  )
  await Promise.all(tables.map(({ name }) => clickhouse.command(`TRUNCATE TABLE ${name}`)))
}
