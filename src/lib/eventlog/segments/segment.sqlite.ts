/**
 * One segment of the SQLite log: a database file with the messages of a span of time, in blocks, for every partition.
 *
 * A segment is written until it is sealed, and never after. The next segment is part of the log only once this one is
 * sealed. Every write is one transaction: if a process is killed, an append is there as a whole or not at all.
 */
import { join } from 'node:path'
import { LakeError } from '../../base/errors.ts'
import { type Connection, openConnection, type Statement } from '../../sqlite/connection.ts'
import { type Message, type NewMessage, type Offset, offset } from '../eventlog.ts'
import { decodeBlock, encodeBlock, recordSize } from './record-block.ts'

export const segmentFile = 'segment.sqlite'

const blockMessages = 4_000
const blockBytes = 1 << 20
const fetchMessages = 4_000
const fetchBytes = 4 << 20
/** Blocks that are looked at in one step. Each is a page of the file at least, so few are looked at that are not read. */
const outlineBlocks = 32
const busyTimeoutMs = 20

/** The end of a partition: the next offset to write, and the time of its newest message. */
export interface PartitionEnd {
  readonly next: bigint
  readonly lastMs: number
}

export interface SegmentState {
  readonly createdMs: number
  /** Set once the segment is closed for good: when that was, and the time of its newest message. */
  readonly sealed: { readonly atMs: number; readonly newestMs: number } | undefined
}

export interface BlockRead {
  readonly messages: readonly [Message, ...Message[]]
  readonly next: Offset
}

/** Makes the file of a new, empty segment that begins where `bases` say; `folder` must be there. */
export function writeEmptySegment(
  folder: string,
  { createdMs, bases }: { readonly createdMs: number; readonly bases: readonly PartitionEnd[] },
): void {
  const connection = openConnection(join(folder, segmentFile), { create: true, busyTimeoutMs })
  try {
    connection.exec(`
      PRAGMA journal_mode = WAL;
      BEGIN;
      CREATE TABLE segment (created_ms INTEGER NOT NULL, sealed_ms INTEGER, newest_ms INTEGER);
      INSERT INTO segment VALUES (${createdMs}, NULL, NULL);
      CREATE TABLE base (partition INTEGER PRIMARY KEY, first INTEGER NOT NULL, last_ms INTEGER NOT NULL);
      ${bases.map(({ next, lastMs }, partition) => `INSERT INTO base VALUES (${partition}, ${next}, ${lastMs});`).join('')}
      ${bases
        .map(
          (
            _,
            partition,
          ) => `CREATE TABLE block_${partition} (first INTEGER PRIMARY KEY, next INTEGER NOT NULL,
            appended_ms INTEGER NOT NULL, size_bytes INTEGER NOT NULL, records BLOB NOT NULL);`,
        )
        .join('')}
      COMMIT;`)
  } finally {
    connection.close()
  }
}

