/**
 * Gold in Delta → ClickHouse: `gold.*` by whole months, `serving.*` by whole loads.
 *
 * A load writes its own rows of the months that have changed beside those of the loads before; one row in
 * `serving.loads`, written last, says of which load each month is shown, and switches all views at once. Killed
 * anywhere before it, nothing has changed for readers of `serving.*`, and the next run loads again.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { makeFolders } from '../../lib/base/files/folders.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { formatJson } from '../../lib/base/json.ts'
import type { Logger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { anyPartitions, replacePartitions } from '../../lib/clickhouse/load.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { identifier, text } from '../../lib/duckdb/sql-text.ts'
import { type GoldTable, goldColumnsOf, goldTableNames } from '../model/gold.ts'
import type { LakeTable } from '../model/tables.ts'
import { boundaryOf } from './boundary.ts'
import { type LoadPlan, planLoad, type ShownTable } from './load-plan.ts'
import { ensureServingSchema } from './schema.ts'
import { type Parts, readShown, type Shown } from './shown.ts'

export interface PublishContext {
  readonly table: (name: LakeTable) => DeltaTable
  readonly clickhouse: ClickHouse
  readonly duckdb: DuckDb
  readonly clock: Clock
  readonly logger: Logger
  /** Where the rows of a load lie until ClickHouse has them. */
  readonly temporaryDirectory: string
}

export interface PublishOptions extends IoOptions {
  readonly runId: number
  /** Every month again, whatever ClickHouse shows. */
  readonly isFull?: boolean
  /** Called where there is something to load; what it throws ends the load before it has begun. */
  readonly beforeLoad?: () => Promise<void>
}

export interface Published {
  readonly kind: 'succeeded' | 'unchanged'
  /** Rows that were loaded: those of months that have changed. */
  readonly rows: number
  /** Delta version of every table that the load shows, and of those that the load before it showed. */
  readonly versions: Readonly<Record<string, number>>
  readonly versionsBefore: Readonly<Record<string, number>>
  /** The first UTC day that was not closed at the pinned version of bronze. */
  readonly boundary: string
}

/** Loads that readers may still be at when the next one is switched on. */
const loadsKept = 3

export async function publishGold(
  context: PublishContext,
  bronze: Snapshot,
  { runId, isFull = false, beforeLoad, signal }: PublishOptions,
): Promise<Published> {
  const { clickhouse, clock } = context
  await ensureServingSchema(clickhouse, { signal })
  const gold = await readGold(context, { signal })
  const boundary = await boundaryOf(context, bronze, { signal })
  const shown = await readShown(clickhouse, { signal })
  const outcome = { versions: gold.versions, versionsBefore: shown?.versions ?? {}, boundary }

  const plans = await planLoads(context, gold, shown, { isFull, signal })
  const isNothingToLoad = [...plans.values()].every(
    (plan) => plan.kind === 'months' && plan.months.length === 0,
  )
  const isShown = shown?.boundary === boundary && formatJson(shown.versions) === formatJson(gold.versions)
  if (isNothingToLoad && isShown) return { ...outcome, kind: 'unchanged', rows: 0 }

  await beforeLoad?.()
  const loadId = Math.max(clock.now() * 1000, (shown?.loadId ?? 0) + 1)
  const { rows, parts } = await loadAll(context, gold, plans, { shown, loadId, signal })
  await clickhouse.insert(
    'serving.loads',
    [
      {
        load_id: loadId,
        boundary,
        versions: formatJson(gold.versions),
        run_id: String(runId),
        loaded_at: (clock.now() / 1000).toFixed(6),
        tables: Object.fromEntries([...gold.snapshots].map(([name, { metadata }]) => [name, metadata.id])),
        commits: Object.fromEntries(gold.commits),
        parts,
      },
    ],
    { signal },
  )
  await dropOldRows(context, { signal })
  return { ...outcome, kind: 'succeeded', rows }
}

