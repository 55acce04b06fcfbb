/** Where a reader starts: the position that its sink stored, checked against the offsets that the log still has. */
import { countOf } from '../base/count-of.ts'
import { LakeError } from '../base/errors.ts'
import type { EventLog, Offset, PartitionRange, Positions } from './eventlog.ts'

/** What a refusal says of the log. */
export type NamedLog = Pick<EventLog, 'topic' | 'folder'>

/**
 * The offset to start each partition of `ranges` at; one without a stored position starts at its oldest message.
 *
 * @throws LakeError `EVENTLOG_GAP` or `EVENTLOG_RESET`, naming partition and offsets.
 */
export function startingPositions(
  log: NamedLog,
  ranges: readonly PartitionRange[],
  stored: Positions,
): Map<number, Offset> {
  return new Map(
    ranges.map((range) => {
      const position = stored.get(range.partition) ?? range.start
      if (position < range.start) throw gapAt(log.topic, range, position)
      if (position > range.end) throw resetAt(log, range, position)
      return [range.partition, position]
    }),
  )
}

/** Messages from `position` up to the start of the range are gone. */
export function gapAt(topic: string, { partition, start }: PartitionRange, position: Offset): LakeError {
  const lost = start - position
  return new LakeError(
    'EVENTLOG_GAP',
    `${topic} partition ${partition}: expected offset ${position}, but the oldest kept is ${start}: ` +
      `${countOf(lost, 'message')} ${lost === 1n ? 'is' : 'are'} lost`,
    { details: { topic, partition, expected: position, start, lost } },
  )
}

/** The log ends before a position that was read before: it is not the log that was read, or not all of it. */
export function resetAt(
  { topic, folder }: NamedLog,
  { partition, end }: PartitionRange,
  position: Offset,
): LakeError {
  return new LakeError(
    'EVENTLOG_RESET',
    `${topic} partition ${partition}: expected offset ${position} or more, but the log ends at ${end}`,
    {
      details: { topic, partition, expected: position, end, ...(folder !== undefined && { folder }) },
    },
  )
}
