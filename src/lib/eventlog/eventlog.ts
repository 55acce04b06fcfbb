/**
 * Port: an ordered, partitioned log of messages that can be read again: a Kafka topic, or the embedded log.
 *
 * The log never decides what was processed. A sink stores offsets with its data, and says at every assignment where to
 * read on. `acknowledge` is telemetry, which no start reads.
 */
import type { Brand } from '../base/brand.ts'
import type { IoOptions } from '../base/io.ts'

/** Place of a message in its partition, from 0. */
export type Offset = Brand<bigint, 'Offset'>

export function offset(value: bigint): Offset {
  return value as Offset
}

export interface Header {
  readonly key: string
  readonly value: Uint8Array | null
}

/** A message to append. No value (`null`) and an empty value are different. */
export interface NewMessage {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: readonly Header[]
}

export interface Message extends Required<NewMessage> {
  readonly partition: number
  readonly offset: Offset
  /** When the log appended the message (never when its event happened). */
  readonly timestampMs: number
}

/** What a partition holds: `start` is the oldest offset kept, `end` the next one to be written. */
export interface PartitionRange {
  readonly partition: number
  readonly start: Offset
  readonly end: Offset
}

/** Messages of one partition in offset order; none where all offsets up to `next` hold no message. */
export interface Fetch {
  readonly partition: number
  readonly messages: readonly Message[]
  /**
   * Where to read on: one past the last message, or further where the log skips offsets (compaction, markers of
   * transactions, messages of aborted ones). It reaches the end that `partitions` reports, also without a message.
   */
  readonly next: Offset
}

/** Partition → the next offset to read. A partition that is not named starts at its oldest offset. */
export type Positions = ReadonlyMap<number, Offset>

export type ConsumerEvent =
  /** Partitions were given to this consumer; all that was buffered under an older epoch must be dropped. */
  | { readonly kind: 'assigned'; readonly epoch: number; readonly partitions: readonly number[] }
  | { readonly kind: 'fetched'; readonly epoch: number; readonly fetch: Fetch }
  /** Nothing came for a while: lets a reader flush what it holds on time. At most some 100 ms apart. */
  | { readonly kind: 'idle'; readonly epoch: number }

export interface ConsumeOptions extends IoOptions {
  /** Consumers of one group share the partitions, or wait for their turn. */
  readonly group: string
  /**
   * `shared`: one of the group. `alone`: all partitions, without regard to the group: safe only for a sink
   * that fences by its own offsets, and needed by a run with an end, which must not wait for others.
   */
  readonly membership: 'shared' | 'alone'
  /**
   * Where the sink is. Asked on every assignment, once the reader has taken the `assigned` event and asks for
   * more: what it held under an older epoch is then flushed or dropped. Nothing is fetched before it resolves.
   */
  readonly positions: (partitions: readonly number[]) => Promise<Positions>
}

/** `unknown`: the log does not let us ask. */
export type TimestampType = 'append' | 'create' | 'unknown'

/** Each append arrives whole or not at all; after one that failed, the appender is of no more use. */
export interface ExclusiveAppender extends AsyncDisposable {
  append(messages: readonly NewMessage[], options?: IoOptions): Promise<void>
}

export interface EventLog extends AsyncDisposable {
  readonly topic: string
  /**
   * The folder that holds the log. Set by logs whose `clusterId` changes with the topic: if such a log ends before what
   * was read of it, or holds other messages there, it is the same log and has lost its newest messages. Absent if the
   * topic may have been re-created.
   */
  readonly folder?: string
  /** Distinguishes this log from another one that has a topic of the same name. Stable over restarts. */
  clusterId(options?: IoOptions): Promise<string>
  /** All partitions, by number. */
  partitions(options?: IoOptions): Promise<readonly PartitionRange[]>
  /** Whose time `timestampMs` is: the log's own at the append, or one that a producer of other make may choose. */
  timestampType(options?: IoOptions): Promise<TimestampType>
  /**
   * Resolves when every message is durable; a message with a key goes to the partition that the key hashes to
   * (murmur2, as Kafka's own producers), one without to any. Rejection means: unknown, each may be there.
   */
  append(messages: readonly NewMessage[], options?: IoOptions): Promise<void>
  /**
   * Appends under a name that one process has at a time. Once this resolves, nothing arrives any more that an earlier holder
   * of the name has begun to append. Absent where an append is over when its process is.
   */
  appendAs?(name: string, options?: IoOptions): Promise<ExclusiveAppender>
  /**
   * Yields until aborted, then throws the abort reason. Leaving the loop leaves the group.
   * @throws LakeError `EVENTLOG_GAP` when a position lies before the oldest offset that is kept, and
   * `EVENTLOG_RESET` when it lies past the end: the topic was re-created, or has lost its newest messages.
   */
  consume(options: ConsumeOptions): AsyncIterable<ConsumerEvent>
  /** One message, or `undefined` where retention has taken it. */
  readAt(partition: number, at: Offset, options?: IoOptions): Promise<Message | undefined>
  /** Records in the group that everything before these positions is durable in the sink. Best effort. */
  acknowledge(group: string, positions: Positions, options?: IoOptions): Promise<void>
}

/** The group of the consumers that `readAt` takes, where a log needs one to read a single message. */
export const readAtGroup = 'lakeshore-read-at'
