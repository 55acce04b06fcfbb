/**
 * The cut of the books: how far into the log the newest batch has read. Landing and the speed layer go on while a
 * batch runs, so layers are compared at equal offsets, never at equal times.
 */
import type { IoOptions } from '../../lib/base/io.ts'
import type { Snapshot } from '../../lib/delta/index.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import { type LandedPartition, landedPartitions } from '../model/landed.ts'
import { madeFrom } from '../model/made-from.ts'
import { type BooksContext, notMadeYet } from './books.ts'

export interface Cut {
  /** The newest versions of the tables. */
  readonly events: Snapshot
  readonly rejected: Snapshot
  /** How far the version of `bronze/events` has read that silver was made from. */
  readonly read: readonly LandedPartition[]
  /** How far the newest version has read. */
  readonly landed: readonly LandedPartition[]
  /** The version of silver and quarantine that are compared: the newest. */
  readonly silver: Snapshot
  readonly quarantine: Snapshot
}

/** @throws LakeError `TABLE_MISSING` if no batch has run yet. */
export async function readCut({ table }: BooksContext, { signal }: IoOptions = {}): Promise<Cut> {
  for (const name of ['bronze/events', 'silver/events', 'silver/quarantine'] as const) {
    if (!(await table(name).exists({ signal }))) throw notMadeYet(name)
  }
  // Silver first: what it was made from is in bronze by then.
  const silver = await table('silver/events').snapshot({ signal })
  const quarantine = await table('silver/quarantine').snapshot({ signal })
  const events = await table('bronze/events').snapshot({ signal })
  const rejected = await table('bronze/rejected').snapshot({ signal })
  const version = silver.transactionVersion(madeFrom('bronze/events', events))
  if (version === undefined) throw notMadeYet('silver/events')
  const pinned =
    version === events.version ? events : await table('bronze/events').snapshot({ version, signal })
  return {
    events,
    rejected,
    read: landedPartitions(pinned),
    landed: landedPartitions(events),
    silver,
    quarantine,
  }
}

/**
 * An SQL condition over the columns of bronze: the row lies before the cut. Of a partition that several logs of one
 * topic had, the furthest of their offsets counts.
 */
export function isBefore(read: readonly LandedPartition[]): string {
  const furthest = new Map<string, bigint>()
  for (const { topic, partition, next } of read) {
    const key = `kafka_topic = ${text(topic)} and kafka_partition = ${partition}`
    furthest.set(key, next > (furthest.get(key) ?? 0n) ? next : (furthest.get(key) ?? 0n))
  }
  if (furthest.size === 0) return 'false'
  return `(${[...furthest].map(([place, next]) => `(${place} and kafka_offset < ${next})`).join(' or ')})`
}
