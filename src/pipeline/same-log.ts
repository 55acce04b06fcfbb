/**
 * Proof that a log is still the one that a sink has read: the last message read must carry the time that was
 * stored of it. A topic that was deleted and made anew has the same name and, some day, as many messages.
 */
import { allEnded } from '../lib/base/all-ended.ts'
import { LakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import type { EventLog, Offset } from '../lib/eventlog/eventlog.ts'
import { resetAt } from '../lib/eventlog/positions.ts'

/** A message as the sink remembers it. */
export interface ReadMessage {
  readonly offset: Offset
  /** When the log appended it. */
  readonly timestampMs: number
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
    if (message.timestampMs !== read.last.timestampMs) {
      throw otherMessageAt(log, partition, read.last, message.timestampMs)
    }
    return true
  })
  const outcomes = await allEnded(checks)
  return ranges.filter((_, index) => outcomes[index] === false).map(({ partition }) => partition)
}

function otherMessageAt(
  { topic, lossHint }: EventLog,
  partition: number,
  last: ReadMessage,
  foundMs: number,
): LakeError {
  const [stored, found] = [last.timestampMs, foundMs].map((ms) => new Date(ms).toISOString())
  return new LakeError(
    'EVENTLOG_RESET',
    `Topic ${topic}, partition ${partition}: offset ${last.offset} was read as appended at ${stored}, the log has another message there, appended at ${found}`,
    {
      details: { topic, partition, offset: last.offset },
      ...(lossHint !== undefined && { hint: lossHint }),
    },
  )
}
