/**
 * One membership in a Kafka consumer group, from joining to leaving; turns the pushes of kafkajs into pulls.
 *
 *   joining ── GROUP_JOIN ──► assigned ── take() ──► announced ── startAt() ──► reading
 *      ▲                                                                          │
 *      └────────── the group rebalances: a new epoch, what waits is dropped  ◄────┘     any ── CRASH ──► crashed
 *
 * No fetch is delivered between an assignment and its `startAt`. At most one fetch with messages waits to be
 * taken, and while it waits the member keeps up its heartbeat. kafkajs skips a batch of markers and aborted
 * messages by itself; a fetch without messages says that these offsets hold none.
 */
import type {
  Consumer,
  ConsumerEndBatchProcessEvent,
  EachBatchPayload,
  IHeaders,
  KafkaMessage,
} from 'kafkajs'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import {
  type ConsumerEvent,
  type Header,
  type Message,
  type Offset,
  offset,
  type Positions,
} from '../eventlog.ts'
import { Wakeup } from '../wakeup.ts'
import { fromKafka, type KafkaRight } from './errors.ts'

export interface MemberOptions {
  readonly consumer: Consumer
  readonly topic: string
  /** The rights that a member needs. */
  readonly needs: readonly KafkaRight[]
  /** The member's epochs come after this one. */
  readonly epoch: number
  /**
   * Asked when the log skips offsets: resolves where that is the log's own doing (compaction, transaction
   * markers), rejects where messages are lost.
   */
  readonly checkSkip: (partition: number, expected: Offset) => Promise<void>
}

const holdMs = 250
const silentForMs = 30_000
const leaveWithinMs = 5_000

export class KafkaMember {
  readonly #consumer: Consumer
  readonly #topic: string
  readonly #needs: readonly KafkaRight[]
  readonly #checkSkip: MemberOptions['checkSkip']
  readonly #news = new Wakeup()
  readonly #room = new Wakeup()
  #epoch: number
  #partitions: readonly number[] = []
  #isAnnounced = true
  /** The next offset of each partition; `undefined` until the sink has said where it is. */
  #next: Map<number, Offset> | undefined
  #waiting: ConsumerEvent | undefined
  /** Partition → where to read on after offsets without a message; delivered after the fetch that waits. */
  readonly #steppedOver = new Map<number, Offset>()
  #crash: LakeError | undefined
  #hasLeft = false
  #lastSignMs = performance.now()

  constructor({ consumer, topic, needs, epoch, checkSkip }: MemberOptions) {
    this.#consumer = consumer
    this.#topic = topic
    this.#needs = needs
    this.#epoch = epoch
    this.#checkSkip = checkSkip
  }

