/** The way of one message: where it is in the log, the lake and ClickHouse, or why it is not, and when it got there. */

import type { IoOptions } from '../../lib/base/io.ts'
import type { AddFile, Snapshot } from '../../lib/delta/index.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { identifier, text } from '../../lib/duckdb/sql-text.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { offset } from '../../lib/eventlog/eventlog.ts'
import { filesOfDays } from '../model/days.ts'
import { isValid } from '../model/event-rules.ts'
import { goldColumnsOf, goldTableNames, metricOf } from '../model/gold.ts'
import { filesThatMayHold, landedPartitions } from '../model/landed.ts'
import { madeFrom } from '../model/made-from.ts'
import type { LakeTable } from '../model/tables.ts'
import { watermarkDelayMs, windowMs, windowStartMs } from '../model/time-rules.ts'
import { readShown } from '../serving/shown.ts'
import { realtimeTableNames } from '../serving/tables.ts'
import type { BooksContext, Place } from './books.ts'
import { createRowsView } from './rows-of.ts'
import { originOf, replaysOf } from './trace-replay.ts'

export interface TraceContext extends BooksContext {
  readonly topic: string
}

/** A stage of the way, in words, with when it happened and what is known there. */
export interface TraceStep {
  readonly stage: 'log' | 'bronze' | 'replay' | 'silver' | 'gold' | 'serving' | 'realtime'
  readonly state: string
  /** ISO time in UTC; absent if it did not happen, or is not recorded. */
  readonly at?: string
  readonly details: Readonly<Record<string, unknown>>
}

export interface Trace extends Place {
  readonly topic: string
  readonly steps: readonly TraceStep[]
}

export async function traceMessage(
  books: BooksContext,
  { partition, offset: at }: Place,
  { signal }: IoOptions = {},
): Promise<Trace> {
  const context = { ...books, topic: (await books.log()).topic }
  const steps = await context.duckdb.use((session) =>
    stepsOf(context, session, { partition, offset: at }, { signal }),
  )
  return { topic: context.topic, partition, offset: at, steps }
}

async function stepsOf(
  context: TraceContext,
  session: DuckDbSession,
  place: Place,
  { signal }: IoOptions,
): Promise<readonly TraceStep[]> {
  const log = await inLog(context, place, { signal })
  if (log.state === noMessage) return [log]
  const landed = await inBronze(context, session, place, { signal })
  const before = [log, ...(await originOf(context, place, { signal })), landed.step]
  if (landed.row === undefined) {
    if (landed.step.state !== 'rejected') return before
    const { steps, next } = await replaysOf(context, place, landed.step, { signal })
    // A replay comes after what it is a replay of, so this ends.
    return [...before, ...steps, ...(next ? await stepsOf(context, session, next, { signal }) : [])]
  }
  return [...before, ...(await furtherSteps(context, session, landed.row, { signal }))]
}

async function furtherSteps(
  context: TraceContext,
  session: DuckDbSession,
  row: Row,
  { signal }: IoOptions,
): Promise<readonly TraceStep[]> {
  const realtime = await inRealtime(context, session, row, { signal })
  const silver = await inSilver(context, session, row, { signal })
  if (silver.state !== 'in silver') return [silver, realtime]
  return [silver, ...(await inGold(context, session, row, { signal })), realtime]
}

/** A marker of a transaction, a message of an aborted one, or one that compaction has taken. */
const noMessage = 'no message at this offset'

async function inLog(
  { log, topic }: TraceContext,
  { partition, offset: at }: Place,
  { signal }: IoOptions,
): Promise<TraceStep> {
  const opened = await log()
  const range = (await opened.partitions({ signal })).find((each) => each.partition === partition)
  const details = { topic, partition, offset: at, start: range?.start ?? null, end: range?.end ?? null }
  if (range === undefined) return { stage: 'log', state: 'no such partition', details }
  if (at >= range.end) return { stage: 'log', state: 'not written yet', details }
  if (at < range.start) return { stage: 'log', state: 'no longer in the log', details }
  const message = await opened.readAt(partition, offset(at), { signal })
  if (message === undefined) return { stage: 'log', state: noMessage, details }
  return {
    stage: 'log',
    state: 'in the log',
    at: new Date(message.timestampMs).toISOString(),
    details: { ...details, bytes: message.value?.byteLength ?? null },
  }
}

interface Landed {
  readonly step: TraceStep
  /** The row of `bronze/events`. */
  readonly row: Row | undefined
}

