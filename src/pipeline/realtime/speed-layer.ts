/**
 * ClickHouse's `realtime.*` as a sink. Each micro-batch inserts its own counts, so a plain SUM is always right.
 *
 * Every row says which offsets of its partition it covers: rows and position are one atomic part, and each table
 * has a position of its own. After a crash the positions may differ by a batch. Reading then goes on at the lowest
 * one, and each table leaves out what it has. A table that counted nothing in a batch gets a row of 0.
 */
import type { Clock } from '../../lib/base/clock.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { DuckDb, DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { type Message, type Offset, offset } from '../../lib/eventlog/eventlog.ts'
import type { MicroBatch } from '../../lib/stream/micro-batch.ts'
import { eventFields } from '../model/event.ts'
import { parsedMessages } from '../model/event-rules.ts'
import { createMessagesTable } from '../model/messages.ts'
import { windowSeconds, windowStartMs } from '../model/time-rules.ts'
import { type RealtimeTable, realtimeTableNames } from '../serving/tables.ts'
import type { OffsetRange } from '../streaming/offset-range.ts'
import type { ReadUpTo } from '../streaming/same-log.ts'
import type { LogSink, WriteOutcome } from '../streaming/stage.ts'
import { type DeltaInsert, type DeltaRow, type InsertOutcome, insertDeltas } from './delta-inserts.ts'
import { aggregates, countsOf, windowedEvents } from './windows.ts'

export interface SpeedLayerOptions {
  readonly clickhouse: ClickHouse
  readonly duckdb: DuckDb
  readonly clock: Clock
  /** Which log the offsets are of. */
  readonly clusterId: string
  readonly topic: string
}

export interface Counted {
  /** Valid events on time. */
  readonly events: number
  readonly late: number
  readonly messages: number
  /** Of each partition from which an event was ever read. */
  readonly newestEventMs: ReadonlyMap<number, number>
}

interface Position {
  readonly next: bigint
  /** As ClickHouse writes it, in UTC. */
  readonly newestEventTime: string
  /** The last message before `next`, where it is known. */
  readonly last: Pick<Message, 'offset' | 'timestampMs'> | undefined
}

/** The offsets that one insert covers. */
interface InsertPlace extends Position {
  readonly table: RealtimeTable
  readonly partition: number
  readonly from: bigint
}

interface PlannedInsert extends InsertPlace, DeltaInsert {}

/** Stands for "no event read yet": no window can end before it. */
const noEventTime = '1970-01-01 00:00:00.000000'

interface StoredPosition {
  readonly owner: RealtimeTable
  readonly p: number
  readonly first: number | bigint
  readonly next: number | bigint
  readonly newest: string
  /** -1 in rows of a version that did not store it. */
  readonly last: number | bigint
  readonly last_ms: number
}

export class SpeedLayer implements LogSink<Counted> {
  readonly #options: SpeedLayerOptions
  readonly #tables: readonly RealtimeTable[]
  /** As the column `log_id` has it. */
  readonly logId: string
  #positions = new Map<RealtimeTable, Map<number, Position>>()

  /** @param tables those that it writes to: all, except where one alone lacks something. */
  constructor(options: SpeedLayerOptions, tables: readonly RealtimeTable[] = realtimeTableNames) {
    this.#options = options
    this.#tables = tables
    this.logId = `${options.clusterId}/${options.topic}`
  }

  get clickhouse(): ClickHouse {
    return this.#options.clickhouse
  }

  /** A sink into one table, which goes on at `from` as it would have when the offsets before it had been read. */
  async at(
    { table, partition, from }: { readonly table: RealtimeTable } & OffsetRange,
    { signal }: IoOptions = {},
  ): Promise<SpeedLayer> {
    const selects = realtimeTableNames.map(
      (name) => `SELECT max(newest_event_time) AS newest FROM realtime.${name}
         WHERE log_id = {log:String} AND kafka_partition = {p:Int32} AND offset_to <= {from:Int64}`,
    )
    const [row] = await this.clickhouse.query<{ newest: string }>(
      `SELECT toString(max(newest)) AS newest FROM (${selects.join(' UNION ALL ')})`,
      { params: { log: this.logId, p: partition, from }, signal },
    )
    const sink = new SpeedLayer(this.#options, [table])
    const position = { next: from, newestEventTime: row?.newest ?? noEventTime, last: undefined }
    sink.#positions = new Map([[table, new Map([[partition, position]])]])
    return sink
  }

  /** Ids of clusters whose topic of this name was counted. */
  async knownClusters({ signal }: IoOptions = {}): Promise<ReadonlySet<string>> {
    const rows = await this.#options.clickhouse.query<{ id: string }>(
      realtimeTableNames
        .map((table) => `SELECT DISTINCT log_id AS id FROM realtime.${table}`)
        .join(' UNION DISTINCT '),
      { signal },
    )
    const end = `/${this.#options.topic}`
    return new Set(rows.flatMap(({ id }) => (id.endsWith(end) ? [id.slice(0, -end.length)] : [])))
  }

