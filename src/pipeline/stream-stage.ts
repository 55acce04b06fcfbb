/**
 * What the two streaming stages share: read from where the sink stands, write micro-batches, go on after a
 * failure that passes, end in order, and in time also where a server stalls.
 *
 * The sink says where to read on, at every start and at every assignment; the group's own offsets are
 * telemetry, written after the sink has the rows and never read.
 */
import type { Clock } from '../lib/base/clock.ts'
import { isLakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import type { Logger } from '../lib/base/log.ts'
import { type EventLog, type Message, type Offset, offset, type Positions } from '../lib/eventlog/eventlog.ts'
import { startingPositions } from '../lib/eventlog/positions.ts'
import { type MicroBatch, microBatches } from '../lib/stream/micro-batch.ts'
import { Grace } from './grace.ts'
import { describeRanges, type OffsetRange } from './offset-range.ts'

export type WriteOutcome<Written> =
  | { readonly kind: 'written'; readonly written: Written }
  /** Another writer has some of these offsets: read on from where the sink stands now. */
  | { readonly kind: 'superseded'; readonly reason: string }

export interface StreamSink<Written> {
  /** Reads anew where the sink stands. */
  refresh(options?: IoOptions): Promise<void>
  /** The next offset of a partition; `undefined` when it has nothing of it yet. */
  next(partition: number): Offset | undefined
  /**
   * All of the batch or nothing of it, once, also when it is repeated. Aborted only where a stage must end
   * without an answer: what became of the batch is then for the next start to read.
   */
  write(batch: MicroBatch<Message>, options?: IoOptions): Promise<WriteOutcome<Written>>
  /** Goes on behind offsets that the log has lost, and records which they were: all of it, once, or nothing. */
  skip(gaps: readonly OffsetRange[], options?: IoOptions): Promise<'skipped' | 'superseded'>
}

export interface StreamStageOptions<Written> {
  readonly name: string
  readonly group: string
  readonly log: EventLog
  readonly sink: StreamSink<Written>
  readonly triggerMs: number
  readonly maxRows: number
  /** Up to the end that the log has now, then return. */
  readonly drain: boolean
  /** Goes on after messages that retention took before they were read; without it they are a failure. */
  readonly acceptGap: boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly onWritten: (written: Written) => void
  readonly onSkipped: (gaps: readonly OffsetRange[]) => void
  /** How long the batch in hand may take once the stage is asked to end. Default 5 s. */
  readonly graceMs?: number
}

/** Pause before reading goes on after a failure that may pass; without an end it doubles up to the longest. */
const retryPauseMs = 1_000
const longestPauseMs = 30_000
/** A run with an end gives up after so many failures in a row. */
const drainAttempts = 10
const defaultGraceMs = 5_000
/** After the grace of the write: to leave the log in order, where it answers. */
const leaveMs = 3_000

interface Hand {
  /** The batch that is being written, for whoever has to say what became of it. */
  batch: MicroBatch<Message> | undefined
  /** In a row: since the last batch that was written. */
  failures: number
}

/**
 * Runs until aborted, and returns: the batch in hand is written whole, what was only read is dropped.
 *
 * @returns the offsets of the batch in hand, where its write was not confirmed in time; none otherwise.
 * @throws whatever does not pass by itself; with `drain` also what did not pass in time.
 */
export async function runStreamStage<Written>(
  options: StreamStageOptions<Written>,
  { signal }: IoOptions = {},
): Promise<readonly OffsetRange[]> {
  const { name, logger, graceMs = defaultGraceMs } = options
  const hand: Hand = { batch: undefined, failures: 0 }
  using write = new Grace(signal, graceMs)
  using all = new Grace(signal, graceMs + leaveMs)
  await all.within(readAndWrite(options, { signal, write, hand }))
  const unconfirmed = hand.batch === undefined ? [] : rangesOf(hand.batch)
  if (unconfirmed.length > 0) {
    logger.warn(
      { stage: name },
      `${name} had to end without an answer: ${describeRanges(unconfirmed)} may have been written or not. Nothing is lost or doubled: the next start reads what arrived, and goes on from there`,
    )
  }
  return unconfirmed
}

interface Run {
  /** Asks the stage to end. */
  readonly signal: AbortSignal | undefined
  /** Ends a write that is not answered. */
  readonly write: Grace
  readonly hand: Hand
}

async function readAndWrite<Written>(options: StreamStageOptions<Written>, run: Run): Promise<void> {
  const { signal, hand } = run
  const { name, log, sink, clock, logger } = options
  if (options.drain && options.acceptGap) await skipGaps(options, { signal })
  const ends = options.drain ? await endsOf(log, sink, { signal }) : undefined
  while (!signal?.aborted) {
    const until = ends && remaining(ends, sink)
    if (until?.size === 0) return
    try {
      const ended = await readOn(options, until, run)
      hand.failures = 0
      if (ended === 'superseded')
        logger.info({ stage: name }, 'Another writer was faster; reading on from the sink')
      await sink.refresh({ signal })
    } catch (error) {
      if (signal?.aborted && mayPass(error, signal)) return
      hand.batch = undefined
      hand.failures += 1
      const isAccepted = options.acceptGap && isLakeError(error, 'EVENTLOG_GAP')
      const isPassing = isAccepted || (isLakeError(error) && error.retryable)
      if (!isPassing || (ends && hand.failures >= drainAttempts)) throw error
      logger.error(
        { err: error, hint: error.hint, stage: name },
        `${name} failed and will go on from its sink`,
      )
      const pauseMs = ends ? retryPauseMs : Math.min(longestPauseMs, retryPauseMs * 2 ** (hand.failures - 1))
      await clock.sleep(pauseMs, { signal }).catch(() => undefined)
    }
  }
}

async function readOn<Written>(
  options: StreamStageOptions<Written>,
  until: ReadonlyMap<number, bigint> | undefined,
  { signal, write, hand }: Run,
): Promise<'ended' | 'superseded'> {
  const { log, sink, group, triggerMs, maxRows, clock, onWritten, logger } = options
  const events = log.consume({
    group,
    // A run with an end must not wait for the members of a group; the sink fences by its own offsets.
    membership: options.drain ? 'alone' : 'shared',
    positions: async (partitions) => {
      await sink.refresh({ signal })
      if (options.acceptGap) await skipGaps(options, { signal, partitions })
      return positionsOf(sink, partitions)
    },
    signal,
  })
  const landed = (partition: number): bigint | undefined => sink.next(partition)
  const batches = microBatches(events, { triggerMs, maxRows, clock, landed, ...(until && { until }) })
  for await (const batch of batches) {
    // Not given the signal itself: what was read is written whole, or not begun.
    hand.batch = batch
    const outcome = await write.within(sink.write(batch, { signal: write.signal }))
    if (outcome === undefined) return 'ended'
    hand.batch = undefined
    if (outcome.kind === 'superseded') return 'superseded'
    hand.failures = 0
    onWritten(outcome.written)
    await log.acknowledge(group, positions(batch.next)).catch((error: unknown) => {
      // Telemetry: failing costs a wrong lag on somebody's screen.
      logger.debug({ err: error, group }, 'The group’s offsets could not be written')
    })
    if (signal?.aborted) return 'ended'
  }
  return 'ended'
}

/** What retention took is skipped for good: it cannot come back, and the sink says so with its offsets. */
async function skipGaps<Written>(
  { name, log, sink, logger, onSkipped }: StreamStageOptions<Written>,
  { signal, partitions }: IoOptions & { readonly partitions?: readonly number[] },
): Promise<void> {
  const gaps = (await log.partitions({ signal })).flatMap(({ partition, start }) => {
    const from = sink.next(partition)
    const isOurs = partitions === undefined || partitions.includes(partition)
    return isOurs && from !== undefined && from < start ? [{ partition, from, to: start }] : []
  })
  if (gaps.length === 0) return
  const outcome = await sink.skip(gaps, { signal })
  await sink.refresh({ signal })
  if (outcome === 'superseded') return
  onSkipped(gaps)
  logger.warn(
    { stage: name },
    `Retention took messages before ${name} had read them, and the gap is accepted: ${describeRanges(gaps)}`,
  )
}

/** Whether a failure while the stage ends is of the ending, or of a server: the next start sees to the rest. */
function mayPass(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || !isLakeError(error) || error.retryable || error.code === 'INTERRUPTED'
}

function rangesOf(batch: MicroBatch<Message>): readonly OffsetRange[] {
  return [...batch.next].map(([partition, to]) => ({
    partition,
    from: batch.messages.find((message) => message.partition === partition)?.offset ?? offset(to),
    to: offset(to),
  }))
}

function positionsOf<Written>(sink: StreamSink<Written>, partitions: readonly number[]): Positions {
  return new Map(
    partitions.flatMap((partition) => {
      const next = sink.next(partition)
      return next === undefined ? [] : [[partition, next] as const]
    }),
  )
}

function positions(next: ReadonlyMap<number, bigint>): Positions {
  return new Map([...next].map(([partition, at]) => [partition, offset(at)]))
}

/** @throws LakeError `EVENTLOG_GAP` or `EVENTLOG_RESET`: also where there is nothing to read, which else would look like the end. */
async function endsOf<Written>(
  log: EventLog,
  sink: StreamSink<Written>,
  options: IoOptions,
): Promise<ReadonlyMap<number, Offset>> {
  const ranges = await log.partitions(options)
  const partitions = ranges.map(({ partition }) => partition)
  startingPositions(log, ranges, positionsOf(sink, partitions))
  return new Map(ranges.filter(({ start, end }) => end > start).map(({ partition, end }) => [partition, end]))
}

function remaining<Written>(
  ends: ReadonlyMap<number, Offset>,
  sink: StreamSink<Written>,
): ReadonlyMap<number, bigint> {
  return new Map([...ends].filter(([partition, end]) => (sink.next(partition) ?? 0n) < end))
}
