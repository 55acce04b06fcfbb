/**
 * Proof that a log is the one that a sink has read. Its cluster id must be known, and the last message read must
 * carry the time that was stored of it: a topic that was deleted and re-created has the same name and, some day, as
 * many messages. Reading another log from its start would put every message that both hold into the sink twice.
 */
import { allEnded } from '../../lib/base/all-ended.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { EventLog, Offset } from '../../lib/eventlog/eventlog.ts'
import { resetAt } from '../../lib/eventlog/positions.ts'

/**
 * @param known cluster ids whose topic of this name the sink holds.
 * @param stage the one that reads, by name.
 * @throws LakeError `EVENTLOG_RESET` if there are such, and the log's own is none of them.
 */
export function requireKnownLog(
  { topic, clusterId }: { readonly topic: string; readonly clusterId: string },
  known: ReadonlySet<string>,
  stage: string,
): void {
  if (known.size === 0 || known.has(clusterId)) return
  throw new LakeError(
    'EVENTLOG_RESET',
    `Topic ${topic}: expected the log of cluster ${[...known].sort().join(' or ')}, which was read before, got cluster ${clusterId}`,
    {
      details: { topic, clusterId, known: [...known], fault: 'another-log', stage },
    },
  )
}

/** A message as the sink remembers it. */
export interface ReadMessage {
  readonly offset: Offset
  /** When the log appended it. Several where the sink holds that offset of several logs. */
  readonly timestampsMs: readonly number[]
}

export interface ReadUpTo {
  readonly next: Offset
  /** The last message before `next`; absent where the sink does not know it. */
  readonly last: ReadMessage | undefined
}

/**
 * @param readUpTo how far the sink has read a partition; `undefined` where it has nothing of it.
 * @returns the partitions that could not be checked: retention has taken the message, or the sink does not know it.
 * @throws LakeError `EVENTLOG_RESET` when the log ends before what was read, or holds another message there.
 */
export async function requireSameLog(
  log: EventLog,
  readUpTo: (partition: number) => Promise<ReadUpTo | undefined>,
  { signal }: IoOptions = {},
): Promise<readonly number[]> {
  const ranges = await log.partitions({ signal })
  const checks = ranges.map(async (range): Promise<boolean> => {
    const { partition } = range
    const read = await readUpTo(partition)
    if (read === undefined || read.next === 0n) return true
    if (read.next > range.end) throw resetAt(log, range, read.next)
    if (read.last === undefined) return false
    const message = await log.readAt(partition, read.last.offset, { signal })
    if (message === undefined) return false
    if (!read.last.timestampsMs.includes(message.timestampMs)) {
      throw otherMessageAt(log, partition, read.last, message.timestampMs)
    }
    return true
  })
  const outcomes = await allEnded(checks)
  return ranges.filter((_, index) => outcomes[index] === false).map(({ partition }) => partition)
}

function otherMessageAt(
  { topic, folder }: EventLog,
  partition: number,
  last: ReadMessage,
  foundMs: number,
): LakeError {
  const [found, ...stored] = [foundMs, ...last.timestampsMs].map((ms) => new Date(ms).toISOString())
  return new LakeError(
    'EVENTLOG_RESET',
    `Topic ${topic}, partition ${partition}: offset ${last.offset} was read as appended at ${stored.join(' or ')}, the log has another message there, appended at ${found}`,
    {
      details: { topic, partition, offset: last.offset, ...(folder !== undefined && { folder }) },
    },
  )
}