async function inBronze(
  context: TraceContext,
  session: DuckDbSession,
  place: Place,
  { signal }: IoOptions,
): Promise<Landed> {
  for (const table of ['bronze/events', 'bronze/rejected'] as const) {
    if (!(await context.table(table).exists({ signal }))) continue
    const snapshot = await context.table(table).snapshot({ signal })
    const files = filesThatMayHold(snapshot, place.offset)
    const [row] = await rowsAt(context, session, { table, snapshot, files, place }, { signal })
    if (row === undefined) continue
    const isEvent = table === 'bronze/events'
    const { raw: _raw, key: _key, headers: _headers, ...details } = row
    return {
      step: {
        stage: 'bronze',
        state: isEvent ? 'landed' : 'rejected',
        at: String(row['ingested_at']),
        details: { table, version: snapshot.version, ...details },
      },
      row: isEvent ? row : undefined,
    }
  }
  const next = await landedUpTo(context, place.partition, { signal })
  const state = next !== undefined && place.offset < next ? 'lost: landing has passed it' : 'not landed yet'
  return { step: { stage: 'bronze', state, details: { next: next ?? null } }, row: undefined }
}

interface RowsAt {
  readonly table: LakeTable
  readonly snapshot: Snapshot
  readonly files: readonly AddFile[]
  readonly place: Place
}

async function rowsAt(
  context: TraceContext,
  session: DuckDbSession,
  { table, snapshot, files, place }: RowsAt,
  { signal }: IoOptions,
): Promise<readonly Row[]> {
  const where = `kafka_topic = ${text(context.topic)} and kafka_partition = ${place.partition} and kafka_offset = ${place.offset}`
  await createRowsView(context, session, 'traced', table, snapshot, { files, where, signal })
  return session.rows('from traced order by kafka_timestamp desc', { signal })
}

async function landedUpTo(
  { table, topic }: TraceContext,
  partition: number,
  { signal }: IoOptions,
): Promise<bigint | undefined> {
  const events = table('bronze/events')
  if (!(await events.exists({ signal }))) return undefined
  return landedPartitions(await events.snapshot({ signal }))
    .filter((each) => each.topic === topic && each.partition === partition)
    .map(({ next }) => next)
    .sort((a, b) => Number(b - a))[0]
}

async function inSilver(
  context: TraceContext,
  session: DuckDbSession,
  row: Row,
  { signal }: IoOptions,
): Promise<TraceStep> {
  const day = String(row['event_date'])
  const place = { partition: Number(row['kafka_partition']), offset: BigInt(String(row['kafka_offset'])) }
  for (const table of ['silver/events', 'silver/quarantine'] as const) {
    if (!(await context.table(table).exists({ signal }))) continue
    const snapshot = await context.table(table).snapshot({ signal })
    const files = filesOfDays(snapshot, [day])
    const [found] = await rowsAt(context, session, { table, snapshot, files, place }, { signal })
    if (found === undefined) continue
    const at = await committedAt(snapshot, { signal })
    const details = {
      table,
      version: snapshot.version,
      ...(found['reasons'] !== undefined && { reasons: found['reasons'] }),
    }
    return {
      stage: 'silver',
      state: table === 'silver/events' ? 'in silver' : 'in quarantine',
      ...(at && { at }),
      details,
    }
  }
  return notInSilver(context, session, row, { signal })
}

async function notInSilver(
  context: TraceContext,
  session: DuckDbSession,
  row: Row,
  { signal }: IoOptions,
): Promise<TraceStep> {
  const details = { eventId: row['event_id'] ?? null, day: row['event_date'] ?? null }
  if (!(await context.table('silver/events').exists({ signal }))) {
    return { stage: 'silver', state: 'not batched yet', details }
  }
  const silver = await context.table('silver/events').snapshot({ signal })
  const files = filesOfDays(silver, [String(row['event_date'])])
  const where = `event_id = ${text(String(row['event_id']))}`
  await createRowsView(context, session, 'kept', 'silver/events', silver, { files, where, signal })
  const [kept] = await session.rows('select kafka_partition, kafka_offset from kept', { signal })
  if (kept !== undefined) {
    const first = { partition: kept['kafka_partition'], offset: kept['kafka_offset'] }
    return {
      stage: 'silver',
      state: 'duplicate: an earlier delivery of the event is kept',
      details: { ...details, kept: first },
    }
  }
  const bronze = await context.table('bronze/events').snapshot({ signal })
  const made = silver.transactionVersion(madeFrom('bronze/events', bronze))
  const isBatched = made !== undefined && (await wasRead(context, made, row, { signal }))
  return {
    stage: 'silver',
    state: isBatched ? 'lost: the batch has read it' : 'not batched yet',
    details: { ...details, bronzeVersion: made ?? null },
  }
}

async function wasRead(
  { table, topic }: TraceContext,
  version: number,
  row: Row,
  { signal }: IoOptions,
): Promise<boolean> {
  const pinned = await table('bronze/events').snapshot({ version, signal })
  return landedPartitions(pinned).some(
    (each) =>
      each.topic === topic &&
      each.partition === row['kafka_partition'] &&
      BigInt(String(row['kafka_offset'])) < each.next,
  )
}

