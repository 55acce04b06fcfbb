/**
 * At the start of the speed layer: holes in the offset ranges of `realtime.*` are counted again from the log.
 *
 * What the log no longer holds, and what was counted twice, stops the stage with the offsets and what to do. With
 * `acceptGap` a hole that the log cannot fill is recorded as skipped. Where a table has a TTL, a hole that the log
 * cannot fill is taken for expired rows.
 */
import type { Clock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Logger } from '../../lib/base/log.ts'
import type { EventLog, Message, PartitionRange } from '../../lib/eventlog/eventlog.ts'
import { type MicroBatch, microBatches } from '../../lib/stream/micro-batch.ts'
import { consumerGroups } from '../streaming/consumer-groups.ts'
import { describeRanges, type OffsetRange } from '../streaming/offset-range.ts'
import { type OffsetCoverage, type RangeFault, readCoverage } from './offset-ranges.ts'
import type { SpeedLayer } from './speed-layer.ts'

export interface CloseHolesOptions {
  readonly log: EventLog
  readonly sink: SpeedLayer
  readonly acceptGap: boolean
  readonly clock: Clock
  readonly logger: Logger
}

/** Another process may fill the same holes at the same time; each attempt looks again at what is left. */
const attempts = 5
/** Messages that are counted at once. */
const holeRows = 50_000

/**
 * @returns what the log no longer held, where that was accepted.
 * @throws LakeError `EVENTLOG_GAP` for a hole that the log cannot fill, `CHECK_FAILED` for offsets counted twice.
 */
export async function closeHoles(
  options: CloseHolesOptions,
  { signal }: IoOptions = {},
): Promise<readonly OffsetRange[]> {
  const { log, sink, logger, acceptGap } = options
  const skipped: OffsetRange[] = []
  for (let attempt = 0; attempt < attempts; attempt++) {
    const ranges = await log.partitions({ signal })
    const coverage = await readCoverage(sink.clickhouse, sink.logId, { signal })
    const overlaps = coverage.faults.filter(({ kind }) => kind === 'overlap')
    if (overlaps.length > 0) throw countedTwice(overlaps, sink.logId)
    const pieces = [...coverage.faults, ...holesBefore(coverage, ranges)].flatMap((hole) => cut(hole, ranges))
    const lost = pieces.filter(({ isInLog }) => !isInLog).filter(({ hole }) => !hole.mayHaveExpired)
    if (lost.length > 0 && !acceptGap) throw holesLost(lost.map(({ hole }) => hole))
    const toFill = [...lost, ...pieces.filter(({ isInLog }) => isInLog)]
    if (toFill.length === 0) return skipped
    for (const { hole, isInLog } of toFill) {
      const words = `realtime.${hole.table}, ${describeRanges([hole])}`
      if (isInLog) {
        logger.warn({ ...hole }, `${words}: the counts were lost, and are made again from the log`)
        await fill(options, hole, { signal })
      } else {
        logger.warn(
          { ...hole },
          `${words}: the counts were lost, the log no longer holds the messages, and that is accepted`,
        )
        await (await sink.at(hole, { signal })).skip([hole], { signal })
        skipped.push({ partition: hole.partition, from: hole.from, to: hole.to })
      }
    }
    await sink.refresh({ signal })
  }
  throw new LakeError(
    'CLICKHOUSE_UNAVAILABLE',
    `realtime: holes were filled ${attempts} times and are still there`,
  )
}

/** Reads the messages of a hole, and counts them into the one table that lacks them. */
async function fill(
  { log, sink, clock }: CloseHolesOptions,
  hole: RangeFault,
  { signal }: IoOptions,
): Promise<void> {
  const target = await sink.at(hole, { signal })
  const ends = new Map((await log.partitions({ signal })).map(({ partition, end }) => [partition, end]))
  const events = log.consume({
    group: consumerGroups.realtimeHoles,
    membership: 'alone',
    // The other partitions are not read: they start at their ends.
    positions: async () => new Map([...ends, [hole.partition, hole.from]]),
    signal,
  })
  const until = new Map([[hole.partition, hole.to]])
  for await (const batch of microBatches(events, { triggerMs: 1_000, maxRows: holeRows, clock, until })) {
    const own = only(batch, hole.partition)
    if (own !== undefined && (await target.write(own, { signal })).kind === 'superseded') return
  }
}

function only(batch: MicroBatch<Message>, partition: number): MicroBatch<Message> | undefined {
  const next = batch.next.get(partition)
  if (next === undefined) return undefined
  return {
    messages: batch.messages.filter((message) => message.partition === partition),
    next: new Map([[partition, next]]),
  }
}

/** A stage begins with the oldest message of the log: if the log still holds older ones, the first ranges were lost. */
function holesBefore({ covered }: OffsetCoverage, ranges: readonly PartitionRange[]): readonly RangeFault[] {
  return ranges.flatMap(({ partition, start }) => {
    const own = covered.filter((each) => each.partition === partition)
    const [some] = own
    if (some === undefined) return []
    const to = own.reduce((least, { first }) => (first < least ? first : least), some.first)
    if (to <= start) return []
    return own
      .filter(({ mayHaveExpired }) => !mayHaveExpired)
      .map(({ table, mayHaveExpired }) => ({
        kind: 'hole',
        table,
        partition,
        from: start,
        to,
        mayHaveExpired,
      }))
  })
}

/** The part of a hole that retention took, and the part that the log holds. */
function cut(
  hole: RangeFault,
  ranges: readonly PartitionRange[],
): readonly { readonly hole: RangeFault; readonly isInLog: boolean }[] {
  const start = ranges.find(({ partition }) => partition === hole.partition)?.start ?? hole.to
  if (start <= hole.from) return [{ hole, isInLog: true }]
  if (start >= hole.to) return [{ hole, isInLog: false }]
  return [
    { hole: { ...hole, to: start }, isInLog: false },
    { hole: { ...hole, from: start }, isInLog: true },
  ]
}

const faultsShown = 5

function describeFaults(faults: readonly RangeFault[]): string {
  const shown = faults
    .slice(0, faultsShown)
    .map((each) => `realtime.${each.table}, ${describeRanges([each])}`)
  const more = faults.length - shown.length
  return `${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}

function holesLost(holes: readonly RangeFault[]): LakeError {
  return new LakeError(
    'EVENTLOG_GAP',
    `The counts of some offsets were lost, and the log no longer holds the messages: ${describeFaults(holes)}`,
    {
      details: { holes, fault: 'counts-lost' },
    },
  )
}

function countedTwice(overlaps: readonly RangeFault[], logId: string): LakeError {
  return new LakeError('CHECK_FAILED', `Some offsets were counted twice: ${describeFaults(overlaps)}`, {
    details: { overlaps, fault: 'counted-twice', logId },
  })
}
