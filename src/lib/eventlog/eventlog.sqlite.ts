/**
 * The event log in SQLite files: the embedded default. Any number of processes may share it.
 *
 * Offsets are assigned under the write lock of the active segment, so they are contiguous even if several processes
 * append. An acknowledged message is on disk. Retention drops whole segments, never the active one. The driver is
 * synchronous: every call is short, and the event loop runs between calls.
 */
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, systemClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import { attempt } from './busy-file.ts'
import {
  type ConsumeOptions,
  type ConsumerEvent,
  type EventLog,
  type Message,
  type NewMessage,
  type Offset,
  offset,
  type PartitionRange,
  type Positions,
  type TimestampType,
} from './eventlog.ts'
import { GroupTurns } from './group-turns.ts'
import { spread } from './partitioner.ts'
import { gapAt, startingPositions } from './positions.ts'
import { OpenSegments, SegmentGone } from './segments/open-segments.ts'
import type { BlockRead, PartitionEnd, Segment } from './segments/segment.sqlite.ts'
import { type LogIdentity, SegmentFolder } from './segments/segment-folder.ts'
import { fromSqlite } from './sqlite-failure.ts'
import { Wakeup } from './wakeup.ts'

export interface SqliteEventLogOptions {
  /** Folder of all topics; made where it is missing. */
  readonly directory: string
  readonly topic: string
  /** Of a log that is made now; one that is there keeps its own number. */
  readonly partitions?: number
  /** A segment goes when its newest message is older than this, and readers have had a while since it was closed. */
  readonly retentionMs?: number
  /** A segment is closed at the first append after this time … */
  readonly segmentMs?: number
  /** … or when it holds so many messages. */
  readonly segmentMessages?: number
  /** Gives the time of each append. Waiting is in real time. */
  readonly clock?: Clock
  readonly logger?: Logger
}

export interface SqliteEventLog extends EventLog {
  /** Drops the expired segments, and returns how many. Runs automatically whenever a segment is begun. */
  applyRetention(options?: IoOptions): Promise<number>
}

const dayMs = 86_400_000
const pollMs = 25
const idleMs = 100
const appendMessages = 5_000

/**
 * Opens the log, and creates it if it is missing; the caller closes it.
 *
 * @throws LakeError `CONFIG_INVALID` for a topic that cannot name a folder, `FILE_UNWRITABLE`, `DISK_FULL`.
 */
export async function openSqliteEventLog(options: SqliteEventLogOptions): Promise<SqliteEventLog> {
  if (!/^(?!\.{1,2}$)[\w.-]{1,249}$/.test(options.topic))
    throw new LakeError(
      'CONFIG_INVALID',
      `topic: expected letters, digits, ".", "_" or "-", got "${options.topic}"`,
    )
  const folder = new SegmentFolder(join(options.directory, options.topic))
  const nowMs = (options.clock ?? systemClock).now()
  try {
    const identity = await folder.establish({ partitions: options.partitions ?? 3, nowMs })
    folder.sweep(nowMs)
    const log = new SegmentedLog(folder, identity, options)
    await log.applyRetention()
    return log
  } catch (error) {
    throw fromSqlite(error, 'open event log', folder.path)
  }
}

class SegmentedLog implements SqliteEventLog {
  readonly topic: string
  readonly folder: string
  readonly #folder: SegmentFolder
  readonly #identity: LogIdentity
  readonly #retentionMs: number
  readonly #segmentMs: number
  readonly #readableMs: number
  readonly #segmentMessages: number
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #wakeup = new Wakeup()
  readonly #open: OpenSegments
  readonly #turns: GroupTurns
  #active: number | undefined
  #turn = Math.floor(Math.random() * 1_000)

  constructor(folder: SegmentFolder, identity: LogIdentity, options: SqliteEventLogOptions) {
    this.topic = options.topic
    this.folder = folder.path
    this.#folder = folder
    this.#identity = identity
    this.#open = new OpenSegments(folder)
    this.#retentionMs = options.retentionMs ?? dayMs
    this.#segmentMs = options.segmentMs ?? Math.max(60_000, this.#retentionMs / 24)
    this.#readableMs = Math.min(this.#segmentMs, this.#retentionMs)
    this.#segmentMessages = options.segmentMessages ?? 5_000_000
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#turns = new GroupTurns(folder, this.#logger)
  }

