import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'

/** Takes every row out of the platform's tables in ClickHouse; the tables themselves stay, where there are any. */
export async function emptyServing(clickhouse: ClickHouse): Promise<void> {
  const tables = await clickhouse.query<{ readonly name: string }>(
    `SELECT concat(database, '.', name) AS name FROM system.tables
     WHERE database IN ('realtime', 'gold', 'serving') AND total_rows > 0`,
  )
  await Promise.all(tables.map(({ name }) => clickhouse.command(`TRUNCATE TABLE ${name}`)))
}

/** Puts the rows of these tables back when it is disposed. */
export async function keepRows(clickhouse: ClickHouse, tables: readonly string[]): Promise<AsyncDisposable> {
  for (const table of tables) {
    await clickhouse.command(
      `CREATE TABLE ${table}_kept ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM ${table}`,
    )
  }
  return {
    [Symbol.asyncDispose]: async () => {
      for (const table of tables) {
        await clickhouse.command(`TRUNCATE TABLE ${table}`)
        await clickhouse.command(`INSERT INTO ${table} SELECT * FROM ${table}_kept`, {
          settings: { insert_deduplicate: 0 },
        })
        await clickhouse.command(`DROP TABLE ${table}_kept`)
      }
    },
  }
}
