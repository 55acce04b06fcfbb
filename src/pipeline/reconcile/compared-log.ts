/** The log that both layers have read, and how far both have: `realtime.*` on one side, bronze at the cut on the other. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import { type LandedPartition, landedBy } from '../model/landed.ts'
import { type RealtimeTable, realtimeTableNames } from '../serving/tables.ts'
import type { Cut } from './cut.ts'

export interface ComparedLog {
  /** As the column `log_id` has it. */
  readonly logId: string
  readonly topic: string
  readonly partitions: ReadonlyMap<number, ComparedPartition>
  /** An SQL condition over bronze: the row is of this log, and not of another one of the same topic. */
  readonly isOfLog: string
}

export interface ComparedPartition {
  /** The first offset that the speed layer has counted. */
  readonly first: bigint
  /** Both layers are compared up to this offset, which is left out. */
  readonly cut: bigint
  /** Table → how far whole micro-batches reach that end before the cut; from there on bronze is counted. */
  readonly whole: ReadonlyMap<RealtimeTable, bigint>
  /** Offsets that the speed layer has skipped for good, as the log had lost them. */
  readonly skipped: readonly { readonly from: bigint; readonly to: bigint }[]
}

interface TablePlace {
  readonly owner: RealtimeTable
  readonly p: number
  readonly first: number | bigint
  readonly reached: number | bigint
}

/** Of several logs, the one that was counted last. `undefined` if the layers have no log in common. */
export async function comparedLog(
  clickhouse: ClickHouse,
  cut: Cut,
  { signal }: IoOptions = {},
): Promise<ComparedLog | undefined> {
  const logs = await clickhouse.query<{ id: string }>(
    `SELECT log_id AS id FROM (${realtimeTableNames
      .map((table) => `SELECT log_id, max(inserted_at) AS newest FROM realtime.${table} GROUP BY log_id`)
      .join(' UNION ALL ')}) GROUP BY log_id ORDER BY max(newest) DESC`,
    { signal },
  )
  for (const { id } of logs) {
    const read = cut.read.filter(({ clusterId, topic }) => `${clusterId}/${topic}` === id)
    const [{ topic, clusterId } = { topic: '', clusterId: '' }] = read
    if (read.length === 0) continue
    const partitions = await comparedPartitions(clickhouse, id, read, { signal })
    return { logId: id, topic, partitions, isOfLog: await ofLog(cut, { topic, clusterId }, { signal }) }
  }
  return undefined
}

async function comparedPartitions(
  clickhouse: ClickHouse,
  logId: string,
  read: readonly LandedPartition[],
  { signal }: IoOptions,
): Promise<ReadonlyMap<number, ComparedPartition>> {
  const places = await clickhouse.query<TablePlace>(
    realtimeTableNames
      .map(
        (
          table,
        ) => `SELECT '${table}' AS owner, kafka_partition AS p, min(offset_from) AS first, max(offset_to) AS reached
           FROM realtime.${table} WHERE log_id = {log:String} GROUP BY p`,
      )
      .join(' UNION ALL '),
    { params: { log: logId }, signal },
  )
  const skips = await clickhouse.query<{ p: number; from: number | bigint; to: number | bigint }>(
    realtimeTableNames
      .map(
        (table) => `SELECT kafka_partition AS p, offset_from AS from, offset_to AS to
           FROM realtime.${table} WHERE log_id = {log:String} AND skipped > 0`,
      )
      .join(' UNION DISTINCT '),
    { params: { log: logId }, signal },
  )
  const compared = new Map<number, ComparedPartition>()
  for (const { partition, next } of read) {
    const own = places.filter(({ p }) => p === partition)
    if (own.length === 0) continue
    const cut = least([next, ...own.map(({ reached }) => BigInt(reached))])
    compared.set(partition, {
      first: least(own.map(({ first }) => BigInt(first))),
      cut,
      whole: await wholeBefore(clickhouse, { logId, partition, cut }, { signal }),
      skipped: skips
        .filter(({ p }) => p === partition)
        .map(({ from, to }) => ({ from: BigInt(from), to: BigInt(to) })),
    })
  }
  return compared
}

async function wholeBefore(
  clickhouse: ClickHouse,
  { logId, partition, cut }: { readonly logId: string; readonly partition: number; readonly cut: bigint },
  { signal }: IoOptions,
): Promise<ReadonlyMap<RealtimeTable, bigint>> {
  const rows = await clickhouse.query<{ owner: RealtimeTable; reached: number | bigint }>(
    realtimeTableNames
      .map(
        (table) => `SELECT '${table}' AS owner, max(offset_to) AS reached FROM realtime.${table}
           WHERE log_id = {log:String} AND kafka_partition = {p:Int32} AND offset_to <= {cut:Int64}`,
      )
      .join(' UNION ALL '),
    { params: { log: logId, p: partition, cut }, signal },
  )
  return new Map(rows.map(({ owner, reached }) => [owner, BigInt(reached)]))
}

/**
 * Rows of bronze do not say which log they are of. A log is landed after the one before it, so what was ingested after
 * the last commit of the others is of this one.
 */
async function ofLog(
  { events, read }: Cut,
  { topic, clusterId }: Pick<LandedPartition, 'topic' | 'clusterId'>,
  { signal }: IoOptions,
): Promise<string> {
  const isOfTopic = `kafka_topic = ${text(topic)}`
  if (read.every((each) => each.topic !== topic || each.clusterId === clusterId)) return isOfTopic
  for await (const { transactions, info } of events.commits({ signal })) {
    const isOfOther = landedBy(transactions).some(
      (each) => each.topic === topic && each.clusterId !== clusterId,
    )
    if (isOfOther && info.timestamp !== undefined) {
      return `${isOfTopic} and ingested_at > make_timestamptz(${BigInt(info.timestamp) * 1000n})`
    }
  }
  return isOfTopic
}

function least(values: readonly bigint[]): bigint {
  return values.reduce((best, each) => (each < best ? each : best))
}
