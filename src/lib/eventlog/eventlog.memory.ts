/**
 * The event log in memory, for tests. It has methods for what only time or an accident does to a real log.
 *
 * One consumer of a group owns all partitions at a time; the others wait.
 */
import { type Clock, systemClock } from '../base/clock.ts'
import { type EventLog, type Message, type NewMessage, type Offset, offset } from './eventlog.ts'
import { spread } from './partitioner.ts'
import { gapAt, startingPositions } from './positions.ts'
import { Wakeup } from './wakeup.ts'

export interface MemoryEventLogOptions {
  readonly topic?: string
  readonly partitions?: number
  readonly clusterId?: string
  /** Gives the time of each append. Waiting is in real time. */
  readonly clock?: Clock
  /** How many messages of a partition one fetch holds at most. */
  readonly fetchMessages?: number
}

export interface MemoryEventLog extends EventLog {
  /** What retention does: every message of every partition is gone, and the partitions start at their ends. */
  expire(): void
  /** The effect of deleting a topic and creating it again: offsets begin at 0. */
  reset(): void
  /** What the end of a transaction does in Kafka: each partition has one more offset, which holds no message. */
  mark(): void
  /** What was acknowledged, by group and partition. */
  readonly acknowledged: ReadonlyMap<string, ReadonlyMap<number, Offset>>
}

interface Partition {
  start: bigint
  /** By their offsets; nothing where an offset holds none. */
  messages: (Message | undefined)[]
}

const idleMs = 100

export function createMemoryEventLog({
  topic = 'events',
  partitions: count = 3,
  clusterId = 'memory',
  clock = systemClock,
  fetchMessages = 1_000,
}: MemoryEventLogOptions = {}): MemoryEventLog {
  const partitions: Partition[] = Array.from({ length: count }, () => ({ start: 0n, messages: [] }))
  const acknowledged = new Map<string, Map<number, Offset>>()
  const owned = new Set<string>()
  const wakeup = new Wakeup()
  let turn = 0
  let lastMs = 0

  const ranges = () =>
    partitions.map(({ start, messages }, partition) => ({
      partition,
      start: offset(start),
      end: offset(start + BigInt(messages.length)),
    }))

  return {
    topic,
    acknowledged,

    expire() {
      for (const partition of partitions) {
        partition.start += BigInt(partition.messages.length)
        partition.messages = []
      }
    },

    reset() {
      for (const partition of partitions) Object.assign(partition, { start: 0n, messages: [] })
    },

    mark() {
      for (const { messages } of partitions) messages.push(undefined)
      wakeup.notify()
    },

    async clusterId() {
      return clusterId
    },

    async timestampType() {
      return 'append'
    },

    async partitions({ signal } = {}) {
      signal?.throwIfAborted()
      return ranges()
    },

    async append(messages, { signal } = {}) {
      signal?.throwIfAborted()
      lastMs = Math.max(lastMs, clock.now())
      spread(messages, count, turn).forEach((group, partition) => {
        const log = partitions[partition]
        for (const message of group) log?.messages.push(stored(message, partition, log, lastMs))
      })
      turn += messages.length
      wakeup.notify()
    },

    async *consume({ group, membership, positions, signal }) {
      signal?.throwIfAborted()
      while (membership === 'shared' && owned.has(group)) {
        await wakeup.wait(idleMs, { signal })
        signal?.throwIfAborted()
      }
      if (membership === 'shared') owned.add(group)
      try {
        const numbers = partitions.map((_, partition) => partition)
        yield { kind: 'assigned', epoch: 1, partitions: numbers }
        const next = startingPositions({ topic }, ranges(), await positions(numbers))
        for (;;) {
          let came = false
          for (const range of ranges()) {
            signal?.throwIfAborted()
            const position = next.get(range.partition) ?? range.start
            if (position < range.start) throw gapAt(topic, range, position)
            const from = Number(position - range.start)
            const offsets = partitions[range.partition]?.messages.slice(from, from + fetchMessages) ?? []
            if (offsets.length === 0) continue
            const end = offset(position + BigInt(offsets.length))
            next.set(range.partition, end)
            came = true
            const messages = offsets.filter((message) => message !== undefined)
            const fetch = { partition: range.partition, messages, next: end }
            yield { kind: 'fetched', epoch: 1, fetch }
          }
          if (came) continue
          await wakeup.wait(idleMs, { signal })
          signal?.throwIfAborted()
          const grew = ranges().some(({ partition, end }) => end > (next.get(partition) ?? 0n))
          if (!grew) yield { kind: 'idle', epoch: 1 }
        }
      } finally {
        if (membership === 'shared') owned.delete(group)
        wakeup.notify()
      }
    },

    async readAt(partition, at, { signal } = {}) {
      signal?.throwIfAborted()
      const log = partitions[partition]
      return log && at >= log.start ? log.messages[Number(at - log.start)] : undefined
    },

    async acknowledge(group, positions) {
      acknowledged.set(group, new Map([...(acknowledged.get(group) ?? []), ...positions]))
    },

    async [Symbol.asyncDispose]() {
      wakeup.notify()
    },
  }
}

function stored(
  { key, value, headers = [] }: NewMessage,
  partition: number,
  { start, messages }: Partition,
  timestampMs: number,
): Message {
  return { key, value, headers, partition, offset: offset(start + BigInt(messages.length)), timestampMs }
}
