/**
 * What one would write by hand with DuckDB: bronze to silver a day at a time, and gold of silver. No log of versions, no
 * checks, no rows kept apart, nothing that survives a crash. Prints what it took of this process.
 */
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openDuckDb } from '../src/lib/duckdb/duckdb.ts'
import { isValid } from '../src/pipeline/model/event-rules.ts'
import { goldMetrics } from '../src/pipeline/model/gold.ts'
import { printUsage } from './usage.ts'

const [bronze = '', out = ''] = process.argv.slice(2)
await printUsage(async () => {
  using duckdb = await openDuckDb()
  using session = await duckdb.connect()
  const parquet = (path: string): string =>
    `read_parquet('${path}', hive_partitioning = true, hive_types = {event_date: date})`
  for (const day of (await readdir(bronze)).filter((name) => name.startsWith('event_date='))) {
    await mkdir(join(out, day), { recursive: true })
    await session.run(
      `copy (select * exclude event_date from ${parquet(join(bronze, day, '*.parquet'))} where ${isValid}
         qualify row_number() over (partition by event_id order by kafka_timestamp, kafka_partition, kafka_offset) = 1
         order by kafka_partition, kafka_offset)
       to '${join(out, day, 'part.parquet')}' (format parquet, compression zstd)`,
    )
  }
  await session.run(
    `create temporary view silver_events as select * from ${parquet(join(out, '*', 'part.parquet'))}`,
  )
  for (const { name, sql } of goldMetrics) {
    await session.run(`copy (${sql}) to '${join(out, `${name}.parquet`)}' (format parquet, compression zstd)`)
  }
})
