/**
 * Loads that may be repeated: they replace whole partitions of a table by those of a new staging table.
 *
 * Steps: create staging and drop stale ones → fill → check → REPLACE PARTITION one by one → DROP partitions that
 * became empty → drop staging. Readers see a partition before or after its replacement. A load that was killed
 * starts again from the first step. ClickHouse documentation, "Manipulating Partitions and Parts".
 */
import { randomUUID } from 'node:crypto'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import type { ClickHouse } from './clickhouse.ts'
import { quoteIdentifier, quoteLiteral, quoteTable } from './quote.ts'

export interface ReplaceOptions extends IoOptions {
  /** `database.table`, a partitioned table of the MergeTree family. */
  readonly table: string
  /** Fills the staging table, whose name it is given. Anything else that it does is not undone. */
  readonly fill: (staging: string) => Promise<void>
  /** How many rows `fill` should have written. Not given: not checked. */
  readonly expectedRows?: number
  /**
   * Partitions that this load answers for, as `system.parts.partition_id` (`20261123` for a Date). One that
   * staging does not hold becomes empty; one that only staging holds is an error. Not given: `touched` is
   * what staging holds, and nothing becomes empty. `all`: what the table holds besides becomes empty.
   */
  readonly partitions?: readonly string[] | 'all'
  readonly logger?: Logger
  /** How old a staging table of another load must be before it counts as left behind. Default a day. */
  readonly staleMs?: number
}

export interface Replaced {
  readonly rows: number
  readonly replaced: readonly string[]
  readonly emptied: readonly string[]
}

/** The settings of an INSERT that may touch any number of partitions. */
export const anyPartitions = { max_partitions_per_insert_block: 0 } as const

/** Each change is whole by itself; one statement for many only saves the way there and back. */
const changesPerStatement = 50

/**
 * @throws LakeError `CHECK_FAILED` when staging does not hold `expectedRows` or holds a partition that was not
 * announced; then the table is untouched.
 */
export async function replacePartitions(clickhouse: ClickHouse, options: ReplaceOptions): Promise<Replaced> {
  const { table, fill, expectedRows, partitions, signal, logger = silentLogger } = options
  const { hasWindow } = await dropStale(clickhouse, table, options.staleMs ?? 86_400_000, logger, { signal })
  const staging = `${table}__staging_${randomUUID().replaceAll('-', '')}`
  await clickhouse.command(`CREATE TABLE ${quoteTable(staging)} AS ${quoteTable(table)}`, { signal })
  try {
    // Staging inherits the deduplication window, which would drop blocks that are equal by chance.
    const noWindow = `ALTER TABLE ${quoteTable(staging)} MODIFY SETTING ${window} = 0`
    if (hasWindow) await clickhouse.command(noWindow, { signal, isRepeatable: true })
    await fill(staging)
    const { rows, ids, held } = await partitionsOf(clickhouse, staging, table, { signal })
    if (expectedRows !== undefined && rows !== expectedRows) {
      const message = `load ${table}: expected ${expectedRows} rows in staging, got ${rows}`
      throw new LakeError('CHECK_FAILED', message, { details: { table, expectedRows, rows } })
    }
    const announced = partitions === undefined ? ids : partitions === 'all' ? [...ids, ...held] : partitions
    const stray = ids.find((id) => !announced.includes(id))
    if (stray !== undefined) {
      const message = `load ${table}: staging holds partition ${stray}, which was not announced`
      throw new LakeError('CHECK_FAILED', message, { details: { table, partition: stray } })
    }
    const emptied = held.filter((id) => announced.includes(id) && !ids.includes(id))
    const alter = `ALTER TABLE ${quoteTable(table)}`
    const changes = [
      ...ids.map((id) => `REPLACE PARTITION ID ${quoteLiteral(id)} FROM ${quoteTable(staging)}`),
      ...emptied.map((id) => `DROP PARTITION ID ${quoteLiteral(id)}`),
    ]
    for (let at = 0; at < changes.length; at += changesPerStatement) {
      const sql = `${alter} ${changes.slice(at, at + changesPerStatement).join(', ')}`
      await clickhouse.command(sql, { signal, isRepeatable: true })
    }
    return { rows, replaced: ids, emptied }
  } finally {
    // Failing here leaves a table that a later load drops as stale.
    await clickhouse.command(`DROP TABLE IF EXISTS ${quoteTable(staging)} SYNC`).catch((error: unknown) => {
      logger.warn({ err: error, staging }, 'a staging table was left behind')
    })
  }
}

/** The setting of a table that remembers its last inserts. */
const window = 'non_replicated_deduplication_window'

interface Held {
  /** Of the staging table. */
  readonly rows: number
  readonly ids: readonly string[]
  /** Partitions of the table itself. */
  readonly held: readonly string[]
}

async function partitionsOf(
  clickhouse: ClickHouse,
  staging: string,
  table: string,
  { signal }: IoOptions,
): Promise<Held> {
  const select = (name: string, isStaged: boolean): string =>
    `SELECT ${isStaged} AS isStaged, _partition_id AS id, count() AS rows FROM ${quoteTable(name)} GROUP BY id`
  const found = await clickhouse.query<{ isStaged: boolean; id: string; rows: number }>(
    `SELECT * FROM (${select(staging, true)} UNION ALL ${select(table, false)}) ORDER BY id`,
    { signal },
  )
  const staged = found.filter(({ isStaged }) => isStaged)
  return {
    rows: staged.reduce((sum, { rows }) => sum + rows, 0),
    ids: staged.map(({ id }) => id),
    held: found.filter(({ isStaged }) => !isStaged).map(({ id }) => id),
  }
}

/** Drops what loads left behind, and tells whether the table remembers inserts. */
async function dropStale(
  clickhouse: ClickHouse,
  table: string,
  staleMs: number,
  logger: Logger,
  { signal }: IoOptions,
): Promise<{ readonly hasWindow: boolean }> {
  const dot = table.indexOf('.')
  const name = table.slice(dot + 1)
  const found = await clickhouse.query<{ database: string; name: string; hasWindow: boolean }>(
    `SELECT database, name, toBool(position(engine_full, '${window}') > 0) AS hasWindow FROM system.tables
     WHERE database = if({database:String} = '', currentDatabase(), {database:String})
       AND (name = {name:String} OR startsWith(name, {prefix:String})
         AND metadata_modification_time <= now() - toIntervalSecond({age:UInt32}))`,
    {
      signal,
      params: {
        database: table.slice(0, Math.max(0, dot)),
        name,
        prefix: `${name}__staging_`,
        age: Math.ceil(staleMs / 1000),
      },
    },
  )
  for (const stale of found.filter((each) => each.name !== name)) {
    logger.warn(
      { table: `${stale.database}.${stale.name}` },
      'dropping what a load that was killed left behind',
    )
    const sql = `DROP TABLE IF EXISTS ${quoteIdentifier(stale.database)}.${quoteIdentifier(stale.name)} SYNC`
    await clickhouse.command(sql, { signal })
  }
  return { hasWindow: found.some((each) => each.name === name && each.hasWindow) }
}
