/**
 * `log = bronze + rejected`: each offset that landing has passed stands in one row of one of the two tables, or holds
 * no message, or was accepted as lost.
 *
 * Three sums over a partition's offsets tell whether each is there once: their number, their sum, and the sum of
 * their squares. The sums of a day of bronze are kept as long as its files stay the same. Only where one is off are
 * offsets looked for one by one, and the log is asked for those that are in neither table. Its answer is kept in the same
 * three sums: the log forgets, the ledger does not.
 */
import type { IoOptions } from '../../../lib/base/io.ts'
import type { Snapshot } from '../../../lib/delta/index.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import { text } from '../../../lib/duckdb/sql-text.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import { offset } from '../../../lib/eventlog/eventlog.ts'
import { filesOfDays } from '../../model/days.ts'
import { type LandedPartition, skippedIn } from '../../model/landed.ts'
import { bigintOf, placesNamed } from '../books.ts'
import { identityNames } from '../identity-names.ts'
import { createRowsView } from '../rows-of.ts'
import { emptyOffsets } from './empty-offsets.ts'
import { type FileMarks, markOf } from './file-marks.ts'
import type { Audit } from './ledger.ts'
import {
  areEqual,
  type Gap,
  minus,
  noOffsets,
  type OffsetSums,
  plus,
  someOffsets,
  sumsOfAll,
  without,
} from './offset-sums.ts'
import type { Absent, AuditedIdentity, DaySums, PartitionSums } from './recorded-identity.ts'
import { silverIdentity } from './silver-rows.ts'

const name = identityNames.landed
const table = 'bronze/events'

export interface LandedOffsetsOptions extends IoOptions {
  /** The first offset that is known to have been in the log, of each partition of the topic. */
  readonly firstKnown: (topic: string, partition: number) => bigint | undefined
}

export interface LandedOffsets {
  /** One a partition. Rows beyond the offsets that landing has passed are not yet counted on either side. */
  readonly identities: readonly AuditedIdentity[]
  /** Of the days of bronze whose offsets were summed up, or had been before: for the next audit. */
  readonly sumsOfDay: ReadonlyMap<string, DaySums>
}

export async function landedOffsets(
  audit: Audit,
  { firstKnown, signal }: LandedOffsetsOptions,
): Promise<LandedOffsets> {
  const { cut } = audit
  const partitions = byTopic(cut.landed)
  const [ofEvents, ofRejected] = [
    await audit.marksOf('bronze/events', cut.events, { signal }),
    await audit.marksOf('bronze/rejected', cut.rejected, { signal }),
  ]
  const filesMark = markOf(
    ...[ofEvents, ofRejected].flatMap((each) => [...each].map(([day, mark]) => `${day} ${mark}`).sort()),
  )
  const markOfPartition = ({ topic, partition, logs }: TopicPartition): string =>
    markOf(
      filesMark,
      topic,
      String(firstKnown(topic, partition)),
      ...logs.map(({ clusterId, next }) => `${next} ${clusterId}`),
    )
  const known = partitions.map((partition) => balancedBefore(audit, partition, markOfPartition(partition)))
  if (known.every((identity) => identity !== undefined)) return { identities: known, sumsOfDay: new Map() }
  const sumsOfDay = await sumsByDay(audit, ofEvents, { signal })
  const rejected = await sumsOfRejected(audit, { signal })
  const sums = [...[...sumsOfDay.values()].flatMap((day) => day.sums), ...rejected]
  await createOffsetsView(audit, { signal })
  const identities: AuditedIdentity[] = []
  for (const partition of partitions) {
    const landed = await landedIn(audit, partition, sums, { signal })
    const knownFirst = firstKnown(partition.topic, partition.partition)
    const first = least(landed.first, knownFirst) ?? partition.next
    const identity = await identityOf(audit, partition, { first, rows: landed.sums }, { signal })
    identities.push({ ...identity, mark: markOfPartition(partition) })
  }
  return { identities, sumsOfDay }
}

