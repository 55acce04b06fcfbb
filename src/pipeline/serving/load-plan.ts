/**
 * What of a gold table ClickHouse must be given: the months whose rows differ from those that it shows, or all.
 *
 * Part of a table is given only on top of what is known to be whole: the same Delta table, `gold.*` and
 * `serving.*` with equal rows, and as many as Delta had at the version that is shown. So a load that was
 * killed, a ClickHouse that was wiped and a lake made anew each end in a load of all.
 */

import { isLakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { AddFile, DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { identifier } from '../../lib/duckdb/sql-text.ts'
import { type GoldTable, goldColumnsOf } from '../model/gold.ts'

/** Months as `202611`, the partitions of gold in ClickHouse; `reason` says in words why it must be all of them. */
export type LoadPlan =
  | { readonly kind: 'all'; readonly reason: string }
  | { readonly kind: 'months'; readonly months: readonly string[] }

/** What ClickHouse shows of a gold table. */
export interface ShownTable {
  readonly version: number
  /** Of the Delta table. */
  readonly id: string
  /** Identity of the Delta commit; `undefined` if a load of an older version did not record it. */
  readonly commit: string | undefined
}

export interface PlanContext {
  readonly clickhouse: ClickHouse
  readonly duckdb: DuckDb
}

export async function planLoad(
  context: PlanContext,
  name: GoldTable,
  table: DeltaTable,
  snapshot: Snapshot,
  shown: ShownTable | undefined,
  { signal }: IoOptions,
): Promise<LoadPlan> {
  if (shown === undefined) return { kind: 'all', reason: 'nothing is shown yet' }
  if (shown.id !== snapshot.metadata.id) return { kind: 'all', reason: 'the table was made anew' }
  const before = await snapshotAt(table, shown.version, { signal })
  if (before === undefined) return { kind: 'all', reason: `version ${shown.version} is no longer in the log` }
  if ((await before.commitRef({ signal }))?.id !== shown.commit) {
    return { kind: 'all', reason: `version ${shown.version} is not the commit that was loaded` }
  }
  const held = await holding(context.clickhouse, name, before.numRecords, { signal })
  if (held.kind === 'faulty') return { kind: 'all', reason: held.reason }
  if (before.version === snapshot.version) return { kind: 'months', months: [] }
  try {
    return {
      kind: 'months',
      months: await changedMonths(context.duckdb, name, table, before, snapshot, { signal }),
    }
  } catch (error) {
    // Vacuumed, most likely. Where it is more than that, reading what is to be loaded fails too.
    if (!isLakeError(error, 'OBJECT_MISSING', 'SOURCE_FAILED')) throw error
    return { kind: 'all', reason: `version ${before.version} can no longer be read: ${error.message}` }
  }
}

/** `undefined` if the log of the table no longer has the version. */
export async function snapshotAt(
  table: DeltaTable,
  version: number,
  { signal }: IoOptions,
): Promise<Snapshot | undefined> {
  try {
    return await table.snapshot({ version, signal })
  } catch (error) {
    if (isLakeError(error, 'VERSION_MISSING')) return undefined
    throw error
  }
}

/** Whether ClickHouse holds the rows that it was given. */
type Holding = { readonly kind: 'whole' } | { readonly kind: 'faulty'; readonly reason: string }

async function holding(
  clickhouse: ClickHouse,
  name: GoldTable,
  expected: number | undefined,
  { signal }: IoOptions,
): Promise<Holding> {
  const fingerprint = `(count(), sum(cityHash64(${goldColumnsOf(name).join(', ')})))`
  const [held] = await clickhouse.query<{ isSame: boolean; inGold: number; inServing: number }>(
    `WITH (SELECT ${fingerprint} FROM gold.${name}) AS gold, (SELECT ${fingerprint} FROM serving.${name}) AS serving
     SELECT toBool(gold = serving) AS isSame, gold.1 AS inGold, serving.1 AS inServing`,
    { signal },
  )
  const [inGold, inServing] = [Number(held?.inGold), Number(held?.inServing)]
  const faulty = (reason: string): Holding => ({ kind: 'faulty', reason })
  if (inServing !== expected) return faulty(`serving.${name}: expected ${expected} rows, got ${inServing}`)
  return held?.isSame === true
    ? { kind: 'whole' }
    : faulty(`gold.${name} (${inGold} rows) is not serving.${name} (${inServing} rows)`)
}

/** Told by the rows of the files that came or went; a rewrite of equal rows changes no month. */
async function changedMonths(
  duckdb: DuckDb,
  name: GoldTable,
  table: DeltaTable,
  before: Snapshot,
  after: Snapshot,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const columns = goldColumnsOf(name).map(identifier).join(', ')
  const rows = await duckdb.use(async (session) => {
    const rowsOf = async (snapshot: Snapshot, other: Snapshot): Promise<string> => {
      const files = filesBeside(snapshot.files, other.files)
      return `select ${columns} from (${await table.scan(session, snapshot, { files, ...(signal && { signal }) })})`
    }
    const [was, is] = [await rowsOf(before, after), await rowsOf(after, before)]
    return await session.rows(
      `with was as (${was}), now_is as (${is})
       select distinct strftime(event_date, '%Y%m') as month from (
         (from was except all from now_is) union all (from now_is except all from was)) order by month`,
      { signal },
    )
  })
  return rows.map((row) => String(row['month']))
}

function filesBeside(files: readonly AddFile[], others: readonly AddFile[]): readonly AddFile[] {
  const nameOf = ({ path, deletionVector }: AddFile): string => JSON.stringify([path, deletionVector])
  const known = new Set(others.map(nameOf))
  return files.filter((file) => !known.has(nameOf(file)))
}