export class Segment {
  /** Where the partitions begin in this segment, by partition. */
  readonly bases: readonly PartitionEnd[]
  readonly #connection: Connection
  readonly #state: Statement
  readonly #partitions: readonly {
    readonly last: Statement
    readonly insert: Statement
    readonly outline: Statement
    readonly blocks: Statement
  }[]

  private constructor(connection: Connection) {
    this.#connection = connection
    this.#state = connection.prepare('SELECT created_ms, sealed_ms, newest_ms FROM segment').raw()
    this.bases = integerRows(
      connection.prepare('SELECT first, last_ms FROM base ORDER BY partition').raw().all(),
    ).map(([next = 0n, lastMs = 0n]) => ({ next, lastMs: Number(lastMs) }))
    this.#partitions = this.bases.map((_, partition) => {
      const prepare = (sql: string): Statement => connection.prepare(sql).raw()
      const table = `block_${partition}`
      return {
        last: prepare(`SELECT next, appended_ms FROM ${table} ORDER BY first DESC LIMIT 1`),
        insert: connection.prepare(`INSERT INTO ${table} VALUES (?, ?, ?, ?, ?)`),
        outline: prepare(`SELECT first, next, size_bytes FROM ${table}
          WHERE first >= coalesce((SELECT max(first) FROM ${table} WHERE first <= ?), 0)
          ORDER BY first LIMIT ${outlineBlocks}`),
        blocks: prepare(`SELECT first, appended_ms, records FROM ${table}
          WHERE first BETWEEN ? AND ? ORDER BY first`),
      }
    })
  }

  /** Opens a segment that is there; the caller closes it. */
  static open(folder: string): Segment {
    const connection = openConnection(join(folder, segmentFile), { create: false, busyTimeoutMs })
    try {
      connection.exec('PRAGMA wal_autocheckpoint = 4000')
      return new Segment(connection)
    } catch (error) {
      connection.close()
      throw error
    }
  }

  state(): SegmentState {
    const [[createdMs = 0n, sealedMs, newestMs] = []] = integerRows(this.#state.all())
    const isSealed = typeof sealedMs === 'bigint'
    return {
      createdMs: Number(createdMs),
      sealed: isSealed ? { atMs: Number(sealedMs), newestMs: Number(newestMs) } : undefined,
    }
  }

  ends(): PartitionEnd[] {
    return this.#partitions.map(({ last }, partition) => {
      const [row] = integerRows(last.all())
      return row
        ? { next: row[0] ?? 0n, lastMs: Number(row[1]) }
        : (this.bases[partition] ?? { next: 0n, lastMs: 0 })
    })
  }

  /** Runs `work` with the only right to write, and makes all of what it wrote durable, or nothing. */
  write<T>(work: () => T): T {
    this.#connection.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#connection.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK')
      throw error
    }
  }

  /** Adds messages, by partition, at `ends`. Only inside `write`, and only while the segment is not sealed. */
  insert(
    byPartition: readonly (readonly NewMessage[])[],
    ends: readonly PartitionEnd[],
    nowMs: number,
  ): void {
    byPartition.forEach((messages, partition) => {
      const end = ends[partition]
      const statements = this.#partitions[partition]
      if (!end || !statements) throw new LakeError('BUG', `The segment has no partition ${partition}`)
      const appendedMs = Math.max(nowMs, end.lastMs)
      let first = end.next
      for (const block of blocksOf(messages)) {
        const records = encodeBlock(block, { partition, first, timestampMs: appendedMs })
        const next = first + BigInt(block.length)
        statements.insert.run(first, next, BigInt(appendedMs), BigInt(records.length), records)
        first = next
      }
    })
  }

  /** Closes the segment for good. Only inside `write`. */
  seal(nowMs: number): void {
    const newestMs = Math.max(...this.ends().map(({ lastMs }) => lastMs))
    this.#connection.exec(
      `UPDATE segment SET sealed_ms = ${nowMs}, newest_ms = ${newestMs} WHERE sealed_ms IS NULL`,
    )
  }

  /** Messages of a partition from an offset on, some thousand at most, or `undefined` where there are none. */
  read(partition: number, from: bigint, limit = fetchMessages): BlockRead | undefined {
    const statements = this.#partitions[partition]
    if (!statements) return undefined
    const blocks = blocksToRead((first) => integerRows(statements.outline.all(first)), from, limit)
    if (blocks === undefined) return undefined
    const { firstBlock, lastBlock } = blocks
    const [message, ...rest] = blockRows(statements.blocks.all(firstBlock, lastBlock))
      .flatMap(([first, appendedMs, records]) =>
        decodeBlock(records, { partition, first, timestampMs: Number(appendedMs) }),
      )
      .slice(Number(from > firstBlock ? from - firstBlock : 0n))
      .slice(0, limit)
    if (!message) return undefined
    return { messages: [message, ...rest], next: offset(message.offset + BigInt(1 + rest.length)) }
  }

  close(): void {
    this.#connection.close()
  }
}

/**
 * The first and the last of the blocks that hold up to `limit` messages from an offset on, or `undefined` if there are none.
 *
 * @param outline Some blocks from the one on that holds an offset, as (first, next, size in bytes); none at the end.
 */
function blocksToRead(
  outline: (at: bigint) => readonly bigint[][],
  from: bigint,
  limit: number,
): { readonly firstBlock: bigint; readonly lastBlock: bigint } | undefined {
  let firstBlock: bigint | undefined
  let lastBlock = 0n
  let end = from
  let bytes = 0n
  for (;;) {
    const rows = outline(end).filter(([, next = 0n]) => next > end)
    for (const [first = 0n, next = 0n, sizeBytes = 0n] of rows) {
      const isEnough = firstBlock !== undefined && (end - from >= limit || bytes + sizeBytes > fetchBytes)
      if (isEnough) return { firstBlock: firstBlock ?? first, lastBlock }
      firstBlock ??= first
      lastBlock = first
      end = next
      bytes += sizeBytes
    }
    if (rows.length === 0) return firstBlock === undefined ? undefined : { firstBlock, lastBlock }
  }
}

function* blocksOf(messages: readonly NewMessage[]): Generator<readonly NewMessage[]> {
  let from = 0
  let bytes = 0
  for (const [index, message] of messages.entries()) {
    const size = recordSize(message)
    if (index > from && (index - from >= blockMessages || bytes + size > blockBytes)) {
      yield messages.slice(from, index)
      from = index
      bytes = 0
    }
    bytes += size
  }
  if (from < messages.length) yield messages.slice(from)
}

function integerRows(rows: unknown[]): bigint[][] {
  return rows as bigint[][]
}

function blockRows(rows: unknown[]): [first: bigint, appendedMs: bigint, records: Buffer][] {
  return rows as [bigint, bigint, Buffer][]
}
