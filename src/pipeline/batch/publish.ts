/**
 * Gold in Delta → ClickHouse: `gold.*` by whole partitions, `serving.*` by whole loads.
 *
 * A load writes its own rows of every table beside those of the load before; one row in `serving.loads`, written
 * last, switches all views at once. Killed anywhere before it, nothing has changed for readers of `serving.*`,
 * and the next run loads again.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { makeFolders } from '../../lib/base/folders.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { formatJson, parseJson } from '../../lib/base/json.ts'
import type { Logger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { replacePartitions } from '../../lib/clickhouse/load.ts'
import type { Snapshot } from '../../lib/delta/snapshot.ts'
import { decodeStatistics } from '../../lib/delta/statistics.ts'
import type { DeltaTable } from '../../lib/delta/table.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { identifier, text } from '../../lib/duckdb/sql-text.ts'
import { ensureServingSchema } from '../serving-schema.ts'
import { type GoldTable, goldColumnsOf, goldTableNames } from '../serving-tables.ts'
import type { LakeTable } from '../tables.ts'

export interface PublishContext {
  readonly table: (name: LakeTable) => DeltaTable
  readonly clickhouse: ClickHouse
  readonly duckdb: DuckDb
  readonly clock: Clock
  readonly logger: Logger
  /** Where the rows of a load lie for a moment. */
  readonly temporaryDirectory: string
}

export interface Published {
  readonly kind: 'succeeded' | 'unchanged'
  readonly rows: number
  /** Delta version of every table that the load shows, and of those that the load before it showed. */
  readonly versions: Readonly<Record<string, number>>
  readonly versionsBefore: Readonly<Record<string, number>>
  /** The first UTC day that was not closed at the pinned version of bronze. */
  readonly boundary: string
}

/** Loads that readers may still be at when the next one is switched on. */
const loadsKept = 3
/** Before any event: everything is realtime's. */
const noBoundary = '1970-01-01'

export async function publishGold(
  context: PublishContext,
  bronze: Snapshot,
  runId: number,
  { signal }: IoOptions = {},
): Promise<Published> {
  const { clickhouse, clock } = context
  await ensureServingSchema(clickhouse, { signal })
  const snapshots = new Map<GoldTable, Snapshot>()
  for (const name of goldTableNames) {
    snapshots.set(name, await context.table(`gold/${name}`).snapshot({ signal }))
  }
  const versions = Object.fromEntries(
    [...snapshots].map(([name, snapshot]) => [`gold/${name}`, snapshot.version as number]),
  )
  const boundary = await boundaryOf(context, bronze, { signal })
  const [current] = await clickhouse.query<{ id: number; versions: string; boundary: string }>(
    `SELECT max(load_id) AS id, argMax(versions, load_id) AS versions, toString(argMax(boundary, load_id)) AS boundary
     FROM serving.loads`,
    { signal },
  )
  const versionsBefore = versionsIn(current?.versions)
  if (current?.versions === formatJson(versions) && current.boundary === boundary) {
    return { kind: 'unchanged', rows: 0, versions, versionsBefore, boundary }
  }

  const loadId = Math.max(clock.now() * 1000, (current?.id ?? 0) + 1)
  await makeFolders(context.temporaryDirectory)
  const folder = await mkdtemp(join(context.temporaryDirectory, 'load-'))
  let rows = 0
  try {
    for (const [name, snapshot] of snapshots) {
      rows += await loadTable(context, name, snapshot, { loadId, folder, signal })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  await clickhouse.insert(
    'serving.loads',
    [
      {
        load_id: loadId,
        boundary,
        versions: formatJson(versions),
        run_id: String(runId),
        loaded_at: (clock.now() / 1000).toFixed(6),
      },
    ],
    { signal },
  )
  await dropOldLoads(context, { signal })
  return { kind: 'succeeded', rows, versions, versionsBefore, boundary }
}

/** Empty before the first load. */
function versionsIn(text: string | undefined): Readonly<Record<string, number>> {
  if (text === undefined || text === '') return {}
  return parseJson(text, 'serving.loads, versions') as Readonly<Record<string, number>>
}

async function loadTable(
  { table, clickhouse, duckdb, clock, logger }: PublishContext,
  name: GoldTable,
  snapshot: Snapshot,
  { loadId, folder, signal }: IoOptions & { readonly loadId: number; readonly folder: string },
): Promise<number> {
  const columns = goldColumnsOf(name).map(identifier).join(', ')
  const goldFile = join(folder, `${name}.gold.parquet`)
  const loadFile = join(folder, `${name}.load.parquet`)
  const expectedRows = await duckdb.use(async (session) => {
    const scan = await table(`gold/${name}`).scan(session, snapshot, { ...(signal && { signal }) })
    await session.run(`create temporary table gold_rows as select ${columns} from (${scan})`, { signal })
    const updatedAt = `make_timestamptz(${Math.floor(clock.now() / 1000) * 1_000_000})`
    await session.run(
      `copy (select *, ${updatedAt} as updated_at from gold_rows) to ${text(goldFile)} (format parquet);
       copy (select ${loadId}::ubigint as load_id, * from gold_rows) to ${text(loadFile)} (format parquet)`,
      { signal },
    )
    return Number((await session.row('select count(*) as n from gold_rows'))['n'])
  })
  await replacePartitions(clickhouse, {
    table: `gold.${name}`,
    expectedRows,
    partitions: 'all',
    fill: async (staging) => {
      if (expectedRows > 0) await clickhouse.insertFile(staging, 'Parquet', goldFile, insertOptions(signal))
    },
    logger,
    signal,
  })
  if (expectedRows > 0) {
    await clickhouse.insertFile(`serving.${name}_loads`, 'Parquet', loadFile, insertOptions(signal))
  }
  const [loaded] = await clickhouse.query<{ n: number }>(
    `SELECT count() AS n FROM serving.${name}_loads WHERE load_id = {load:UInt64}`,
    { params: { load: loadId }, signal },
  )
  if (loaded?.n !== expectedRows) {
    throw new LakeError(
      'CHECK_FAILED',
      `Load ${loadId} of ${name}: expected ${expectedRows} rows in serving, got ${loaded?.n}`,
      { details: { table: name, loadId } },
    )
  }
  return expectedRows
}

const insertOptions = (
  signal: AbortSignal | undefined,
): { settings: { max_partitions_per_insert_block: number }; signal: AbortSignal | undefined } => ({
  settings: { max_partitions_per_insert_block: 0 },
  signal,
})

/** Loads older than the last few, and what was left behind by loads that were killed. */
async function dropOldLoads({ clickhouse }: PublishContext, { signal }: IoOptions): Promise<void> {
  const kept = (
    await clickhouse.query<{ id: number }>(
      `SELECT load_id AS id FROM serving.loads ORDER BY load_id DESC LIMIT ${loadsKept}`,
      { signal },
    )
  ).map(({ id }) => id)
  for (const name of goldTableNames) {
    const held = await clickhouse.query<{ id: number }>(
      `SELECT DISTINCT load_id AS id FROM serving.${name}_loads`,
      { signal },
    )
    for (const { id } of held.filter((load) => !kept.includes(load.id))) {
      await clickhouse.command(`ALTER TABLE serving.${name}_loads DROP PARTITION ${id}`, {
        signal,
        isRepeatable: true,
      })
    }
  }
}

/**
 * The first UTC day that is not closed: some partition of the log has not been read past its end. Messages are
 * appended in the order of `kafka_timestamp`, so a partition that has shown a later day shows this one no more.
 */
async function boundaryOf(
  { table, duckdb }: PublishContext,
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