  async clusterId(): Promise<string> {
    return this.#identity.clusterId
  }

  async timestampType(): Promise<TimestampType> {
    return 'append'
  }

  partitions({ signal }: IoOptions = {}): Promise<readonly PartitionRange[]> {
    return this.#attempt('read', signal, () => this.#ranges())
  }

  async append(messages: readonly NewMessage[], { signal }: IoOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    for (let from = 0; from < messages.length; from += appendMessages) {
      const part = messages.slice(from, from + appendMessages)
      const byPartition = spread(part, this.#identity.partitions, this.#turn)
      this.#turn += part.length
      const hasRolled = await this.#attempt('append to', signal, () => this.#appendNow(byPartition))
      this.#wakeup.notify()
      if (hasRolled) await this.#retainQuietly()
      if (from + appendMessages < messages.length) await nextTurn()
    }
  }

  async *consume({ group, membership, positions, signal }: ConsumeOptions): AsyncIterable<ConsumerEvent> {
    signal?.throwIfAborted()
    const turn = membership === 'shared' ? await this.#turns.take(group, { signal }) : undefined
    try {
      const epoch = 1
      const numbers = Array.from({ length: this.#identity.partitions }, (_, partition) => partition)
      yield { kind: 'assigned', epoch, partitions: numbers }
      const stored = await positions(numbers)
      const readers = [...startingPositions(this, await this.partitions({ signal }), stored)].map(
        ([partition, next]) => ({ partition, next, segment: undefined as number | undefined }),
      )
      for (let quietSinceMs = performance.now(); ; ) {
        let came = false
        for (const reader of readers) {
          signal?.throwIfAborted()
          const got = await this.#attempt('read', signal, () => this.#readNow(reader))
          if (!got) continue
          came = true
          reader.next = got.next
          yield { kind: 'fetched', epoch, fetch: { partition: reader.partition, ...got } }
        }
        if (came) {
          await nextTurn()
          quietSinceMs = performance.now()
          continue
        }
        if (performance.now() - quietSinceMs >= idleMs) {
          yield { kind: 'idle', epoch }
          quietSinceMs = performance.now()
        }
        await this.#wakeup.wait(pollMs, { signal })
        signal?.throwIfAborted()
      }
    } finally {
      if (turn) this.#turns.end(turn)
    }
  }

  readAt(partition: number, at: Offset, { signal }: IoOptions = {}): Promise<Message | undefined> {
    return this.#attempt('read', signal, () => {
      const range = this.#ranges()[partition]
      if (!range || at < range.start || at >= range.end) return undefined
      return this.#readNow({ partition, next: at, segment: undefined }, 1)?.messages[0]
    })
  }

  async acknowledge(group: string, positions: Positions): Promise<void> {
    try {
      this.#folder.writeAcknowledged(group, positions)
    } catch (error) {
      // Telemetry: no start reads it, so a failure must not stop the sink that is already durable.
      this.#logger.warn({ group, err: error }, 'the acknowledged positions could not be written')
    }
  }

  async applyRetention({ signal }: IoOptions = {}): Promise<number> {
    const nowMs = this.#clock.now()
    let count = 0
    for (const number of this.#folder.numbers().slice(0, -1)) {
      const state = await this.#attempt('read', signal, () =>
        this.#folder.has(number) ? this.#segment(number).state() : undefined,
      )
      if (!state) continue
      const { sealed } = state
      const isOver = sealed && nowMs - sealed.newestMs > this.#retentionMs
      // After a long pause the first append seals what readers may just be about to read.
      if (!isOver || nowMs - sealed.atMs < this.#readableMs) break
      this.#open.close(number)
      this.#folder.drop(number)
      this.#logger.info({ topic: this.topic, segment: number }, 'retention dropped a segment')
      count++
    }
    return count
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#turns.endAll()
    this.#open.closeAll()
    this.#wakeup.notify()
  }

  /** One transaction; true when a new segment was begun for it. */
  #appendNow(byPartition: readonly (readonly NewMessage[])[]): boolean {
    for (let hasRolled = false; ; ) {
      const number = this.#activeNumber()
      if (!this.#folder.has(number)) throw new SegmentGone(this.#folder.fileOf(number))
      const segment = this.#segment(number)
      const nowMs = this.#clock.now()
      const outcome = segment.write(() => {
        const { createdMs, sealed } = segment.state()
        if (sealed) return 'sealed'
        const ends = segment.ends()
        const held = ends.reduce((sum, end, p) => sum + end.next - (segment.bases[p]?.next ?? 0n), 0n)
        if (held > 0n && (nowMs - createdMs >= this.#segmentMs || held >= this.#segmentMessages)) {
          this.#begin(number + 1, nowMs, ends)
          segment.seal(nowMs)
          return 'rolled'
        }
        segment.insert(byPartition, ends, nowMs)
        return 'appended'
      })
      if (outcome === 'appended') return hasRolled
      hasRolled ||= outcome === 'rolled'
      this.#active = number + 1
    }
  }

  /** The next segment must be whole on disk before its predecessor is sealed: sealing is what makes it count. */
  #begin(number: number, nowMs: number, bases: readonly PartitionEnd[]): void {
    this.#open.close(number)
    this.#folder.create(number, { createdMs: nowMs, bases })
  }

  #readNow(
    reader: { readonly partition: number; readonly next: Offset; segment: number | undefined },
    limit?: number,
  ): BlockRead | undefined {
    const { partition, next } = reader
    for (;;) {
      reader.segment ??= this.#holding(partition, next)
      if (!this.#open.canRead(reader.segment)) {
        reader.segment = undefined
        continue
      }
      const segment = this.#segment(reader.segment)
      // Asked before the blocks: what is sealed when they are read has no more to come.
      const { sealed } = segment.state()
      const got = segment.read(partition, next, limit)
      if (got) return got
      if (!sealed) return undefined
      reader.segment++
    }
  }