  async refresh({ signal }: IoOptions = {}): Promise<void> {
    const positions = new Map<RealtimeTable, Map<number, Position>>()
    const firsts = new Map<number, bigint>()
    const rows = await this.#options.clickhouse.query<StoredPosition>(
      realtimeTableNames
        .map(
          (table) =>
            `SELECT '${table}' AS owner, kafka_partition AS p, max(offset_to) AS next,
               toString(argMax(newest_event_time, offset_to)) AS newest, min(offset_from) AS first,
               argMax(last_offset, offset_to) AS last, toUnixTimestamp64Milli(argMax(last_append_time, offset_to)) AS last_ms
             FROM realtime.${table} WHERE log_id = {log:String} GROUP BY p`,
        )
        .join(' UNION ALL '),
      { params: { log: this.logId }, signal },
    )
    for (const table of realtimeTableNames) {
      const own = rows.filter(({ owner }) => owner === table)
      positions.set(table, new Map(own.map((row) => [row.p, positionOf(row)])))
    }
    for (const { p, first } of rows) {
      const known = firsts.get(p)
      if (known === undefined || BigInt(first) < known) firsts.set(p, BigInt(first))
    }
    // A table that has nothing of a partition lacks it from where the others began.
    for (const table of positions.values()) {
      for (const [partition, next] of firsts) {
        if (!table.has(partition))
          table.set(partition, { next, newestEventTime: noEventTime, last: undefined })
      }
    }
    this.#positions = positions
  }

  /** The least of the tables' positions, for they may be apart. */
  next(partition: number): Offset | undefined {
    const position = this.#least(partition)
    return position === undefined ? undefined : offset(position.next)
  }

  /** How far any table has come: what proves that a log is still the same. */
  async readUpTo(partition: number): Promise<ReadUpTo | undefined> {
    const furthest = this.#furthest(partition)
    return (
      furthest && {
        next: offset(furthest.next),
        last: furthest.last && { offset: furthest.last.offset, timestampsMs: [furthest.last.timestampMs] },
      }
    )
  }

  #least(partition: number): Position | undefined {
    let least: Position | undefined
    for (const table of this.#tables) {
      const position = this.#positions.get(table)?.get(partition)
      if (position === undefined) return undefined
      if (least === undefined || position.next < least.next) least = position
    }
    return least
  }

  #furthest(partition: number): Position | undefined {
    return this.#tables
      .flatMap((table) => this.#positions.get(table)?.get(partition) ?? [])
      .reduce<Position | undefined>((best, each) => (best && best.next >= each.next ? best : each), undefined)
  }

  async write(batch: MicroBatch<Message>, { signal }: IoOptions = {}): Promise<WriteOutcome<Counted>> {
    using session = await this.#options.duckdb.connect()
    await createMessagesTable(session, 'messages', batch.messages)
    const partitions = [...batch.next.keys()]
    await session.run(
      `create or replace temporary table watermarks as ${this.#watermarks(partitions)};
       create or replace temporary table parsed as
         select kafka_partition, kafka_offset, kafka_timestamp, is_event, ${eventFields.map((name) => `"${name}"`).join(', ')}, event_date
         from (${parsedMessages('messages')});
       create or replace temporary table events as ${windowedEvents('parsed', 'watermarks')}`,
    )
    const newest = await this.#newestEventTimes(session)
    const totals = await session.row(
      'select count(*) filter (not is_late) as events, count(*) filter (is_late) as late from events',
    )
    const inserts = await this.#planInserts(session, batch, newest)
    const outcome = await this.#insertAll(inserts, { signal })
    if (outcome.kind === 'superseded') return outcome
    return {
      kind: 'written',
      written: {
        events: Number(totals['events']),
        late: Number(totals['late']),
        messages: batch.messages.length,
        newestEventMs: new Map(
          [...newest].flatMap(([partition, time]) =>
            time === noEventTime ? [] : [[partition, Date.parse(`${time.replace(' ', 'T')}Z`)] as const],
          ),
        ),
      },
    }
  }

  /** A row of 0 over each gap, in every table that has not counted what it lacks; `skipped` tells it from others. */
  async skip(gaps: readonly OffsetRange[], { signal }: IoOptions = {}): Promise<'skipped' | 'superseded'> {
    const now = windowStartMs(this.#options.clock.now()) / 1000
    const inserts = gaps.flatMap(({ partition, to: next }) =>
      this.#tables.flatMap((table) => {
        const position = this.#positions.get(table)?.get(partition)
        if (position === undefined || position.next >= next) return []
        const at = { ...position, table, partition, from: position.next, next }
        const row = { ...this.#row({ window_start: now, n: 0n }, at), skipped: next - at.from }
        return [{ ...at, rows: [row] }]
      }),
    )
    const { kind } = await this.#insertAll(inserts, { signal })
    return kind === 'inserted' ? 'skipped' : kind
  }

  async #insertAll(inserts: readonly PlannedInsert[], options: IoOptions): Promise<InsertOutcome> {
    const outcome = await insertDeltas({ ...this.#options, logId: this.logId }, inserts, options)
    if (outcome.kind === 'superseded') return outcome
    for (const { table, partition, next, newestEventTime, last } of inserts) {
      const positions = this.#positions.get(table) ?? new Map<number, Position>()
      positions.set(partition, { next, newestEventTime, last })
      this.#positions.set(table, positions)
    }
    return outcome
  }

  async #planInserts(
    session: DuckDbSession,
    batch: MicroBatch<Message>,
    newest: ReadonlyMap<number, string>,
  ): Promise<readonly PlannedInsert[]> {
    const zeros = await this.#placeOfZero(session, batch)
    const inserts: PlannedInsert[] = []
    const lasts = new Map(batch.messages.map((message) => [message.partition, message]))
    for (const table of this.#tables) {
      const starts = [...batch.next].map(([partition]) => ({
        partition,
        from: this.#positions.get(table)?.get(partition)?.next ?? firstOffset(batch, partition),
      }))
      const values = starts.map(({ partition, from }) => `(${partition}, ${from})`).join(', ')
      const counts = await session.rows(
        countsOf(table, 'events', `(select * from (values ${values}) as v(kafka_partition, offset_from))`),
      )
      for (const { partition, from } of starts) {
        const next = batch.next.get(partition) ?? from
        if (from >= next) continue
        const newestEventTime = newest.get(partition) ?? noEventTime
        const last = lasts.get(partition) ?? this.#furthest(partition)?.last
        const at = { table, partition, from, next, newestEventTime, last }
        const counted = counts.filter((row) => Number(row['kafka_partition']) === partition)
        const rows = counted.length > 0 ? counted : [{ ...zeros.get(partition), n: 0n }]
        inserts.push({ ...at, rows: rows.map((row) => this.#row(row, at)) })
      }
    }
    return inserts
  }

  #row(counted: Row, { table, ...at }: InsertPlace): DeltaRow {
    const { dimension, measure } = aggregates[table]
    const windowStart = Number(counted['window_start'] ?? 0)
    return {
      window_start: windowStart,
      window_end: windowStart + windowSeconds,
      ...(dimension !== undefined && {
        [dimension]: String(counted['dimension'] ?? counted[dimension] ?? ''),
      }),
      [measure]: Number(counted['n']),
      log_id: this.logId,
      kafka_partition: at.partition,
      offset_from: at.from,
      offset_to: at.next,
      newest_event_time: at.newestEventTime,
      inserted_at: (this.#options.clock.now() / 1000).toFixed(6),
      ...(at.last !== undefined && {
        last_offset: at.last.offset,
        last_append_time: (at.last.timestampMs / 1000).toFixed(3),
      }),
    }
  }

  #watermarks(partitions: readonly number[]): string {
    const rows = partitions.map(
      (partition) =>
        `(${partition}, timestamptz '${this.#least(partition)?.newestEventTime ?? noEventTime}+00')`,
    )
    return `select * from (values ${rows.join(', ')}) as v(kafka_partition, newest_event_time)`
  }

  /** The newest event time of each partition, this batch included. */
  async #newestEventTimes(session: DuckDbSession): Promise<ReadonlyMap<number, string>> {
    const rows = await session.rows(
      `select w.kafka_partition as p,
         strftime(greatest(w.newest_event_time, max(e."timestamp")), '%Y-%m-%d %H:%M:%S.%f') as newest
       from watermarks as w left join events as e on e.kafka_partition = w.kafka_partition
       group by w.kafka_partition, w.newest_event_time`,
    )
    return new Map(rows.map((row) => [Number(row['p']), String(row['newest'])]))
  }

  /** Where a row of 0 goes: to the window of the partition's newest event, or of its first message, or of now. */
  async #placeOfZero(session: DuckDbSession, batch: MicroBatch<Message>): Promise<ReadonlyMap<number, Row>> {
    const rows = await session.rows(
      `select kafka_partition, max(window_start) as window_start,
         arg_max(event_type, kafka_offset) as event_type, arg_max(source, kafka_offset) as source
       from events group by kafka_partition`,
    )
    const places = new Map<number, Row>(rows.map((row) => [Number(row['kafka_partition']), row]))
    const nowMs = this.#options.clock.now()
    const others = [...batch.next.keys()].map((partition) => ({ partition, timestampMs: nowMs }))
    for (const { partition, timestampMs } of [...batch.messages, ...others]) {
      if (places.has(partition)) continue
      const windowStart = windowStartMs(timestampMs) / 1000
      places.set(partition, { window_start: windowStart, event_type: '', source: '' })
    }
    return places
  }
}

function positionOf({ next, newest, last, last_ms: timestampMs }: StoredPosition): Position {
  const isKnown = BigInt(last) >= 0n
  return {
    next: BigInt(next),
    newestEventTime: newest,
    last: isKnown ? { offset: offset(BigInt(last)), timestampMs } : undefined,
  }
}

function firstOffset(batch: MicroBatch<Message>, partition: number): bigint {
  return batch.messages.find((message) => message.partition === partition)?.offset ?? 0n
}