/** Those of an audit before, where the files of the day are the same; the others are read. */
async function sumsByDay(
  { context, session, cut: { events }, before, isFull, onProgress }: Audit,
  marks: FileMarks,
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, DaySums>> {
  const found = new Map<string, DaySums>()
  for (const [date, mark] of marks) {
    const known = before({ ...silverIdentity, date })?.landed
    if (!isFull && known?.mark === mark) found.set(date, known)
  }
  const toRead = [...marks.keys()].filter((date) => !found.has(date))
  if (toRead.length === 0) return found
  onProgress('offsets of the log')
  const files = filesOfDays(events, toRead)
  await createRowsView(context, session, 'landed_days', 'bronze/events', events, { files, signal })
  const rows = await session.rows(`select event_date, ${sumsSql} from landed_days group by all`, { signal })
  for (const date of toRead) {
    const sums = rows.filter((row) => row['event_date'] === date).map(partitionSums)
    found.set(date, { mark: marks.get(date) ?? '', sums })
  }
  return found
}

async function sumsOfRejected(
  { context, session, cut: { rejected } }: Audit,
  { signal }: IoOptions,
): Promise<readonly PartitionSums[]> {
  await createRowsView(context, session, 'landed_rejected', 'bronze/rejected', rejected, { signal })
  return (await session.rows(`select ${sumsSql} from landed_rejected group by all`, { signal })).map(
    partitionSums,
  )
}

const sumsSql = `kafka_topic as topic, kafka_partition as p, count(*) as n, min(kafka_offset) as first,
  max(kafka_offset) as last, sum(kafka_offset)::hugeint as total, sum(kafka_offset::hugeint * kafka_offset) as squares`

function partitionSums(row: Row): PartitionSums {
  const [first = 0n, last = 0n] = [bigintOf(row['first']), bigintOf(row['last'])]
  return { topic: String(row['topic']), partition: Number(row['p']), first, last, sums: rowSums(row) }
}

/** Every offset that is in one of the two tables: read only where something is wrong. */
async function createOffsetsView(
  { context, session, cut: { events, rejected } }: Audit,
  { signal }: IoOptions,
): Promise<void> {
  await createRowsView(context, session, 'landed_events', 'bronze/events', events, { signal })
  await createRowsView(context, session, 'landed_rejected', 'bronze/rejected', rejected, { signal })
  await session.run(
    `create or replace temporary view landed_offsets as
     select kafka_topic as topic, kafka_partition as p, kafka_offset as o from landed_events
     union all select kafka_topic, kafka_partition, kafka_offset from landed_rejected`,
    { signal },
  )
}

/** The rows of one partition up to where landing is. If a row is beyond, those before it must be summed up alone. */
async function landedIn(
  { session }: Audit,
  partition: TopicPartition,
  sums: readonly PartitionSums[],
  { signal }: IoOptions,
): Promise<{ readonly first: bigint | undefined; readonly sums: OffsetSums }> {
  const own = sums.filter((each) => each.topic === partition.topic && each.partition === partition.partition)
  if (own.every(({ last }) => last < partition.next)) {
    return {
      first: own.map(({ first }) => first).reduce<bigint | undefined>(least, undefined),
      sums: own.map((each) => each.sums).reduce(plus, noOffsets),
    }
  }
  const row = await session.row(
    `select count(*) as n, min(o) as first, sum(o)::hugeint as total, sum(o::hugeint * o) as squares
     from landed_offsets where ${isIn(partition)}`,
    { signal },
  )
  return { first: bigintOf(row['first']), sums: rowSums(row) }
}

/** What an audit before has found of the same files, if it balanced. */
function balancedBefore(
  { before, isFull }: Audit,
  { partition }: TopicPartition,
  mark: string,
): AuditedIdentity | undefined {
  const found = before({ name, table, partition })
  return isFull || found?.problem !== undefined || found?.mark !== mark ? undefined : found
}

/** Logs of one topic in one: their offsets stand in the same columns. */
interface TopicPartition extends Pick<LandedPartition, 'topic' | 'partition' | 'next'> {
  /** How far each log of the topic was read: one, unless the topic was made anew. */
  readonly logs: readonly Pick<LandedPartition, 'clusterId' | 'next'>[]
}

function byTopic(landed: readonly LandedPartition[]): readonly TopicPartition[] {
  const found = new Map<string, TopicPartition>()
  for (const { clusterId, topic, partition, next } of landed) {
    const key = `${partition}/${topic}`
    const logs = [...(found.get(key)?.logs ?? []), { clusterId, next }]
    const furthest = logs.reduce((most, log) => (log.next > most ? log.next : most), 0n)
    found.set(key, { topic, partition, logs, next: furthest })
  }
  return [...found.values()].sort((a, b) => a.partition - b.partition)
}

const isIn = ({ topic, partition, next }: TopicPartition): string =>
  `(topic = ${text(topic)} and p = ${partition} and o < ${next})`

function rowSums(found: Row | undefined): OffsetSums {
  const [count = 0n, total = 0n, squares = 0n] = ['n', 'total', 'squares'].map(
    (column) => bigintOf(found?.[column]) ?? 0n,
  )
  return { count, total, squares }
}

interface Landed {
  /** The first offset that must be there. */
  readonly first: bigint
  readonly rows: OffsetSums
}

async function identityOf(
  audit: Audit,
  partition: TopicPartition,
  { first, rows }: Landed,
  { signal }: IoOptions,
): Promise<AuditedIdentity> {
  const common = { name, table, partition: partition.partition, right: rows.count }
  const passed = sumsOfAll(
    partition.logs.map(({ next }) => ({ from: partition.logs.length > 1 ? 0n : first, to: next })),
  )
  const before = absentBefore(audit, partition)
  const expected = minus(passed, before?.sums ?? noOffsets)
  if (areEqual(rows, expected)) {
    return { ...common, left: expected.count, ...(before && { absent: before }) }
  }
  const { gaps, missing, absent } = await absentOffsets(audit, partition, { first, before }, { signal })
  const doubled = await doubledOffsets(audit.session, partition, { signal })
  const identity = {
    ...common,
    left: passed.count - absent.sums.count,
    ...(partition.logs.length === 1 && { absent }),
  }
  const others = minus(gaps, absent.sums)
  if (areEqual(others, noOffsets) && doubled.count === 0n) return identity
  const offsets = [...missing.flatMap((gap) => someOffsets(gap, placesNamed)), ...doubled.offsets]
  return {
    ...identity,
    problem: [
      ...(others.count > 0n ? [`offsets are in neither table: ${others.count}`] : []),
      ...(doubled.count > 0n ? [`rows have the offset of another: ${doubled.count}`] : []),
      ...(others.count <= 0n && !areEqual(others, noOffsets)
        ? ['rows have offsets that held no message']
        : []),
    ].join('; '),
    places: offsets.slice(0, placesNamed).map((at) => ({ partition: partition.partition, offset: at })),
  }
}

/** What an audit before has found of the one log of the topic. */
function absentBefore({ before }: Audit, { topic, partition, logs }: TopicPartition): Absent | undefined {
  const absent = before({ name, table, partition })?.absent
  const [log, ...others] = logs
  const isOfLog = others.length === 0 && absent?.topic === topic && absent.clusterId === log?.clusterId
  return isOfLog ? absent : undefined
}

interface AbsentOffsets {
  /** In neither table. */
  readonly gaps: OffsetSums
  /** Those of them that nothing explains now: more than are missing, if the log no longer tells which held a message. */
  readonly missing: readonly Gap[]
  /** In neither table, and rightly so. */
  readonly absent: Absent
}

async function absentOffsets(
  audit: Audit,
  partition: TopicPartition,
  { first, before }: { readonly first: bigint; readonly before: Absent | undefined },
  { signal }: IoOptions,
): Promise<AbsentOffsets> {
  const { topic, next, logs } = partition
  const gaps = await gapsOf(audit.session, partition, first, { signal })
  const upTo = before?.next ?? 0n
  const sumsBefore = before?.sums ?? noOffsets
  const [earlier, later] = [
    without(gaps, [{ from: upTo, to: next }]),
    without(gaps, [{ from: 0n, to: upTo }]),
  ]
  const open = areEqual(sumsOfAll(earlier), sumsBefore) ? later : gaps
  const notAccepted = without(open, await acceptedGaps(audit.cut.events, partition, { signal }))
  const missing = without(notAccepted, await emptyGaps(audit, partition, notAccepted, { signal }))
  const explained = without(later, missing)
  const sums = plus(sumsBefore, sumsOfAll(explained))
  return {
    gaps: sumsOfAll(gaps),
    missing,
    absent: { topic, clusterId: logs[0]?.clusterId ?? '', next, sums },
  }
}

async function gapsOf(
  session: DuckDbSession,
  partition: TopicPartition,
  first: bigint,
  { signal }: IoOptions,
): Promise<readonly Gap[]> {
  const rows = await session.rows(
    `select o + 1 as gap_from, following as gap_to from (
       select o, coalesce(lead(o) over (order by o), ${partition.next}) as following from (
         select distinct o from landed_offsets where ${isIn(partition)}
         union all select ${first - 1n}))
     where following > o + 1 order by gap_from`,
    { signal },
  )
  return rows.map((row) => ({ from: bigintOf(row['gap_from']) ?? 0n, to: bigintOf(row['gap_to']) ?? 0n }))
}

interface DoubledOffsets {
  /** Rows beyond the first of their offset. */
  readonly count: bigint
  readonly offsets: readonly bigint[]
}

async function doubledOffsets(
  session: DuckDbSession,
  partition: TopicPartition,
  { signal }: IoOptions,
): Promise<DoubledOffsets> {
  const copies = partition.logs.length
  const rows = await session.rows(
    `select o, count(*) - ${copies} as extra from landed_offsets where ${isIn(partition)}
     group by o having count(*) > ${copies} order by o`,
    { signal },
  )
  return {
    count: rows.reduce((sum, row) => sum + (bigintOf(row['extra']) ?? 0n), 0n),
    offsets: rows.map((row) => bigintOf(row['o']) ?? 0n),
  }
}

/** Gaps that were accepted as lost with `--accept-gap`, as far as the log of the table still names them. */
async function acceptedGaps(
  events: Snapshot,
  { partition }: TopicPartition,
  { signal }: IoOptions,
): Promise<readonly Gap[]> {
  const gaps: Gap[] = []
  for await (const { info } of events.commits({ signal })) {
    gaps.push(...skippedIn(info).filter((gap) => gap.partition === partition))
  }
  return gaps
}

/** What of the gaps holds no message in the log. A log that was landed before this one can no longer be asked. */
async function emptyGaps(
  { context, onProgress }: Audit,
  { topic, partition, logs }: TopicPartition,
  gaps: readonly Gap[],
  { signal }: IoOptions,
): Promise<readonly Gap[]> {
  const [first] = gaps
  const last = gaps.at(-1)
  if (first === undefined || last === undefined) return []
  const log = await context.log()
  const clusterId = await log.clusterId({ signal })
  if (log.topic !== topic || logs.every((each) => each.clusterId !== clusterId)) return []
  onProgress(`offsets without a message in the log, partition ${partition}`)
  return emptyOffsets(log, { partition, from: offset(first.from), to: offset(last.to) }, { signal })
}

function least(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a < b ? a : b
}
