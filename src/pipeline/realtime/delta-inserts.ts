/**
 * The inserts of a micro-batch: one for each table and partition, each one part, each stored once.
 *
 * The insert's token names the first offset. If two writers insert the same offsets, ClickHouse drops the second
 * insert, and reading back shows it. Rows are looked up by the table's primary key, so that a batch costs the same
 * when the table has grown.
 */
import { allEnded } from '../../lib/base/all-ended.ts'
import type { Clock } from '../../lib/base/clock.ts'
import { isLakeError, LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { RealtimeTable } from '../serving/tables.ts'
import type { Superseded } from '../streaming/stage.ts'

/** A row of the table, by column. */
export interface DeltaRow {
  /** Seconds since 1970. */
  readonly window_start: number
  readonly [column: string]: string | number | bigint
}

/** The rows that one table gets for the offsets `from` (inclusive) to `next` (exclusive) of one partition. */
export interface DeltaInsert {
  readonly table: RealtimeTable
  readonly partition: number
  readonly from: bigint
  readonly next: bigint
  /** At least one: a table that counted nothing gets a row of 0. */
  readonly rows: readonly DeltaRow[]
}

export interface DeltaInsertOptions {
  readonly clickhouse: ClickHouse
  readonly clock: Clock
  readonly logId: string
}

export type InsertOutcome = { readonly kind: 'inserted' } | Superseded

interface Attempt {
  readonly insert: DeltaInsert
  readonly token: string
}

/** How often an insert is tried that ClickHouse neither holds nor lets in: its token outlived its rows. */
const attempts = 5
const pauseMs = 200

/**
 * Side by side: each table and partition has a position of its own. All are waited for, so that none is still
 * under way when reading goes on after a failure.
 *
 * @returns `inserted` when all rows are there, `superseded` when another writer was first with some of them.
 * @throws CLICKHOUSE_UNAVAILABLE where an insert was tried in vain, and whatever else ClickHouse refuses.
 */
export async function insertDeltas(
  options: DeltaInsertOptions,
  inserts: readonly DeltaInsert[],
  { signal }: IoOptions = {},
): Promise<InsertOutcome> {
  let pending: readonly Attempt[] = inserts.map((insert) => ({ insert, token: tokenOf(options, insert) }))
  for (let attempt = 1; pending.length > 0; attempt++) {
    const losses = await allEnded(pending.map((each) => send(options, each, { signal })))

    const held = await heldPlaces(options, pending, { signal })
    const next: Attempt[] = []
    let lost: LakeError | undefined
    for (const [at, { insert, token }] of pending.entries()) {
      if (held.has(placeOf(insert))) continue
      const found = await search(options, insert, { signal })
      if (found.isOurs) continue
      const { table, partition, from } = insert
      if (found.furthest > 0n) {
        const reason = `partition ${partition} of ${table} was counted up to ${found.furthest}`
        return { kind: 'superseded', reason }
      }
      const loss = losses[at]
      lost ??= loss
      if (attempt >= attempts) {
        throw (
          loss ??
          new LakeError(
            'CLICKHOUSE_UNAVAILABLE',
            `realtime.${table}: partition ${partition} from offset ${from} was answered ${attempt} times and is not there`,
          )
        )
      }
      // After a lost answer the insert may still arrive: only the same token keeps it from counting twice. One
      // that was answered and is not there has a token that outlived its rows, and needs another.
      next.push({ insert, token: loss === undefined ? `${tokenOf(options, insert)}#${attempt}` : token })
    }
    if (lost !== undefined) await options.clock.sleep(pauseMs, { signal })
    pending = next
  }
  return { kind: 'inserted' }
}

const tokenOf = ({ logId }: DeltaInsertOptions, { partition, from }: DeltaInsert): string =>
  `${logId}/${partition}/${from}`

const placeOf = ({ table, partition }: Pick<DeltaInsert, 'table' | 'partition'>): string =>
  `${table}/${partition}`

/** @returns the failure, if it leaves open whether the rows are there. */
async function send(
  { clickhouse }: DeltaInsertOptions,
  { insert: { table, rows }, token }: Attempt,
  { signal }: IoOptions,
): Promise<LakeError | undefined> {
  try {
    const settings = { insert_deduplicate: 1, async_insert: 0 }
    await clickhouse.insert(`realtime.${table}`, rows, { token, settings, signal })
    return undefined
  } catch (error) {
    if (!isLakeError(error, 'CLICKHOUSE_UNAVAILABLE') || error.details['ambiguous'] !== true) throw error
    return error
  }
}

/** The places of those inserts whose rows are there, all looked up at once by the window of a row of theirs. */
async function heldPlaces(
  { clickhouse, logId }: DeltaInsertOptions,
  pending: readonly Attempt[],
  { signal }: IoOptions,
): Promise<ReadonlySet<string>> {
  const keys = new Map<RealtimeTable, string[]>()
  for (const { insert } of pending) {
    const { table, partition, from, next, rows } = insert
    const key = `(toDateTime(${rows[0]?.window_start ?? 0}, 'UTC'), ${partition}, ${from}, ${next})`
    keys.set(table, [...(keys.get(table) ?? []), key])
  }
  const selects = [...keys].map(
    ([table, own]) =>
      `SELECT '${table}' AS table, kafka_partition AS partition FROM realtime.${table}
       WHERE (window_start, kafka_partition, offset_from, offset_to) IN (${own.join(', ')}) AND log_id = {log:String}`,
  )
  const found = await clickhouse.query<Pick<DeltaInsert, 'table' | 'partition'>>(
    selects.join(' UNION ALL '),
    {
      params: { log: logId },
      signal,
    },
  )
  return new Set(found.map(placeOf))
}

/**
 * Reads the whole table: for an insert that was not found where it should be. `furthest` is how far others have
 * counted these offsets, 0 if nobody has.
 */
async function search(
  { clickhouse, logId }: DeltaInsertOptions,
  { table, partition, from, next }: DeltaInsert,
  { signal }: IoOptions,
): Promise<{ readonly isOurs: boolean; readonly furthest: bigint }> {
  const [found] = await clickhouse.query<{ ours: number; furthest: number | bigint }>(
    `SELECT countIf(offset_from = {from:Int64} AND offset_to = {next:Int64}) AS ours, max(offset_to) AS furthest
     FROM realtime.${table} WHERE log_id = {log:String} AND kafka_partition = {p:Int32}
       AND offset_from < {next:Int64} AND offset_to > {from:Int64}`,
    { params: { log: logId, p: partition, from, next }, signal },
  )
  return { isOurs: (found?.ours ?? 0) > 0, furthest: BigInt(found?.furthest ?? 0) }
}
