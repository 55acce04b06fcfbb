/**
 * How a replayed message says what it is a replay of: one header, by which it is found again in the log, whatever became of
 * the process that sent it.
 */
import type { IoOptions } from '../../lib/base/io.ts'
import { type EventLog, type Header, offset } from '../../lib/eventlog/eventlog.ts'
import type { MessagePlace } from '../../lib/runs/replay/replay-book.ts'
import { consumerGroups } from '../streaming/consumer-groups.ts'

export const replayHeader = 'lakeshore-replay-of'

/** `topic/partition/offset/time`; the time of the append tells apart the same offset of two logs. */
export function replayOf(topic: string, { partition, offset: at, appendedMs }: MessagePlace): string {
  return `${topic}/${partition}/${at}/${appendedMs}`
}

/** The headers of a replay: those of the message, and ours, which a replay of a replay has once. */
export function withReplayHeader(headers: readonly Header[], of: string): readonly Header[] {
  return [...headers.filter(({ key }) => key !== replayHeader), { key: replayHeader, value: Buffer.from(of) }]
}

export interface FoundReplays {
  /** What it is a replay of → where it is. */
  readonly found: ReadonlyMap<string, MessagePlace>
  /** Replays of which the log holds a second copy. */
  readonly doubled: ReadonlySet<string>
  /** The log still has everything from there on, so that what was not found is not there. */
  readonly isComplete: boolean
}

/** Reads the log from these offsets up to its present end. */
export async function findReplays(
  log: EventLog,
  from: ReadonlyMap<number, bigint>,
  { signal }: IoOptions = {},
): Promise<FoundReplays> {
  const ranges = await log.partitions({ signal })
  const starts = ranges.map(({ partition, start, end }) => {
    const wanted = from.get(partition) ?? 0n
    return { partition, end, wanted, next: wanted < start ? start : wanted > end ? end : offset(wanted) }
  })
  const isComplete = starts.every(({ wanted, next }) => wanted === next)
  const found = new Map<string, MessagePlace>()
  const doubled = new Set<string>()
  const open = new Map(starts.filter(({ next, end }) => next < end).map((each) => [each.partition, each.end]))
  if (open.size === 0) return { found, doubled, isComplete }
  for await (const event of log.consume({
    group: consumerGroups.replay,
    membership: 'alone',
    positions: async () => new Map(starts.map(({ partition, next }) => [partition, next])),
    signal,
  })) {
    if (event.kind !== 'fetched') continue
    const { partition, messages, next } = event.fetch
    for (const { headers, offset: at, timestampMs } of messages) {
      const header = headers.find(({ key }) => key === replayHeader)
      if (header?.value == null) continue
      const of = Buffer.from(header.value).toString()
      if (found.has(of)) doubled.add(of)
      else found.set(of, { partition, offset: at, appendedMs: timestampMs })
    }
    const end = open.get(partition)
    if (end !== undefined && next >= end) open.delete(partition)
    if (open.size === 0) break
  }
  return { found, doubled, isComplete }
}