  /** Joins the group. A failure shows as `crash`. */
  async join(): Promise<void> {
    const { events } = this.#consumer
    const alive = (): void => {
      this.#lastSignMs = performance.now()
    }
    this.#consumer.on(events.FETCH, alive)
    this.#consumer.on(events.HEARTBEAT, alive)
    this.#consumer.on(events.START_BATCH_PROCESS, alive)
    this.#consumer.on(events.GROUP_JOIN, ({ payload }) => {
      alive()
      this.#epoch++
      this.#partitions = payload.memberAssignment[this.#topic] ?? []
      this.#isAnnounced = false
      this.#next = undefined
      this.#waiting = undefined
      this.#steppedOver.clear()
      this.#news.notify()
      this.#room.notify()
    })
    this.#consumer.on(events.END_BATCH_PROCESS, ({ payload }) => void this.#stepOver(payload))
    this.#consumer.on(events.CRASH, ({ payload }) => this.#crashed(payload.error))
    try {
      await this.#consumer.connect()
      await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true })
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 1,
        eachBatch: (payload) => this.#offer(payload),
      })
    } catch (error) {
      this.#crashed(error)
    }
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Why the member is of no more use: kafkajs gave up, or has not been heard of for long. */
  get crash(): LakeError | undefined {
    if (performance.now() - this.#lastSignMs > silentForMs)
      this.#crashed(new LakeError('EVENTLOG_UNAVAILABLE', 'no sign from the consumer for 30 s'))
    return this.#crash
  }

  /** How long ago the brokers were last heard of. */
  get silentMs(): number {
    return performance.now() - this.#lastSignMs
  }

  /** The next event, if there is one now. */
  take(): ConsumerEvent | undefined {
    if (!this.#isAnnounced) {
      this.#isAnnounced = true
      return { kind: 'assigned', epoch: this.#epoch, partitions: this.#partitions }
    }
    const event = this.#waiting
    this.#waiting = undefined
    if (event) this.#room.notify()
    return event ?? this.#takeSteppedOver()
  }

  #takeSteppedOver(): ConsumerEvent | undefined {
    const [first] = this.#steppedOver
    if (first === undefined) return undefined
    const [partition, next] = first
    this.#steppedOver.delete(partition)
    return { kind: 'fetched', epoch: this.#epoch, fetch: { partition, messages: [], next } }
  }

  /** Resolves when `take` may have something, after a while, or on abort. */
  news(ms: number, { signal }: IoOptions): Promise<void> {
    const hasNews =
      !this.#isAnnounced ||
      this.#waiting !== undefined ||
      this.#steppedOver.size > 0 ||
      this.#crash !== undefined
    return hasNews ? Promise.resolve() : this.#news.wait(ms, { signal })
  }

  /** Says where to read on in an epoch; of no effect when that epoch is over. */
  startAt(epoch: number, positions: ReadonlyMap<number, Offset>): void {
    if (epoch !== this.#epoch || this.#crash) return
    for (const [partition, position] of positions)
      this.#consumer.seek({ topic: this.#topic, partition, offset: String(position) })
    this.#next = new Map(positions)
    this.#room.notify()
  }

  /** Commits positions of partitions that are this member's. */
  async commit(positions: Positions): Promise<void> {
    const offsets = [...positions]
      .filter(([partition]) => this.#partitions.includes(partition))
      .map(([partition, position]) => ({ topic: this.#topic, partition, offset: String(position) }))
    if (offsets.length > 0) await this.#consumer.commitOffsets(offsets)
  }

  /** Leaves the group. Never fails, and never takes long: the group notices a missing member by itself. */
  async leave(): Promise<void> {
    this.#hasLeft = true
    this.#room.notify()
    const deadline = new AbortController()
    await Promise.race([
      this.#consumer.disconnect().catch(() => undefined),
      new Wakeup().wait(leaveWithinMs, { signal: deadline.signal }),
    ])
    deadline.abort()
  }

  async #offer({ batch, resolveOffset, heartbeat, isStale, isRunning }: EachBatchPayload): Promise<void> {
    const epoch = this.#epoch
    const isOver = (): boolean => epoch !== this.#epoch || this.#hasLeft || !isRunning()
    while (!isOver() && (this.#next === undefined || this.#waiting !== undefined)) {
      await this.#room.wait(holdMs)
      // A rebalance shows here: it throws, and kafkajs joins again.
      if (!isOver()) await heartbeat()
    }
    // Stale: fetched before the seek of `startAt`; kafkajs fetches again from there.
    const expected = this.#next?.get(batch.partition)
    if (isOver() || isStale() || expected === undefined) return

    const next = offset(BigInt(batch.lastOffset()) + 1n)
    const first = BigInt(batch.firstOffset() ?? expected)
    if (first > expected || next <= expected) {
      try {
        await this.#checkSkip(batch.partition, expected)
      } catch (error) {
        this.#crashed(error)
        return
      }
      if (isOver()) return
    }
    const messages = batch.messages
      .map((candidate) => messageOfKafka(candidate, batch.partition))
      .filter((candidate) => candidate.offset >= expected)
    resolveOffset(batch.lastOffset())
    if (next <= expected) return
    this.#next?.set(batch.partition, next)
    // What was stepped over before lies within what this fetch covers.
    this.#steppedOver.delete(batch.partition)
    this.#waiting = { kind: 'fetched', epoch, fetch: { partition: batch.partition, messages, next } }
    this.#news.notify()
  }

  /** Records a batch that kafkajs does not deliver, because it holds only markers and aborted messages. */
  async #stepOver({
    partition,
    batchSize,
    firstOffset,
    lastOffset,
  }: ConsumerEndBatchProcessEvent['payload']): Promise<void> {
    const expected = this.#next?.get(partition)
    if (batchSize > 0 || expected === undefined) return
    const next = offset(BigInt(lastOffset) + 1n)
    if (next <= expected) return
    const epoch = this.#epoch
    // From beyond `expected` it is either stale, fetched before the seek of `startAt`, or messages are lost.
    if (firstOffset !== null && BigInt(firstOffset) > expected) {
      await this.#checkSkip(partition, expected).catch((error: unknown) => {
        if (epoch === this.#epoch) this.#crashed(error)
      })
      return
    }
    this.#next?.set(partition, next)
    this.#steppedOver.set(partition, next)
    this.#news.notify()
  }

  #crashed(error: unknown): void {
    this.#crash ??= fromKafka(error, `consume ${this.#topic}`, this.#needs)
    this.#news.notify()
    this.#room.notify()
  }
}

function messageOfKafka(message: KafkaMessage, partition: number): Message {
  return {
    key: message.key,
    value: message.value,
    headers: message.headers ? headersOf(message.headers) : [],
    partition,
    offset: offset(BigInt(message.offset)),
    timestampMs: Number(message.timestamp),
  }
}

function headersOf(headers: IHeaders): Header[] {
  return Object.entries(headers).flatMap(([key, values]) =>
    (Array.isArray(values) ? values : [values]).map((value) => ({
      key,
      value: typeof value === 'string' ? Buffer.from(value) : (value ?? null),
    })),
  )
}