/** Gold as it is loaded: one version of each table, with the identity of its commit. */
interface PinnedGold {
  readonly snapshots: ReadonlyMap<GoldTable, Snapshot>
  readonly commits: ReadonlyMap<GoldTable, string>
  readonly versions: Readonly<Record<string, number>>
}

async function readGold({ table }: PublishContext, { signal }: IoOptions): Promise<PinnedGold> {
  const snapshots = new Map<GoldTable, Snapshot>()
  const commits = new Map<GoldTable, string>()
  for (const name of goldTableNames) {
    const snapshot = await table(`gold/${name}`).snapshot({ signal })
    snapshots.set(name, snapshot)
    const commit = await snapshot.commitRef({ signal })
    if (commit !== undefined) commits.set(name, commit.id)
  }
  const versions = Object.fromEntries(
    [...snapshots].map(([name, snapshot]) => [`gold/${name}`, snapshot.version as number]),
  )
  return { snapshots, commits, versions }
}

async function planLoads(
  context: PublishContext,
  { snapshots }: PinnedGold,
  shown: Shown | undefined,
  { isFull, signal }: IoOptions & { readonly isFull: boolean },
): Promise<ReadonlyMap<GoldTable, LoadPlan>> {
  const plans = new Map<GoldTable, LoadPlan>()
  for (const [name, snapshot] of snapshots) {
    const plan: LoadPlan = isFull
      ? { kind: 'all', reason: 'it was asked for' }
      : await planLoad(context, name, context.table(`gold/${name}`), snapshot, shownTable(shown, name), {
          signal,
        })
    if (plan.kind === 'all') context.logger.info({ table: name, reason: plan.reason }, 'loading every month')
    plans.set(name, plan)
  }
  return plans
}

interface LoadAllOptions extends IoOptions {
  readonly shown: Shown | undefined
  readonly loadId: number
}

