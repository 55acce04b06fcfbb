/**
 * Offsets that hold no message, and never did or no longer do: markers of transactions, messages of aborted ones,
 * messages that compaction has taken. The log itself is asked.
 */
import type { IoOptions } from '../../../lib/base/io.ts'
import { type EventLog, type Offset, offset, type PartitionRange } from '../../../lib/eventlog/eventlog.ts'
import { consumerGroups } from '../../streaming/consumer-groups.ts'
import type { OffsetRange } from '../../streaming/offset-range.ts'

/** The parts of a range that hold no message; what lies before the oldest offset of the log is never among them. */
export async function emptyOffsets(
  log: EventLog,
  { partition, from, to }: OffsetRange,
  { signal }: IoOptions = {},
): Promise<readonly OffsetRange[]> {
  const ranges = await log.partitions({ signal })
  const held = ranges.find((range) => range.partition === partition)
  if (held === undefined) return []
  const [start, end] = [from > held.start ? from : held.start, to < held.end ? to : held.end]
  if (start >= end) return []
  const empty: OffsetRange[] = []
  let next = start
  const passTo = (at: Offset, after: Offset): void => {
    if (at > next) empty.push({ partition, from: next, to: at < end ? at : end })
    if (after > next) next = after
  }
  for await (const event of log.consume({
    group: consumerGroups.ledger,
    membership: 'alone',
    positions: async () => positionsOf(ranges, partition, start),
    signal,
  })) {
    if (event.kind !== 'fetched' || event.fetch.partition !== partition) continue
    for (const { offset: at } of event.fetch.messages) if (next < end) passTo(at, offset(at + 1n))
    if (next < end) passTo(event.fetch.next, event.fetch.next)
    if (next >= end) break
  }
  return empty
}

/** From `start` in the partition that is asked for, and nothing of the others. */
function positionsOf(
  ranges: readonly PartitionRange[],
  partition: number,
  start: Offset,
): ReadonlyMap<number, Offset> {
  return new Map(ranges.map((range) => [range.partition, range.partition === partition ? start : range.end]))
}