  /** The segment that an offset of a partition is in, or will be in. */
  #holding(partition: number, position: Offset): number {
    const numbers = this.#folder.numbers().filter((number) => number <= this.#activeNumber())
    for (const number of numbers.reverse())
      if ((this.#segment(number).bases[partition]?.next ?? 0n) <= position) return number
    const range = this.#ranges()[partition]
    if (!range) throw new LakeError('BUG', `${this.topic} has no partition ${partition}`)
    throw gapAt(this.topic, range, position)
  }

  #ranges(): PartitionRange[] {
    const [oldest = 0] = this.#folder.numbers()
    const starts = this.#segment(oldest).bases
    for (;;) {
      const active = this.#segment(this.#activeNumber())
      const ends = active.ends()
      if (!active.state().sealed)
        return starts.map(({ next }, partition) => ({
          partition,
          start: offset(next),
          end: offset(ends[partition]?.next ?? next),
        }))
      this.#active = this.#activeNumber() + 1
    }
  }

  /** The newest segment that counts, as far as this process knows. A write, and a read of the ends, find out that it was sealed. */
  #activeNumber(): number {
    if (this.#active !== undefined && this.#open.canRead(this.#active)) return this.#active
    const [newest = 0, before] = this.#folder.numbers().reverse()
    const isNewestCounted = before === undefined || this.#segment(before).state().sealed !== undefined
    this.#active = isNewestCounted ? newest : before
    return this.#active
  }

  #segment(number: number): Segment {
    return this.#open.get(number, this.#active)
  }

  async #retainQuietly(): Promise<void> {
    try {
      await this.applyRetention()
    } catch (error) {
      // The append itself is durable; the next segment's begin tries again.
      this.#logger.warn({ topic: this.topic, err: error }, 'retention could not drop a segment')
    }
  }

  #attempt<T>(operation: string, signal: AbortSignal | undefined, call: () => T): Promise<T> {
    return attempt(operation, this.#folder.path, call, { signal })
  }
}
