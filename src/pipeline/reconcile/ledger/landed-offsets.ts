/**
 * `log = bronze + rejected`: each offset that landing has passed stands in one row of one of the two tables.
 *
 * Three sums over a partition's offsets tell whether each is there once: their number, their sum, and the sum of
 * their squares. Only where one is off are offsets looked for one by one.
 */
import type { IoOptions } from '../../../lib/base/io.ts'
import type { Snapshot } from '../../../lib/delta/index.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import { text } from '../../../lib/duckdb/sql-text.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import { type LandedPartition, skippedIn } from '../../model/landed.ts'
import { type BooksContext, bigintOf, type Identity, type Place, placesNamed } from '../books.ts'
import type { Cut } from '../cut.ts'
import { createRowsView } from '../rows-of.ts'

const name = 'log = bronze + rejected'
const table = 'bronze/events'

export interface LandedOffsetsOptions extends IoOptions {
  /** The first offset that is known to have been in the log, of each partition of the topic. */
  readonly firstKnown?: (topic: string, partition: number) => bigint | undefined
}

/** One identity a partition. Rows beyond the offsets that landing has passed are not yet counted on either side. */
export async function landedOffsets(
  context: BooksContext,
  session: DuckDbSession,
  { events, rejected, landed }: Cut,
  { firstKnown = () => undefined, signal }: LandedOffsetsOptions = {},
): Promise<readonly Identity[]> {
  await createRowsView(context, session, 'landed_events', 'bronze/events', events, { signal })
  await createRowsView(context, session, 'landed_rejected', 'bronze/rejected', rejected, { signal })
  await session.run(
    `create or replace temporary view landed_offsets as
     select kafka_topic as topic, kafka_partition as p, kafka_offset as o from landed_events
     union all select kafka_topic, kafka_partition, kafka_offset from landed_rejected`,
    { signal },
  )
  const sumsFound = await session.rows(
    `select topic, p, count(*) as n, min(o) as first, sum(o)::hugeint as total, sum(o::hugeint * o) as squares
     from landed_offsets where ${byTopic(landed).map(isIn).join(' or ')} group by all`,
    { signal },
  )
  const identities: Identity[] = []
  for (const partition of byTopic(landed)) {
    const found = sumsFound.find(
      (row) => row['topic'] === partition.topic && row['p'] === partition.partition,
    )
    const known = firstKnown(partition.topic, partition.partition)
    const first = least(bigintOf(found?.['first']), known) ?? partition.next
    identities.push(await identityOf(session, events, partition, { first, found }, { signal }))
  }
  return identities
}

/** Logs of one topic in one: their offsets stand in the same columns. */
interface TopicPartition extends Pick<LandedPartition, 'topic' | 'partition' | 'next'> {
  /** How far each log of the topic was read, if there were several. */
  readonly logs: readonly bigint[]
}

function byTopic(landed: readonly LandedPartition[]): readonly TopicPartition[] {
  const found = new Map<string, TopicPartition>()
  for (const { topic, partition, next } of landed) {
    const key = `${partition}/${topic}`
    const logs = [...(found.get(key)?.logs ?? []), next]
    found.set(key, {
      topic,
      partition,
      logs,
      next: logs.reduce((most, each) => (each > most ? each : most), 0n),
    })
  }
  return [...found.values()].sort((a, b) => a.partition - b.partition)
}

const isIn = ({ topic, partition, next }: TopicPartition): string =>
  `(topic = ${text(topic)} and p = ${partition} and o < ${next})`

interface Found {
  /** The first offset that must be there. */
  readonly first: bigint
  readonly found: Row | undefined
}

async function identityOf(
  session: DuckDbSession,
  events: Snapshot,
  partition: TopicPartition,
  { first, found }: Found,
  { signal }: IoOptions,
): Promise<Identity> {
  const [right, total, squares] = [found?.['n'], found?.['total'], found?.['squares']].map(
    (value) => bigintOf(value) ?? 0n,
  )
  const common = { name, table, partition: partition.partition, right: right ?? 0n }
  const expected = partition.logs.map((next) => sums(partition.logs.length > 1 ? 0n : first, next))
  const left = expected.reduce((sum, { n }) => sum + n, 0n)
  const isWhole =
    right === left &&
    total === expected.reduce((sum, each) => sum + each.total, 0n) &&
    squares === expected.reduce((sum, each) => sum + each.squares, 0n)
  if (isWhole) return { ...common, left }
  const accepted = await acceptedGaps(events, partition.partition, { signal })
  const faults = await faultyOffsets(session, partition, first, accepted, { signal })
  const lost = accepted.reduce((sum, gap) => sum + overlap(gap, first, partition.next), 0n)
  if (faults.missing === 0n && faults.doubled === 0n) return { ...common, left: left - lost }
  return {
    ...common,
    left: left - lost,
    problem: [
      ...(faults.missing > 0n ? [`offsets are in neither table: ${faults.missing}`] : []),
      ...(faults.doubled > 0n ? [`rows have the offset of another: ${faults.doubled}`] : []),
    ].join('; '),
    places: faults.places,
  }
}

