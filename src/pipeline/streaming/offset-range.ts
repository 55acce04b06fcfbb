/** A run of offsets of one partition, as reports and warnings name it. */
import type { Offset } from '../../lib/eventlog/eventlog.ts'

export interface OffsetRange {
  readonly partition: number
  readonly from: Offset
  /** One past the last. */
  readonly to: Offset
}

/** `partition 0: offsets 3 to 7; partition 2: offset 5`, both ends included. */
export function describeRanges(ranges: readonly OffsetRange[]): string {
  return ranges.map(describeRange).join('; ')
}

function describeRange({ partition, from, to }: OffsetRange): string {
  const last = to > from ? to - 1n : from
  return `partition ${partition}: ${last === from ? `offset ${from}` : `offsets ${from} to ${last}`}`
}
