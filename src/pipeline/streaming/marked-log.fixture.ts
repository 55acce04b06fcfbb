/** For tests: a log in memory whose partitions end in a marker of a transaction, as those of Kafka may. */
import type { MemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { type EventLog, type Offset, offset } from '../../lib/eventlog/eventlog.ts'

/** The same log, with one more offset at the end of each partition, which holds no message. */
export function withMarkers(log: MemoryEventLog): EventLog {
  const ends = async (): Promise<ReadonlyMap<number, Offset>> =>
    new Map((await log.partitions()).map(({ partition, end }) => [partition, end]))
  return Object.assign(Object.create(log) as EventLog, {
    partitions: async () =>
      (await log.partitions()).map((range) => ({ ...range, end: offset(range.end + 1n) })),
    consume: async function* (options: Parameters<EventLog['consume']>[0]): ReturnType<EventLog['consume']> {
      const held = await ends()
      const positions = async (partitions: readonly number[]): Promise<ReadonlyMap<number, Offset>> =>
        new Map(
          [...(await options.positions(partitions))].map(([partition, at]) => {
            const end = held.get(partition) ?? at
            return [partition, at > end ? end : at]
          }),
        )
      for await (const event of log.consume({ ...options, positions })) {
        yield event
        if (event.kind !== 'idle') continue
        for (const [partition, end] of held) {
          const fetch = { partition, messages: [], next: offset(end + 1n) }
          yield { kind: 'fetched', epoch: event.epoch, fetch }
        }
      }
    },
  })
}