/** Sums over the offsets from `from` to `to`, which is left out. */
function sums(
  from: bigint,
  to: bigint,
): { readonly n: bigint; readonly total: bigint; readonly squares: bigint } {
  const below = (n: bigint): readonly [bigint, bigint] => [
    (n * (n - 1n)) / 2n,
    ((n - 1n) * n * (2n * n - 1n)) / 6n,
  ]
  if (to <= from) return { n: 0n, total: 0n, squares: 0n }
  const [[totalTo, squaresTo], [totalFrom, squaresFrom]] = [below(to), below(from)]
  return { n: to - from, total: totalTo - totalFrom, squares: squaresTo - squaresFrom }
}

interface Faults {
  readonly missing: bigint
  readonly doubled: bigint
  readonly places: readonly Place[]
}

async function faultyOffsets(
  session: DuckDbSession,
  partition: TopicPartition,
  first: bigint,
  accepted: readonly Gap[],
  { signal }: IoOptions,
): Promise<Faults> {
  const gaps = await session.rows(
    `select o + 1 as gap_from, following as gap_to from (
       select o, coalesce(lead(o) over (order by o), ${partition.next}) as following from (
         select distinct o from landed_offsets where ${isIn(partition)}
         union all select ${first - 1n}))
     where following > o + 1 order by gap_from`,
    { signal },
  )
  const copies = partition.logs.length
  const doubled = await session.rows(
    `select o, count(*) - ${copies} as extra from landed_offsets where ${isIn(partition)}
     group by o having count(*) > ${copies} order by o`,
    { signal },
  )
  const missing = gaps
    .map((row): Gap => ({ from: bigintOf(row['gap_from']) ?? 0n, to: bigintOf(row['gap_to']) ?? 0n }))
    .flatMap((gap) => without(gap, accepted))
  const missingOffsets = missing.flatMap(({ from, to }) => someOffsets(from, to))
  const doubledOffsets = doubled.map((row) => bigintOf(row['o']) ?? 0n)
  return {
    missing: missing.reduce((sum, { from, to }) => sum + (to - from), 0n),
    doubled: doubled.reduce((sum, row) => sum + (bigintOf(row['extra']) ?? 0n), 0n),
    places: [...missingOffsets, ...doubledOffsets]
      .slice(0, placesNamed)
      .map((offset) => ({ partition: partition.partition, offset })),
  }
}

/** Offsets from `from` to `to`, which is left out. */
interface Gap {
  readonly from: bigint
  readonly to: bigint
}

/** Gaps that were accepted as lost with `--accept-gap`, as far as the log of the table still names them. */
async function acceptedGaps(
  events: Snapshot,
  partition: number,
  { signal }: IoOptions,
): Promise<readonly Gap[]> {
  const gaps: Gap[] = []
  for await (const { info } of events.commits({ signal })) {
    gaps.push(...skippedIn(info).filter((gap) => gap.partition === partition))
  }
  return gaps
}

function without(gap: Gap, accepted: readonly Gap[]): readonly Gap[] {
  return accepted.reduce<readonly Gap[]>(
    (rest, { from, to }) =>
      rest.flatMap((each) =>
        [
          { from: each.from, to: each.to < from ? each.to : from },
          { from: each.from > to ? each.from : to, to: each.to },
        ].filter((part) => part.from < part.to),
      ),
    [gap],
  )
}

function overlap({ from, to }: Gap, first: bigint, next: bigint): bigint {
  const [start, end] = [from > first ? from : first, to < next ? to : next]
  return end > start ? end - start : 0n
}

function someOffsets(from: bigint, to: bigint): readonly bigint[] {
  const count = Math.min(Number(to - from), placesNamed)
  return Array.from({ length: count }, (_, at) => from + BigInt(at))
}

function least(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a < b ? a : b
}
