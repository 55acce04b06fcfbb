/**
 * Whether `realtime.*` has counted each offset once. The rows of one insert cover a range of offsets of one
 * partition; in each table these ranges must follow each other without a hole (a lost part: its counts are
 * missing) and without an overlap (counted twice). One aggregate over each table tells; only where it finds a
 * fault are ranges compared one by one.
 */
import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { type Offset, offset } from '../../lib/eventlog/eventlog.ts'
import { type RealtimeTable, realtimeTableNames } from '../serving/tables.ts'
import type { OffsetRange } from '../streaming/offset-range.ts'

export interface RangeFault extends OffsetRange {
  readonly kind: 'hole' | 'overlap'
  readonly table: RealtimeTable
  /** The table has a TTL, which may have removed these rows on purpose. */
  readonly mayHaveExpired: boolean
}

/** What a table has of a partition. */
export interface Covered {
  readonly table: RealtimeTable
  readonly partition: number
  /** The first offset that is covered. */
  readonly first: Offset
  /** One past the last. */
  readonly next: Offset
  readonly mayHaveExpired: boolean
}

export interface OffsetCoverage {
  readonly covered: readonly Covered[]
  /** By table, partition and offset; of one table and partition the first 100. */
  readonly faults: readonly RangeFault[]
}

const faultsNamed = 100

/** @param logId as the column `log_id` has it. */
export async function readCoverage(
  clickhouse: ClickHouse,
  logId: string,
  { signal }: IoOptions = {},
): Promise<OffsetCoverage> {
  const rows = await clickhouse.query<CoverageRow>(
    realtimeTableNames.map(coverageSelect).join(' UNION ALL '),
    { params: { log: logId }, signal },
  )
  const expiring = await tablesWithTtl(clickhouse, { signal })
  const covered = rows.map(({ owner, p, first, next }) => ({
    table: owner,
    partition: p,
    first: offset(BigInt(first)),
    next: offset(BigInt(next)),
    mayHaveExpired: expiring.has(owner),
  }))
  const faults = headHoles(covered)
  for (const { owner: table, p: partition, starts, lone_starts, lone_ends, ranges } of rows) {
    // Each range but the first starts where another ends, each but the last ends where another starts, and no two
    // start together: then they form one chain.
    if (lone_starts === 1 && lone_ends === 1 && starts === ranges) continue
    const mayHaveExpired = expiring.has(table)
    for (const fault of await faultsOf(clickhouse, logId, { table, partition }, { signal }))
      faults.push({ ...fault, table, partition, mayHaveExpired })
  }
  return { covered, faults }
}

interface CoverageRow {
  readonly owner: RealtimeTable
  readonly p: number
  readonly first: number | bigint
  readonly next: number | bigint
  readonly starts: number
  readonly lone_starts: number
  readonly lone_ends: number
  readonly ranges: number
}

/** Bitmaps of offsets stay small over months of ranges, where grouping by range takes a gigabyte. */
function coverageSelect(table: RealtimeTable): string {
  return `SELECT '${table}' AS owner, kafka_partition AS p, min(offset_from) AS first, max(offset_to) AS next,
     groupBitmapState(toUInt64(offset_from)) AS from_offsets, groupBitmapState(toUInt64(offset_to)) AS to_offsets,
     bitmapCardinality(from_offsets) AS starts,
     bitmapAndnotCardinality(from_offsets, to_offsets) AS lone_starts,
     bitmapAndnotCardinality(to_offsets, from_offsets) AS lone_ends,
     groupBitmap(bitXor(toUInt64(offset_from), bitShiftLeft(toUInt64(offset_to - offset_from), 40))) AS ranges
   FROM realtime.${table} WHERE log_id = {log:String} GROUP BY p`
}

/** The tables began together: one that begins later than another has lost its first ranges. */
function headHoles(covered: readonly Covered[]): RangeFault[] {
  return covered.flatMap(({ table, partition, first, mayHaveExpired }) => {
    const least = covered
      .filter((other) => other.partition === partition)
      .reduce((best, other) => (other.first < best ? other.first : best), first)
    return least < first && !mayHaveExpired
      ? [{ kind: 'hole' as const, table, partition, from: least, to: first, mayHaveExpired }]
      : []
  })
}

async function faultsOf(
  clickhouse: ClickHouse,
  logId: string,
  { table, partition }: { readonly table: RealtimeTable; readonly partition: number },
  { signal }: IoOptions,
): Promise<readonly Pick<RangeFault, 'kind' | 'from' | 'to'>[]> {
  const rows = await clickhouse.query<Readonly<Record<'f' | 'shortest' | 't' | 'reached', number | bigint>>>(
    `SELECT f, shortest, t, reached FROM (
       SELECT f, shortest, t,
         max(t) OVER (ORDER BY f ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached,
         row_number() OVER (ORDER BY f) AS place
       FROM (
         SELECT offset_from AS f, min(offset_to) AS shortest, max(offset_to) AS t FROM realtime.${table}
         WHERE log_id = {log:String} AND kafka_partition = {p:Int32} GROUP BY f))
     WHERE (place > 1 AND f != reached) OR shortest != t ORDER BY f LIMIT ${faultsNamed}`,
    { params: { log: logId, p: partition }, signal },
  )
  return rows.flatMap((row) => {
    const [f, shortest, t, reached] = [
      BigInt(row.f),
      BigInt(row.shortest),
      BigInt(row.t),
      BigInt(row.reached),
    ]
    const found: Pick<RangeFault, 'kind' | 'from' | 'to'>[] = []
    if (reached > f) found.push({ kind: 'overlap', from: offset(f), to: offset(reached < t ? reached : t) })
    else if (shortest < t) found.push({ kind: 'overlap', from: offset(f), to: offset(shortest) })
    // Nothing was reached before the first range of all.
    if (reached < f && reached > 0n) found.push({ kind: 'hole', from: offset(reached), to: offset(f) })
    return found
  })
}

async function tablesWithTtl(clickhouse: ClickHouse, { signal }: IoOptions): Promise<ReadonlySet<string>> {
  const rows = await clickhouse.query<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = 'realtime' AND engine_full LIKE '% TTL %'`,
    { signal },
  )
  return new Set(rows.map(({ name }) => name))
}