/** The metrics in which the event counts: those that have rows when they are computed of it alone. */
async function inGold(
  context: TraceContext,
  session: DuckDbSession,
  row: Row,
  { signal }: IoOptions,
): Promise<readonly TraceStep[]> {
  const day = String(row['event_date'])
  const silver = await context.table('silver/events').snapshot({ signal })
  const where = `kafka_topic = ${text(context.topic)} and kafka_partition = ${row['kafka_partition']} and kafka_offset = ${row['kafka_offset']}`
  await createRowsView(context, session, 'silver_events', 'silver/events', silver, {
    files: filesOfDays(silver, [day]),
    where,
    signal,
  })
  const steps: TraceStep[] = []
  for (const metric of goldTableNames) {
    const name = `gold/${metric}` as const
    if (!(await context.table(name).exists({ signal }))) continue
    const gold = await context.table(name).snapshot({ signal })
    await createRowsView(context, session, 'traced_gold', name, gold, { signal })
    const { grain, sql } = metricOf(metric)
    const columns = goldColumnsOf(metric).map(identifier).join(', ')
    const rows = await session.rows(
      `select ${columns} from traced_gold semi join (${sql}) as own using (${grain.map(identifier).join(', ')})`,
      { signal },
    )
    if (rows.length === 0) continue
    const at = await committedAt(gold, { signal })
    steps.push({
      stage: 'gold',
      state: 'counts in',
      ...(at && { at }),
      details: { table: name, version: gold.version, rows },
    })
  }
  return [...steps, await inServing(context, { signal })]
}

async function inServing({ clickhouse }: TraceContext, { signal }: IoOptions): Promise<TraceStep> {
  const shown = await readShown(await clickhouse(), { signal })
  if (shown === undefined) return { stage: 'serving', state: 'not loaded yet', details: {} }
  const at = new Date(Math.floor(shown.loadId / 1000)).toISOString()
  return {
    stage: 'serving',
    state: 'the newest load',
    at,
    details: { loadId: shown.loadId, versions: shown.versions },
  }
}

async function inRealtime(
  context: TraceContext,
  session: DuckDbSession,
  row: Row,
  { signal }: IoOptions,
): Promise<TraceStep> {
  const inserts = await (await context.clickhouse()).query<{
    owner: string
    inserted: string
    skipped: number
  }>(realtimeTableNames.map(insertOf).join(' UNION ALL '), {
    params: { p: row['kafka_partition'], o: BigInt(String(row['kafka_offset'])) },
    signal,
  })
  const startMs = windowStartMs(Date.parse(String(row['timestamp'])))
  const details = {
    window: new Date(startMs).toISOString(),
    windowEnd: new Date(startMs + windowMs).toISOString(),
    tables: inserts.map(({ owner }) => `realtime.${owner}`),
  }
  const [first] = inserts
  if (first === undefined) return { stage: 'realtime', state: 'not counted yet', details }
  if (first.skipped > 0) {
    return { stage: 'realtime', state: 'skipped: the log had lost it', at: first.inserted, details }
  }
  const state = await countedAs(context, session, row, startMs + windowMs, { signal })
  return { stage: 'realtime', state, at: first.inserted, details }
}

/** The insert into a table that covers the offset. */
const insertOf = (table: string): string => `
  SELECT '${table}' AS owner, formatDateTime(max(inserted_at), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS inserted,
    max(skipped) AS skipped
  FROM realtime.${table}
  WHERE kafka_partition = {p:Int32} AND offset_from <= {o:Int64} AND offset_to > {o:Int64} HAVING count() > 0`

/** Only events of its own day or later can have made it late. */
async function countedAs(
  context: TraceContext,
  session: DuckDbSession,
  row: Row,
  windowEndMs: number,
  { signal }: IoOptions,
): Promise<string> {
  const bronze = await context.table('bronze/events').snapshot({ signal })
  const dayOf = bronze.partitionValue('event_date')
  const files = bronze.files.filter((file) => (dayOf(file) ?? '') >= String(row['event_date']))
  const where = `kafka_topic = ${text(context.topic)} and kafka_partition = ${row['kafka_partition']} and kafka_offset <= ${row['kafka_offset']}`
  await createRowsView(context, session, 'read_before', 'bronze/events', bronze, { files, where, signal })
  const found = await session.row(
    `select bool_or(${isValid}) filter (where kafka_offset = ${row['kafka_offset']}) as is_valid,
       epoch_ms(max("timestamp") filter (where kafka_offset < ${row['kafka_offset']} and ${isValid})) as newest_ms
     from read_before`,
    { signal },
  )
  if (found['is_valid'] !== true) return 'not counted: it is not valid'
  const newestMs = found['newest_ms']
  const isLate = newestMs !== null && windowEndMs <= Number(newestMs) - watermarkDelayMs
  return isLate ? 'counted as late' : 'counted on time'
}

async function committedAt(snapshot: Snapshot, { signal }: IoOptions): Promise<string | undefined> {
  for await (const { info } of snapshot.commits({ signal })) {
    return info.timestamp === undefined ? undefined : new Date(info.timestamp).toISOString()
  }
  return undefined
}