async function loadAll(
  context: PublishContext,
  { snapshots }: PinnedGold,
  plans: ReadonlyMap<GoldTable, LoadPlan>,
  { shown, loadId, signal }: LoadAllOptions,
): Promise<{ readonly rows: number; readonly parts: Readonly<Record<string, Parts>> }> {
  await makeFolders(context.temporaryDirectory)
  const folder = await mkdtemp(join(context.temporaryDirectory, 'load-'))
  const parts: Record<string, Parts> = {}
  let rows = 0
  try {
    for (const [name, snapshot] of snapshots) {
      const plan = plans.get(name) ?? { kind: 'all', reason: 'no plan' }
      const loaded = await loadTable(context, name, snapshot, plan, { loadId, folder, signal })
      const ofTable = partsAfter(shown?.parts[name] ?? {}, plan, loaded.months, loadId)
      parts[name] = ofTable
      rows += loaded.rows
      await requireWhole(context.clickhouse, name, snapshot, ofTable, { signal })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return { rows, parts }
}

function shownTable(shown: Shown | undefined, name: GoldTable): ShownTable | undefined {
  const [version, id] = [shown?.versions[`gold/${name}`], shown?.tables[name]]
  return version === undefined || id === undefined || shown?.parts[name] === undefined
    ? undefined
    : { version, id, commit: shown.commits[name] }
}

function partsAfter(before: Parts, plan: LoadPlan, loaded: readonly string[], loadId: number): Parts {
  const kept =
    plan.kind === 'all' ? [] : Object.entries(before).filter(([month]) => !plan.months.includes(month))
  return Object.fromEntries([...kept, ...loaded.map((month) => [month, loadId] as const)])
}

interface Loaded {
  readonly rows: number
  /** Those that hold rows. */
  readonly months: readonly string[]
}

async function loadTable(
  { table, clickhouse, duckdb, clock, logger }: PublishContext,
  name: GoldTable,
  snapshot: Snapshot,
  plan: LoadPlan,
  { loadId, folder, signal }: IoOptions & { readonly loadId: number; readonly folder: string },
): Promise<Loaded> {
  if (plan.kind === 'months' && plan.months.length === 0) return { rows: 0, months: [] }
  const columns = goldColumnsOf(name).map(identifier).join(', ')
  const month = `strftime(event_date, '%Y%m')`
  const filter = plan.kind === 'all' ? 'true' : `${month} in (${plan.months.map(text).join(', ')})`
  const goldFile = join(folder, `${name}.gold.parquet`)
  const loadFile = join(folder, `${name}.load.parquet`)
  const { rows, months } = await duckdb.use(async (session): Promise<Loaded> => {
    const scan = await table(`gold/${name}`).scan(session, snapshot, { ...(signal && { signal }) })
    await session.run(
      `create temporary table gold_rows as select ${columns} from (${scan}) where ${filter}`,
      { signal },
    )
    const updatedAt = `make_timestamptz(${Math.floor(clock.now() / 1000) * 1_000_000})`
    await session.run(
      `copy (select *, ${updatedAt} as updated_at from gold_rows) to ${text(goldFile)} (format parquet);
       copy (select ${loadId}::ubigint as load_id, * from gold_rows) to ${text(loadFile)} (format parquet)`,
      { signal },
    )
    const held = await session.rows(
      `select ${month} as month, count(*) as n from gold_rows group by month order by month`,
      { signal },
    )
    return {
      rows: held.reduce((sum, row) => sum + Number(row['n']), 0),
      months: held.map((row) => String(row['month'])),
    }
  })
  await replacePartitions(clickhouse, {
    table: `gold.${name}`,
    expectedRows: rows,
    partitions: plan.kind === 'all' ? 'all' : plan.months,
    fill: async (staging) => {
      if (rows > 0)
        await clickhouse.insertFile(staging, 'Parquet', goldFile, { settings: anyPartitions, signal })
    },
    logger,
    signal,
  })
  if (rows > 0) {
    await clickhouse.insertFile(`serving.${name}_loads`, 'Parquet', loadFile, {
      settings: anyPartitions,
      signal,
    })
  }
  return { rows, months }
}

/** @throws LakeError `CHECK_FAILED` where the load would not show as many rows as gold in Delta has. */
async function requireWhole(
  clickhouse: ClickHouse,
  name: GoldTable,
  snapshot: Snapshot,
  parts: Parts,
  { signal }: IoOptions,
): Promise<void> {
  const [held] = await clickhouse.query<{ n: number }>(
    `SELECT count() AS n FROM serving.${name}_loads
     WHERE load_id = {loads:Array(UInt64)}[indexOf({months:Array(UInt32)}, toYYYYMM(event_date))]`,
    { params: { months: Object.keys(parts).map(Number), loads: Object.values(parts) }, signal },
  )
  if (snapshot.numRecords === undefined || held?.n === snapshot.numRecords) return
  throw new LakeError(
    'CHECK_FAILED',
    `Load of ${name}: expected ${snapshot.numRecords} rows in serving, got ${held?.n}`,
    { details: { table: name, fault: 'load-incomplete' } },
  )
}

/** Rows that none of the last few loads shows, and what was left behind by loads that were killed. */
async function dropOldRows({ clickhouse }: PublishContext, { signal }: IoOptions): Promise<void> {
  const kept = await clickhouse.query<Pick<Shown, 'loadId' | 'parts'>>(
    `SELECT load_id AS loadId, parts FROM serving.loads ORDER BY load_id DESC LIMIT ${loadsKept}`,
    { signal },
  )
  const held = await clickhouse.query<{ name: GoldTable; id: number }>(
    goldTableNames
      .map((name) => `SELECT DISTINCT '${name}' AS name, load_id AS id FROM serving.${name}_loads`)
      .join(' UNION ALL '),
    { signal },
  )
  for (const name of goldTableNames) {
    const used = new Set(
      kept.flatMap(({ loadId, parts }) => [loadId, ...Object.values(parts[name] ?? {})]).map(Number),
    )
    for (const { id } of held.filter((load) => load.name === name && !used.has(load.id))) {
      await clickhouse.command(`ALTER TABLE serving.${name}_loads DROP PARTITION ${id}`, {
        signal,
        isRepeatable: true,
      })
    }
  }
}
