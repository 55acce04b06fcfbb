/**
 * Replays: messages of a log that are appended to it again, each at most once, whatever is killed.
 *
 *     message   (none) ──intend──► intended ──confirm──► replayed
 *                 ▲                   │
 *                 └────withdraw───────┘   it never arrived in the log
 *
 * A message is intended before it is sent. If a process is killed in between, the next one looks into the log, from the
 * ends that were recorded, and confirms what it finds and withdraws the rest. All of it goes on under one lease.
 */
import { randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { formatJson, type JsonValue, parseJson } from '../../base/json.ts'
import { integer, optionalInteger, type RunDatabase, read, transact } from '../database.ts'
import { assertInForce, type Lease } from '../leases.ts'
import type { ReplayedMessagesTable, ReplaysTable } from '../schema.ts'

/** Its time tells apart the same offset of two logs that had a topic of one name. */
export interface MessagePlace {
  readonly partition: number
  readonly offset: bigint
  readonly appendedMs: number
}

export interface NewReplay {
  readonly topic: string
  /** Who. */
  readonly actor: string
  /** Why. */
  readonly note: string
  /** What was asked for. */
  readonly content: JsonValue
}

export interface Replay extends NewReplay {
  readonly id: number
  readonly startedMs: number
  readonly endedMs?: number
  readonly outcome?: JsonValue
}

export interface ReplayedMessage {
  readonly from: MessagePlace
  readonly replay: number
  /** Partition → where the log ended before the message was sent. */
  readonly logEnds: ReadonlyMap<number, bigint>
  /** Where it is now; absent as long as it is only intended. */
  readonly to?: MessagePlace
}

export interface ReplayBook {
  begin(replay: NewReplay, options?: IoOptions): Promise<number>
  end(id: number, outcome: JsonValue, options?: IoOptions): Promise<void>
  /** Newest first. */
  list(filter: { readonly limit: number }, options?: IoOptions): Promise<readonly Replay[]>
  /** @throws LakeError `RUN_MISSING` */
  show(id: number, options?: IoOptions): Promise<Replay>
  /** All of them, or none. @throws LakeError `LEASE_LOST`; `BUG` if one is intended or replayed already. */
  intend(intent: Intent, options?: IoOptions): Promise<void>
  /** Where messages are now that were intended. */
  confirm(topic: string, arrived: readonly Arrival[], options?: IoOptions): Promise<void>
  /** They are not in the log, and may be sent again. Those that were confirmed stay. */
  withdraw(topic: string, places: readonly MessagePlace[], options?: IoOptions): Promise<void>
  /** Intended and replayed messages of a topic, or of one replay. */
  messages(
    filter: { readonly topic: string; readonly replay?: number },
    options?: IoOptions,
  ): Promise<readonly ReplayedMessage[]>
  /** The messages that were replayed from there, and those that arrived there. */
  at(
    topic: string,
    place: Pick<MessagePlace, 'partition' | 'offset'>,
    options?: IoOptions,
  ): Promise<{ readonly from: readonly ReplayedMessage[]; readonly to: readonly ReplayedMessage[] }>
}

export interface Intent {
  readonly lease: Lease
  readonly replay: number
  readonly topic: string
  readonly places: readonly MessagePlace[]
  readonly logEnds: ReadonlyMap<number, bigint>
}

export interface Arrival {
  readonly from: MessagePlace
  readonly to: MessagePlace
}

/** A statement of SQL has room for so many rows, whatever the database. */
const rowsOfInsert = 100

type Db = RunDatabase['db']

export function createReplayBook(database: RunDatabase): ReplayBook {
  return {
    begin: (replay, options) => {
      const token = randomUUID()
      return transact(database, (trx) => begin(database, trx, replay, token), options)
    },
    end: async (id, outcome, options) => {
      const values = { ended_ms: database.nowMs(), outcome: formatJson(outcome) }
      await transact(
        database,
        (trx) => trx.updateTable('replays').set(values).where('id', '=', id).execute(),
        options,
      )
    },
    list: ({ limit }, options) =>
      read(
        database,
        async (db) =>
          (await db.selectFrom('replays').selectAll().orderBy('id', 'desc').limit(limit).execute()).map(
            decodeReplay,
          ),
        options,
      ),
    show: async (id, options) => {
      const row = await read(
        database,
        (db) => db.selectFrom('replays').selectAll().where('id', '=', id).executeTakeFirst(),
        options,
      )
      if (row !== undefined) return decodeReplay(row)
      throw new LakeError('RUN_MISSING', `Replay ${id}: there is no such replay of messages`, {
        details: { id, fault: 'no-such-replay' },
      })
    },
    intend: (intent, options) => transact(database, (trx) => intend(database, trx, intent), options),
    confirm: (topic, arrived, options) => transact(database, (trx) => confirm(trx, topic, arrived), options),
    withdraw: async (topic, places, options) => {
      await transact(
        database,
        async (trx) => {
          for (const place of places) {
            await whereFrom(trx.deleteFrom('replayed_messages'), topic, place)
              .where('to_partition', 'is', null)
              .execute()
          }
        },
        options,
      )
    },
    messages: ({ topic, replay }, options) =>
      read(
        database,
        async (db) => {
          const all = db.selectFrom('replayed_messages').selectAll().where('topic', '=', topic)
          const rows = replay === undefined ? all : all.where('replay_id', '=', replay)
          return (
            await rows.orderBy('from_ms').orderBy('from_partition').orderBy('from_offset').execute()
          ).map(decodeMessage)
        },
        options,
      ),
    at: (topic, place, options) => read(database, (db) => at(db, topic, place), options),
  }
}

async function begin(
  { nowMs }: RunDatabase,
  trx: Db,
  { topic, actor, note, content }: NewReplay,
  token: string,
): Promise<number> {
  const mine = trx.selectFrom('replays').select('id').where('token', '=', token)
  const repeated = await mine.executeTakeFirst()
  if (repeated !== undefined) return integer(repeated.id)
  await trx
    .insertInto('replays')
    .values({ token, topic, actor, note, content: formatJson(content), started_ms: nowMs() })
    .execute()
  return integer((await mine.executeTakeFirstOrThrow()).id)
}

async function intend(
  { isDuplicate }: RunDatabase,
  trx: Db,
  { lease, replay, topic, places, logEnds }: Intent,
): Promise<void> {
  await assertInForce(trx, lease)
  const [first] = places
  if (first === undefined) return
  // The answer to this very transaction may have been lost, and it is then done again.
  const done = await whereFrom(
    trx.selectFrom('replayed_messages').select('replay_id'),
    topic,
    first,
  ).executeTakeFirst()
  if (done !== undefined && integer(done.replay_id) === replay) return
  const ends = formatJson([...logEnds].map(([partition, end]) => [partition, end]))
  const rows = places.map(({ partition, offset, appendedMs }) => ({
    topic,
    from_partition: partition,
    from_offset: Number(offset),
    from_ms: appendedMs,
    replay_id: replay,
    log_ends: ends,
  }))
  try {
    for (let from = 0; from < rows.length; from += rowsOfInsert) {
      await trx
        .insertInto('replayed_messages')
        .values(rows.slice(from, from + rowsOfInsert))
        .execute()
    }
  } catch (error) {
    if (!isDuplicate(error)) throw error
    throw new LakeError('BUG', `Replay ${replay}: a message is intended or replayed already`, {
      cause: error,
    })
  }
}

async function confirm(trx: Db, topic: string, arrived: readonly Arrival[]): Promise<void> {
  for (const { from, to } of arrived) {
    await whereFrom(
      trx.updateTable('replayed_messages').set({
        to_partition: to.partition,
        to_offset: Number(to.offset),
        to_ms: to.appendedMs,
      }),
      topic,
      from,
    )
      .where('to_partition', 'is', null)
      .execute()
  }
}

async function at(
  db: Db,
  topic: string,
  { partition, offset }: Pick<MessagePlace, 'partition' | 'offset'>,
): ReturnType<ReplayBook['at']> {
  const rows = db.selectFrom('replayed_messages').selectAll().where('topic', '=', topic)
  const from = await rows
    .where('from_partition', '=', partition)
    .where('from_offset', '=', Number(offset))
    .execute()
  const to = await rows
    .where('to_partition', '=', partition)
    .where('to_offset', '=', Number(offset))
    .execute()
  return { from: from.map(decodeMessage), to: to.map(decodeMessage) }
}

interface FromColumns<Q> {
  where(
    column: 'topic' | 'from_partition' | 'from_offset' | 'from_ms',
    operator: '=',
    value: string | number,
  ): Q
}

/** The row of one message. */
function whereFrom<Q extends FromColumns<Q>>(
  query: Q,
  topic: string,
  { partition, offset, appendedMs }: MessagePlace,
): Q {
  return query
    .where('topic', '=', topic)
    .where('from_partition', '=', partition)
    .where('from_offset', '=', Number(offset))
    .where('from_ms', '=', appendedMs)
}

function decodeReplay(row: Selectable<ReplaysTable>): Replay {
  const endedMs = optionalInteger(row.ended_ms)
  return {
    id: integer(row.id),
    topic: row.topic,
    actor: row.actor,
    note: row.note,
    content: parseJson(row.content, 'replay'),
    startedMs: integer(row.started_ms),
    ...(endedMs !== undefined && { endedMs }),
    ...(row.outcome !== null && { outcome: parseJson(row.outcome, 'outcome of a replay') }),
  }
}

function decodeMessage(row: Selectable<ReplayedMessagesTable>): ReplayedMessage {
  const [partition, offset, appendedMs] = [row.to_partition, row.to_offset, row.to_ms].map(optionalInteger)
  const isThere = partition !== undefined && offset !== undefined && appendedMs !== undefined
  return {
    from: {
      partition: integer(row.from_partition),
      offset: BigInt(row.from_offset),
      appendedMs: integer(row.from_ms),
    },
    replay: integer(row.replay_id),
    logEnds: endsOf(parseJson(row.log_ends, 'ends of a log')),
    ...(isThere && { to: { partition, offset: BigInt(offset), appendedMs } }),
  }
}

function endsOf(value: JsonValue): ReadonlyMap<number, bigint> {
  const pairs = Array.isArray(value) ? value : []
  return new Map(
    pairs.flatMap((pair): [number, bigint][] =>
      Array.isArray(pair) ? [[Number(pair[0]), BigInt(String(pair[1]))]] : [],
    ),
  )
}
