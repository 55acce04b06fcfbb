/**
 * Bronze as a sink: which offset comes next, and how a micro-batch is committed exactly once.
 *
 * Both tables hold a `txn` for each topic and partition. Its version is the next offset, and it is written in the
 * commit that holds the rows. Rejects are committed first, events second, and reading goes on from the events'
 * offset. Messages that `rejected` already holds from there on are left out of both. So a crash between the two
 * commits loses and doubles nothing, and a second writer of the same offsets meets a conflict at its commit.
 */

import type { Clock } from '../../lib/base/clock.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { CommitOutcome, CommitRef, DeltaTable, Snapshot, StagedFiles } from '../../lib/delta/index.ts'
import type { DuckDb, DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { type Message, type Offset, offset } from '../../lib/eventlog/eventlog.ts'
import type { MicroBatch } from '../../lib/stream/micro-batch.ts'
import { parsedMessages } from '../model/event-rules.ts'
import { filesThatMayHold, landedPartitions, landingApplication, skippedParameters } from '../model/landed.ts'
import { createEnvelopesTable, createMessagesTable } from '../model/messages.ts'
import { lakeTables } from '../model/tables.ts'
import { countUnknownFields, type UnknownField, unknownFieldsParameters } from '../model/unknown-fields.ts'
import type { OffsetRange } from '../streaming/offset-range.ts'
import type { ReadUpTo } from '../streaming/same-log.ts'
import type { LogSink, Superseded, WriteOutcome } from '../streaming/stage.ts'
import {
  checkRejects,
  landingOperation,
  landingTags,
  type RejectsCheck,
  rejectedTags,
} from './rejected-lineage.ts'
import { addRescuedColumn, hasRescuedColumn, rescuedColumn } from './rescued-column.ts'

export interface BronzeTables {
  readonly events: DeltaTable
  readonly rejected: DeltaTable
}

export interface BronzeOptions {
  readonly tables: BronzeTables
  readonly duckdb: DuckDb
  readonly clock: Clock
  readonly topic: string
  readonly clusterId: string
  /** Keep the fields that are not known in the column `_rescued`, which is added where it is missing. */
  readonly rescue?: boolean
}

export interface Landed {
  readonly events: number
  readonly rejected: number
  /** Of `bronze/events`. */
  readonly version: number
}

interface CommitOptions extends IoOptions {
  readonly parameters?: Readonly<Record<string, string>>
  readonly tags?: Readonly<Record<string, string>>
}

interface BatchCounts {
  readonly events: number
  readonly rejected: number
  readonly unknown: readonly UnknownField[]
}

const nothing: StagedFiles = { files: [], rows: 0, sizeBytes: 0 }

export class Bronze implements LogSink<Landed> {
  readonly #options: BronzeOptions
  #events: Snapshot
  #rejected: Snapshot
  /** What `rejected` holds beyond the events' offsets, as `placeOf` names it. */
  #alreadyRejected: ReadonlySet<string>
  #isBehind = false
  /** The commit of this snapshot of `rejected`, as far as it was read. */
  #newestRejected: { readonly of: Snapshot; readonly commit: CommitRef | undefined } | undefined

  private constructor(
    options: BronzeOptions,
    state: { events: Snapshot; rejected: Snapshot; alreadyRejected: ReadonlySet<string> },
  ) {
    this.#options = options
    this.#events = state.events
    this.#rejected = state.rejected
    this.#alreadyRejected = state.alreadyRejected
  }

  /** Makes missing tables, and reads the offsets of both. */
  static async open(options: BronzeOptions, { signal }: IoOptions = {}): Promise<Bronze> {
    const { events, rejected } = options.tables
    await events.createIfMissing(lakeTables['bronze/events'], { signal })
    await rejected.createIfMissing(lakeTables['bronze/rejected'], { signal })
    if (options.rescue === true) await addRescuedColumn(events, { signal })
    return new Bronze(options, await readState(options, { signal }))
  }

  /** Reads the offsets of the tables again. */
  async refresh({ signal }: IoOptions = {}): Promise<void> {
    const state = await readState(this.#options, { signal })
    this.#events = state.events
    this.#rejected = state.rejected
    this.#alreadyRejected = state.alreadyRejected
    this.#isBehind = false
  }

  /** The next offset of a partition, `undefined` when nothing of it was landed yet. */
  next(partition: number): Offset | undefined {
    const next = this.#events.transactionVersion(landingApplication(this.#options, partition))
    return next === undefined ? undefined : offset(BigInt(next))
  }

  /** How far a partition was landed, and the last message of it: what proves that a log is still the same. */
  async readUpTo(partition: number, { signal }: IoOptions = {}): Promise<ReadUpTo | undefined> {
    const next = this.next(partition)
    if (next === undefined) return undefined
    const last = offset(next > 0n ? next - 1n : 0n)
    const timestampsMs = await this.#storedTimestampsMs(partition, last, { signal })
    return { next, last: timestampsMs.length === 0 ? undefined : { offset: last, timestampsMs } }
  }

  /** Rows do not say which cluster they are of: after `--accept-new-log` several have the same offset. */
  async #storedTimestampsMs(partition: number, at: Offset, options: IoOptions): Promise<readonly number[]> {
    const found: number[] = []
    for (const [table, snapshot] of [
      [this.#options.tables.events, this.#events],
      [this.#options.tables.rejected, this.#rejected],
    ] as const) {
      const files = filesThatMayHold(snapshot, at)
      const rows = await this.#options.duckdb.use(async (session) => {
        const select = await table.scan(session, snapshot, { files, ...options })
        return await session.rows(
          `select epoch_ms(kafka_timestamp) as ms from (${select}) where kafka_topic = ${text(this.#options.topic)} and kafka_partition = ${partition} and kafka_offset = ${at}`,
          options,
        )
      })
      found.push(...rows.map((row) => Number(row['ms'])))
    }
    return found
  }

  /** Ids of clusters whose topic of this name was landed. */
  async knownClusters(): Promise<ReadonlySet<string>> {
    const landed = [this.#events, this.#rejected].flatMap(landedPartitions)
    return new Set(
      landed.flatMap(({ topic, clusterId }) => (topic === this.#options.topic ? [clusterId] : [])),
    )
  }

  /** Whether `bronze/rejected` still holds every commit that `bronze/events` was landed after. */
  checkRejects(options: IoOptions = {}): Promise<RejectsCheck> {
    return checkRejects(this.#events, this.#rejected, options)
  }

  /**
   * Lands a batch: rejects first, events second. Offsets that are there already make it `superseded`, and so does a
   * table that was restored from a copy meanwhile.
   */
  async write(batch: MicroBatch<Message>, { signal }: IoOptions = {}): Promise<WriteOutcome<Landed>> {
    const stale = [...batch.next].find(([partition, upTo]) => {
      const first = batch.messages.find((message) => message.partition === partition)
      const next = this.next(partition) ?? 0n
      return first === undefined ? upTo < next : first.offset < next
    })
    if (stale !== undefined) {
      return { kind: 'superseded', reason: `partition ${stale[0]} was landed further already` }
    }
    using session = await this.#options.duckdb.connect()
    const messages = this.#withoutRejected(batch.messages)
    await createMessagesTable(session, 'messages', messages)
    await session.run(
      `create or replace temporary table parsed as ${parsedMessages('messages', { hasUnknownFields: true })}`,
      { signal },
    )
    const places = await session.rows(
      'select kafka_partition as p, kafka_offset as o from parsed where not is_event',
      { signal },
    )
    const unknown = await readUnknownFields(session, { signal })

    // Rejects first: were events first, a crash in between would lose the rejects of the batch.
    if (places.length > 0) {
      await createEnvelopesTable(session, 'envelopes', messagesAt(messages, places))
      const outcome = await this.#landRejects(session, batch, { signal })
      if (outcome.kind === 'superseded') return outcome
    }
    const counts = { events: messages.length - places.length, rejected: places.length }
    // Awaited here: the session closes when this function returns.
    return await this.#landEvents(session, batch, { ...counts, unknown }, { signal })
  }

  #withoutRejected(messages: readonly Message[]): readonly Message[] {
    const rejected = this.#alreadyRejected
    // Asked first: to name the place of each message takes a tenth of landing's JavaScript.
    if (rejected.size === 0) return messages
    return messages.filter(
      ({ partition, offset: at, timestampMs }) => !rejected.has(placeOf(partition, at, timestampMs)),
    )
  }

  /** Moves the events' offsets behind the gaps; the commit that does so names them in its parameters. */
  async skip(gaps: readonly OffsetRange[], { signal }: IoOptions = {}): Promise<'skipped' | 'superseded'> {
    const transactions = Object.fromEntries(
      gaps.map(({ partition, to }) => [landingApplication(this.#options, partition), Number(to)]),
    )
    const outcome = await this.#commit(this.#options.tables.events, this.#events, nothing, transactions, {
      signal,
      parameters: skippedParameters(gaps),
      tags: await this.#rejectedTags({ signal }),
    })
    return outcome.kind === 'committed' ? 'skipped' : 'superseded'
  }

  async #landRejects(
    session: DuckDbSession,
    batch: MicroBatch<Message>,
    { signal }: IoOptions,
  ): Promise<{ readonly kind: 'landed' } | Superseded> {
    const { tables, clock } = this.#options
    const select = `select value as raw, key, headers, reject_reasons as reasons, ${this.#place(clock)} from parsed join envelopes using (kafka_partition, kafka_offset) where not is_event order by kafka_partition, kafka_offset`
    const staged = await tables.rejected.stage(session, this.#rejected, select, { missing: 'null', signal })
    const transactions = Object.fromEntries(
      [...batch.next].map(([partition, next]) => {
        const id = landingApplication(this.#options, partition)
        return [id, Math.max(Number(next), this.#rejected.transactionVersion(id) ?? 0)]
      }),
    )
    const outcome = await this.#commit(tables.rejected, this.#rejected, staged, transactions, { signal })
    if (outcome.kind === 'conflict') return { kind: 'superseded', reason: outcome.reason }
    this.#rejected = await tables.rejected.snapshot({ signal })
    // Another writer's rejects came right behind ours: which they are must be known before the next batch.
    this.#isBehind = this.#rejected.version !== outcome.version
    return { kind: 'landed' }
  }

  async #landEvents(
    session: DuckDbSession,
    batch: MicroBatch<Message>,
    { unknown, ...counts }: BatchCounts,
    { signal }: IoOptions,
  ): Promise<WriteOutcome<Landed>> {
    const { tables, clock } = this.#options
    const select = `select event_id, user_id, event_type, page, "timestamp", source, event_date, ${this.#place(clock)}${this.#rescued()} from parsed where is_event order by event_date, kafka_partition, kafka_offset`
    const staged =
      counts.events === 0
        ? nothing
        : await tables.events.stage(session, this.#events, select, { missing: 'null', signal })
    const transactions = Object.fromEntries(
      [...batch.next].map(([partition, next]) => [
        landingApplication(this.#options, partition),
        Number(next),
      ]),
    )
    const tags = await this.#rejectedTags({ signal })
    const parameters = unknownFieldsParameters(unknown)
    const outcome = await this.#commit(tables.events, this.#events, staged, transactions, {
      signal,
      tags,
      parameters,
    })
    if (outcome.kind === 'conflict') return { kind: 'superseded', reason: outcome.reason }
    if (this.#isBehind) await this.refresh({ signal })
    else this.#events = await tables.events.snapshot({ signal })
    const lost = [...batch.next].find(([partition, upTo]) => (this.next(partition) ?? 0n) < upTo)
    if (lost !== undefined) {
      return { kind: 'superseded', reason: `partition ${lost[0]} was landed, and the table replaced since` }
    }
    return { kind: 'written', written: { ...counts, version: this.#events.version } }
  }

  async #rejectedTags(options: IoOptions): Promise<Readonly<Record<string, string>>> {
    const of = this.#rejected
    if (this.#newestRejected?.of !== of) this.#newestRejected = { of, commit: await of.commitRef(options) }
    return rejectedTags(this.#newestRejected.commit)
  }

  async #commit(
    table: DeltaTable,
    snapshot: Snapshot,
    staged: StagedFiles,
    transactions: Readonly<Record<string, number>>,
    { signal, parameters = {}, tags = landingTags }: CommitOptions,
  ): Promise<CommitOutcome> {
    const operation = {
      name: landingOperation,
      parameters: { outputMode: 'Append', ...parameters },
      metrics: {
        numAddedFiles: staged.files.length,
        numOutputRows: staged.rows,
        numOutputBytes: staged.sizeBytes,
      },
      tags,
    }
    const outcome = await table.commit(
      snapshot,
      { add: staged.files, transactions, reads: { kind: 'none' }, operation },
      { signal },
    )
    if (outcome.kind === 'conflict') await table.discard(staged)
    return outcome
  }

  /** Also where a table has the column of an earlier start that rescued, and this one does not: its rows are null then. */
  #rescued(): string {
    const hasColumn = hasRescuedColumn(this.#events)
    return this.#options.rescue === true && hasColumn ? `, unknown_fields as ${rescuedColumn}` : ''
  }

  #place(clock: Clock): string {
    return `${text(this.#options.topic)} as kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, make_timestamptz(${clock.now() * 1000}) as ingested_at`
  }
}

/** The messages at places that DuckDB has named. */
function messagesAt(messages: readonly Message[], places: readonly Row[]): readonly Message[] {
  const offsets = new Map<number, Set<bigint>>()
  for (const { p, o } of places) {
    const partition = Number(p)
    const own = offsets.get(partition) ?? new Set()
    offsets.set(partition, own.add(BigInt(String(o))))
  }
  return messages.filter(({ partition, offset: at }) => offsets.get(partition)?.has(at) === true)
}

async function readUnknownFields(
  session: DuckDbSession,
  { signal }: IoOptions,
): Promise<readonly UnknownField[]> {
  const drifted = await session.row('select count(unknown_fields) as n from parsed', { signal })
  if (Number(drifted['n']) === 0) return []
  const rows = await session.rows(countUnknownFields('parsed'), { signal })
  return rows.map((row) => ({
    field: String(row['field']),
    type: String(row['type']),
    count: Number(row['n']),
    firstMs: Number(row['first_ms']),
    lastMs: Number(row['last_ms']),
    partition: Number(row['p']),
    offset: BigInt(String(row['o'])),
  }))
}

async function readState(
  options: BronzeOptions,
  { signal }: IoOptions,
): Promise<{ events: Snapshot; rejected: Snapshot; alreadyRejected: ReadonlySet<string> }> {
  // In this order: rejects that are committed after the first read make the second one's offsets larger, never smaller.
  const events = await options.tables.events.snapshot({ signal })
  const rejected = await options.tables.rejected.snapshot({ signal })
  const prefix = landingApplication(options, 0).slice(0, -1)
  const ahead = Object.entries(rejected.transactions).filter(
    ([id, next]) => id.startsWith(prefix) && next > (events.transactionVersion(id) ?? 0),
  )
  const alreadyRejected = new Set<string>()
  if (ahead.length > 0) {
    const conditions = ahead.map(
      ([id]) =>
        `(kafka_partition = ${Number(id.slice(prefix.length))} and kafka_offset >= ${events.transactionVersion(id) ?? 0})`,
    )
    const rows = await options.duckdb.use(async (session) => {
      const select = await options.tables.rejected.scan(session, rejected, { signal })
      return await session.rows(
        `select kafka_partition as p, kafka_offset as o, epoch_ms(kafka_timestamp) as ms from (${select}) where kafka_topic = ${text(options.topic)} and (${conditions.join(' or ')})`,
        { signal },
      )
    })
    for (const row of rows) alreadyRejected.add(placeOf(row['p'], row['o'], row['ms']))
  }
  return { events, rejected, alreadyRejected }
}

/** With its time, which tells apart the same offset of two logs. */
function placeOf(partition: unknown, at: unknown, timestampMs: unknown): string {
  return `${String(partition)}/${String(at)}/${String(timestampMs)}`
}
