/**
 * Cuts a stream of fetches into micro-batches: as large as allowed, and no later than the trigger.
 *
 * Invariant: until a new assignment, the batches of a partition hold its messages in offset order, without gaps and
 * without overlap. Messages that were buffered under an older assignment are dropped, because the sink says again
 * where to read on. Any log with partitions and offsets fits the types.
 */
import { type Clock, systemClock } from '../base/clock.ts'

export interface StreamMessage {
  readonly partition: number
  readonly offset: bigint
  readonly value: Uint8Array | null
}

export interface StreamFetch<M extends StreamMessage> {
  readonly partition: number
  readonly messages: readonly M[]
  readonly next: bigint
}

export type StreamEvent<M extends StreamMessage> =
  | { readonly kind: 'assigned'; readonly epoch: number; readonly partitions: readonly number[] }
  | { readonly kind: 'fetched'; readonly epoch: number; readonly fetch: StreamFetch<M> }
  | { readonly kind: 'idle'; readonly epoch: number }

export interface MicroBatch<M extends StreamMessage> {
  readonly messages: readonly M[]
  /** Partition → one past the last offset that this batch covers, for each partition that it touches. */
  readonly next: ReadonlyMap<number, bigint>
}

export interface MicroBatchOptions {
  readonly maxRows: number
  readonly maxBytes?: number
  /** Longest time that a message waits for its batch. */
  readonly triggerMs: number
  /** Ends the stream, with a last batch, once each of these partitions was read up to its offset. */
  readonly until?: ReadonlyMap<number, bigint>
  /** The next offset of the sink: messages of `until` that it already has are not waited for. */
  readonly landed?: (partition: number) => bigint | undefined
  readonly clock?: Clock
}

/** Large values must not pile up: DuckDB and the engine's row buffers hold them a few times over. */
const defaultMaxBytes = 32 * 1024 * 1024

export async function* microBatches<M extends StreamMessage>(
  events: AsyncIterable<StreamEvent<M>>,
  {
    maxRows,
    maxBytes = defaultMaxBytes,
    triggerMs,
    until,
    landed = () => undefined,
    clock = systemClock,
  }: MicroBatchOptions,
): AsyncGenerator<MicroBatch<M>, void, undefined> {
  let buffer = new Buffered<M>()
  const reached = new Map<number, bigint>()
  const isDone = (): boolean =>
    until !== undefined &&
    [...until].every(([partition, end]) => (reached.get(partition) ?? landed(partition) ?? 0n) >= end)

  for await (const event of events) {
    if (event.kind === 'assigned') buffer = new Buffered<M>()
    if (event.kind === 'fetched') {
      const { partition, messages, next } = before(event.fetch, until?.get(event.fetch.partition))
      reached.set(partition, next)
      let nowMs = clock.now()
      for (const message of messages) {
        buffer.add(message, nowMs)
        if (buffer.messages.length >= maxRows || buffer.bytes >= maxBytes) {
          yield buffer.batch()
          buffer = new Buffered<M>()
          nowMs = clock.now()
        }
      }
      // A fetch may end beyond its last message, where the log skips offsets.
      const last = messages.at(-1)
      if (last === undefined || next > last.offset + 1n) buffer.reach(partition, next, nowMs)
    }
    if (isDone()) {
      if (buffer.isTouched) yield buffer.batch()
      return
    }
    const waitedMs = clock.now() - buffer.sinceMs
    // Less than nothing: the clock went back, and would hold the batch until it has caught up.
    if (buffer.isTouched && (waitedMs >= triggerMs || waitedMs < 0)) {
      yield buffer.batch()
      buffer = new Buffered<M>()
    }
  }
}

class Buffered<M extends StreamMessage> {
  readonly messages: M[] = []
  readonly #next = new Map<number, bigint>()
  bytes = 0
  sinceMs = 0

  get isTouched(): boolean {
    return this.#next.size > 0
  }

  add(message: M, nowMs: number): void {
    this.messages.push(message)
    this.bytes += message.value?.byteLength ?? 0
    this.reach(message.partition, message.offset + 1n, nowMs)
  }

  reach(partition: number, next: bigint, nowMs: number): void {
    if (!this.isTouched) this.sinceMs = nowMs
    this.#next.set(partition, next)
  }

  batch(): MicroBatch<M> {
    return { messages: this.messages, next: this.#next }
  }
}

function before<M extends StreamMessage>(fetch: StreamFetch<M>, end: bigint | undefined): StreamFetch<M> {
  if (end === undefined || fetch.next <= end) return fetch
  return { ...fetch, messages: fetch.messages.filter(({ offset }) => offset < end), next: end }
}
