/** From which day on ClickHouse must answer from the speed layer. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { Snapshot } from '../../lib/delta/snapshot.ts'
import { decodeStatistics } from '../../lib/delta/statistics.ts'
import type { DeltaTable } from '../../lib/delta/table.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { LakeTable } from '../tables.ts'

interface BoundaryContext {
  readonly table: (name: LakeTable) => DeltaTable
  readonly duckdb: DuckDb
}

/** Before any event: everything is realtime's. */
const noBoundary = '1970-01-01'

/**
 * The first UTC day that is not closed: some partition of the log has not been read past its end. Messages are
 * appended in the order of `kafka_timestamp`, so a partition that has shown a later day shows this one no more.
 */
export async function boundaryOf(
  { table, duckdb }: BoundaryContext,
  bronze: Snapshot,
  { signal }: IoOptions,
): Promise<string> {
  const newestMs = bronze.files.reduce((newest, { stats }) => Math.max(newest, newestAppendMs(stats) ?? 0), 0)
  const recent = bronze.files.filter(
    ({ stats }) => (newestAppendMs(stats) ?? newestMs) >= newestMs - 86_400_000,
  )
  const partitions = Object.keys(bronze.transactions).length
  for (const files of [recent, bronze.files]) {
    const row = await duckdb.use(async (session) => {
      const scan = await table('bronze/events').scan(session, bronze, { files, ...(signal && { signal }) })
      return await session.row(
        `select count(*) as partitions, strftime(min(newest), '%Y-%m-%d') as boundary from (
           select max(kafka_timestamp) as newest from (${scan}) group by kafka_topic, kafka_partition)`,
        { signal },
      )
    })
    const isWhole = Number(row['partitions']) >= partitions || files.length === bronze.files.length
    if (isWhole) return typeof row['boundary'] === 'string' ? row['boundary'] : noBoundary
  }
  return noBoundary
}

function newestAppendMs(stats: string | undefined): number | undefined {
  const newest = decodeStatistics(stats)?.maxValues['kafka_timestamp']
  return typeof newest === 'string' ? Date.parse(newest) : undefined
}
