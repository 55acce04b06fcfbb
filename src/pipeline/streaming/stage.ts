/**
 * The loop of a streaming stage: read from the position of the sink, write micro-batches, go on after a failure
 * that passes, end in order, and end in time although a server stalls. `lib/stream/stage-state.ts` has the states.
 *
 * The sink says where to read on, at every start and at every assignment. The offsets of the consumer group are
 * telemetry: they are written after the sink has the rows, and never read.
 */
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { assertNever, isLakeError, LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import {
  type ConsumerEvent,
  type EventLog,
  type Message,
  type Offset,
  offset,
  type Positions,
} from '../../lib/eventlog/eventlog.ts'
import { startingPositions } from '../../lib/eventlog/positions.ts'
import { type MicroBatch, microBatches } from '../../lib/stream/micro-batch.ts'
import type { PauseSwitch } from '../../lib/stream/pause-switch.ts'
import { readAhead } from '../../lib/stream/read-ahead.ts'
import { ShutdownDeadline } from '../../lib/stream/shutdown-deadline.ts'
import { firstState, next, type StageOutcome, type StageState } from '../../lib/stream/stage-state.ts'
import { describeRanges, type OffsetRange } from './offset-range.ts'
import { type ReadUpTo, requireKnownLog, requireSameLog } from './same-log.ts'
import type { StageObserver, WrittenCounts } from './stage-observer.ts'

/**
 * The batch does not follow what the sink has, such as where another writer has some of these offsets: read on from
 * the present position of the sink.
 */
export interface Superseded {
  readonly kind: 'superseded'
  readonly reason: string
}

export type WriteOutcome<Written> = { readonly kind: 'written'; readonly written: Written } | Superseded

export interface StreamSink<Written extends WrittenCounts> {
  /** Reads the position of the sink again. */
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

/** What every streaming stage may be told. */
export interface StageSettings {
  readonly log: EventLog
  /** Longest time that a message waits to be written. */
  readonly triggerMs: number
  /** Most messages in one batch. */
  readonly maxRows?: number
  /** Up to the end that the log has now, then return. */
  readonly drain?: boolean
  /** Go on after messages that are gone before they were read, and record which; without it they are a failure. */
  readonly acceptGap?: boolean
  /** Read a log whose cluster id is unknown from its start, though another log of this topic was read before. */
  readonly acceptNewLog?: boolean
  /** How long the batch in flight may take once the stage is asked to end. Default 5 s. */
  readonly shutdownDeadlineMs?: number
  readonly observer?: StageObserver
  /** While it is paused, the stage stays in its group and writes nothing; a run with an end fails. */
  readonly pause?: PauseSwitch
  readonly clock?: Clock
  readonly logger?: Logger
}

/** What every streaming stage reports of its end. */
export interface StageEnd {
  /** Offsets whose messages are gone, where that was accepted. */
  readonly skipped?: readonly OffsetRange[]
  /** Where the stage had to end without an answer: the next start reads what became of these. */
  readonly unconfirmed?: readonly OffsetRange[]
}

/** A sink that knows which log it was written from. */
export interface LogSink<Written extends WrittenCounts> extends StreamSink<Written> {
  /** Ids of clusters whose topic of this name the sink holds. */
  knownClusters(options?: IoOptions): Promise<ReadonlySet<string>>
  readUpTo(partition: number, options?: IoOptions): Promise<ReadUpTo | undefined>
}

export interface StageRun<Written extends WrittenCounts> {
  readonly name: string
  readonly group: string
  readonly sink: LogSink<Written>
  /** Checks and repairs the sink before the first message is read; returns what was skipped for good. */
  readonly prepare?: () => Promise<readonly OffsetRange[]>
  readonly onWritten: (written: Written) => void
}

const defaultMaxRows = 50_000

/**
 * Checks that the log is the one that the sink was written from, and runs the stage until it ends.
 *
 * @throws LakeError `EVENTLOG_RESET` for another log, `EVENTLOG_GAP`, and whatever else does not pass by itself.
 */
export async function runStage<Written extends WrittenCounts>(
  { prepare, ...run }: StageRun<Written>,
  settings: StageSettings,
  { signal }: IoOptions = {},
): Promise<StageEnd> {
  const { log, logger = silentLogger, clock = systemClock, acceptNewLog = false } = settings
  const { sink } = run
  // Before anything is checked and repaired in the sink: that would be a commit.
  await resumed(run.name, settings, { signal })
  if (signal?.aborted) return {}
  if (!acceptNewLog) {
    const clusterId = await log.clusterId({ signal })
    requireKnownLog({ topic: log.topic, clusterId }, await sink.knownClusters({ signal }), run.name)
  }
  const readUpTo = (partition: number): Promise<ReadUpTo | undefined> => sink.readUpTo(partition, { signal })
  for (const partition of await requireSameLog(log, readUpTo, { signal })) {
    logger.warn(
      { partition },
      'The last message that was read is no longer in the log: the log could not be checked',
    )
  }
  const skipped = [...((await prepare?.()) ?? [])]
  const unconfirmed = await runStreamStage(
    {
      ...run,
      ...settings,
      maxRows: settings.maxRows ?? defaultMaxRows,
      drain: settings.drain ?? false,
      acceptGap: settings.acceptGap ?? false,
      clock,
      logger,
      onSkipped: (gaps) => void skipped.push(...gaps),
    },
    { signal },
  )
  return {
    ...(skipped.length > 0 && { skipped }),
    ...(unconfirmed.length > 0 && { unconfirmed }),
  }
}

/**
 * Waits until the stage is not paused, or is asked to end.
 * @throws LakeError `STAGE_PAUSED` for a run with an end, which nobody may be there to resume.
 */
async function resumed(
  name: string,
  { pause, observer, drain = false, logger = silentLogger }: StageSettings,
  { signal }: IoOptions,
): Promise<void> {
  if (pause?.isPaused !== true) return
  if (drain) throw stagePaused(name, pause.reason)
  logger.warn({ stage: name, reason: pause.reason }, `${name} is paused, and begins when it is resumed`)
  observer?.entered({ kind: 'paused', failures: 0 })
  await pause.untilResumed({ signal })
  if (signal?.aborted) return
  logger.info({ stage: name }, `${name} is resumed`)
}

function stagePaused(name: string, reason = ''): LakeError {
  return new LakeError('STAGE_PAUSED', `${name} is paused${reason === '' ? '' : `: ${reason}`}`, {
    details: { stage: name },
  })
}

type OptionalSetting = 'observer' | 'pause' | 'shutdownDeadlineMs'

export interface StreamStageOptions<Written extends WrittenCounts>
  extends Required<Omit<StageSettings, 'acceptNewLog' | OptionalSetting>>,
    Pick<StageSettings, OptionalSetting> {
  readonly name: string
  readonly group: string
  readonly sink: StreamSink<Written>
  readonly onWritten: (written: Written) => void
  readonly onSkipped: (gaps: readonly OffsetRange[]) => void
}

const defaultShutdownDeadlineMs = 5_000
/** After the deadline of the write: to leave the log in order, where it answers. */
const leaveMs = 3_000

/**
 * Runs until aborted, and returns: the batch in flight is written whole, what was only read is dropped.
 *
 * @returns the offsets of the batch in flight, where its write was not confirmed in time; none otherwise.
 * @throws whatever does not pass by itself; with `drain` also what did not pass in time.
 */
export async function runStreamStage<Written extends WrittenCounts>(
  options: StreamStageOptions<Written>,
  { signal }: IoOptions = {},
): Promise<readonly OffsetRange[]> {
  const { name, logger, shutdownDeadlineMs = defaultShutdownDeadlineMs } = options
  using writeDeadline = new ShutdownDeadline(signal, shutdownDeadlineMs)
  using leaveDeadline = new ShutdownDeadline(signal, shutdownDeadlineMs + leaveMs)
  const stage = new StreamStage(options, signal, writeDeadline)
  await leaveDeadline.within(stage.run())
  const unconfirmed = stage.unconfirmed
  if (unconfirmed.length > 0) {
    logger.warn(
      { stage: name },
      `${name} had to end without an answer: ${describeRanges(unconfirmed)} may have been written or not. Nothing is lost or doubled: the next start reads what arrived, and goes on from there`,
    )
  }
  return unconfirmed
}

/** The loop around the stage's states: it does what a state asks for, and tells `next` what came of it. */
class StreamStage<Written extends WrittenCounts> {
  readonly #options: StreamStageOptions<Written>
  readonly #signal: AbortSignal | undefined
  readonly #writeDeadline: ShutdownDeadline
  #reader: AsyncIterator<MicroBatch<Message>> | undefined
  /** Asked of the reader, and not taken yet: a pause came before it. */
  #reading: Promise<IteratorResult<MicroBatch<Message>>> | undefined
  /** What a run with an end reads up to, by partition. */
  #ends: ReadonlyMap<number, Offset> | undefined
  #inFlight: MicroBatch<Message> | undefined

  constructor(
    options: StreamStageOptions<Written>,
    signal: AbortSignal | undefined,
    writeDeadline: ShutdownDeadline,
  ) {
    this.#options = options
    this.#signal = signal
    this.#writeDeadline = writeDeadline
  }

  /** The offsets of the batch in flight. */
  get unconfirmed(): readonly OffsetRange[] {
    return this.#inFlight === undefined ? [] : rangesOf(this.#inFlight)
  }

  async run(): Promise<void> {
    const { drain, acceptGap, log, sink } = this.#options
    const signal = this.#signal
    if (drain && acceptGap) await skipGaps(this.#options, { signal })
    this.#ends = drain ? await endsOf(log, sink, { signal }) : undefined
    let state = firstState
    try {
      while (state.kind !== 'ended') {
        if (state.kind === 'failed') throw state.error
        this.#options.observer?.entered(state)
        state = next(state, await this.#outcomeOf(state), { hasEnd: drain })
      }
    } finally {
      await this.#leave()
    }
  }

  async #outcomeOf(state: Exclude<StageState, { readonly kind: 'ended' | 'failed' }>): Promise<StageOutcome> {
    try {
      switch (state.kind) {
        case 'reading':
          return await this.#read()
        case 'writing':
          return await this.#write()
        case 'retrying':
          await this.#options.clock.sleep(state.waitMs, { signal: this.#signal }).catch(() => undefined)
          return this.#signal?.aborted ? { kind: 'stopped' } : { kind: 'rested' }
        case 'paused':
          return await this.#rest()
        default:
          return assertNever(state, 'stage state')
      }
    } catch (error) {
      return await this.#failed(error)
    }
  }

  async #read(): Promise<StageOutcome> {
    for (;;) {
      if (this.#signal?.aborted) return { kind: 'stopped' }
      if (this.#reader === undefined) {
        const until = this.#ends && remaining(this.#ends, this.#options.sink)
        if (until?.size === 0) return { kind: 'endReached' }
        this.#reader = this.#open(until)
      }
      this.#reading ??= this.#reader.next()
      const result = await (this.#options.pause?.unlessPaused(this.#reading) ?? this.#reading)
      if (result === 'paused') {
        // Taken once the stage is resumed, a failure too.
        this.#reading.catch(() => undefined)
        return { kind: 'pauseAsked' }
      }
      this.#reading = undefined
      const { done, value } = result
      if (done !== true) {
        this.#inFlight = value
        return { kind: 'batchRead' }
      }
      await this.#readAnew()
    }
  }

  /** Stays in the group: what was read waits, and the log's reader keeps the membership. */
  async #rest(): Promise<StageOutcome> {
    const { pause, name, logger, drain } = this.#options
    if (drain) throw stagePaused(name, pause?.reason)
    logger.warn(
      { stage: name, reason: pause?.reason },
      `${name} is paused: nothing is written until it is resumed`,
    )
    await pause?.untilResumed({ signal: this.#signal })
    if (this.#signal?.aborted) return { kind: 'stopped' }
    logger.info({ stage: name }, `${name} is resumed`)
    return { kind: 'resumed' }
  }

  async #write(): Promise<StageOutcome> {
    const { sink, log, group, logger, onWritten, name, observer } = this.#options
    const batch = this.#inFlight
    if (batch === undefined) throw new LakeError('BUG', `${name}: nothing to write`)
    // Not given the signal itself: what was read is written whole, or not begun.
    const deadline = this.#writeDeadline
    const outcome = await deadline.within(sink.write(batch, { signal: deadline.signal }))
    if (outcome === undefined) return { kind: 'stopped' }
    this.#inFlight = undefined
    if (outcome.kind === 'superseded') {
      logger.info(
        { stage: name, reason: outcome.reason },
        'The batch was superseded; reading on from the sink',
      )
      await this.#readAnew()
      return { kind: 'superseded' }
    }
    onWritten(outcome.written)
    observer?.wrote(batch, outcome.written)
    await log.acknowledge(group, positions(batch.next)).catch((error: unknown) => {
      // Telemetry: failing costs a wrong lag on somebody's screen.
      logger.debug({ err: error, group }, 'The group’s offsets could not be written')
    })
    return { kind: 'written' }
  }

  /** Leaves the log; the next read begins where the sink is. */
  async #readAnew(): Promise<void> {
    await this.#leave()
    await this.#options.sink.refresh({ signal: this.#signal })
  }

  async #leave(): Promise<void> {
    const reader = this.#reader
    this.#reader = undefined
    this.#reading = undefined
    this.#options.observer?.dropped()
    await reader?.return?.()
  }

  async #failed(error: unknown): Promise<StageOutcome> {
    const { name, logger, acceptGap } = this.#options
    const signal = this.#signal
    if (signal?.aborted && endsWithStage(error, signal)) return { kind: 'stopped' }
    this.#inFlight = undefined
    await this.#leave()
    const isAcceptedGap = acceptGap && isLakeError(error, 'EVENTLOG_GAP')
    const mayPass = isAcceptedGap || (isLakeError(error) && error.retryable)
    if (mayPass) logger.error({ err: error, stage: name }, `${name} failed and will go on from its sink`)
    return { kind: 'failed', error, mayPass }
  }

  #open(until: ReadonlyMap<number, bigint> | undefined): AsyncIterator<MicroBatch<Message>> {
    const { log, sink, group, drain, acceptGap, triggerMs, maxRows, clock, observer } = this.#options
    const signal = this.#signal
    const events = log.consume({
      group,
      // A run with an end must not wait for the members of a group; the sink fences by its own offsets.
      membership: drain ? 'alone' : 'shared',
      positions: async (partitions) => {
        await sink.refresh({ signal })
        if (acceptGap) await skipGaps(this.#options, { signal, partitions })
        const positions = positionsOf(sink, partitions)
        observer?.startsAt(partitions, positions)
        return positions
      },
      signal,
    })
    const landed = (partition: number): bigint | undefined => sink.next(partition)
    return microBatches(readAhead(observed(events, observer)), {
      triggerMs,
      maxRows,
      clock,
      landed,
      ...(until && { until }),
    })
  }
}

async function* observed(
  events: AsyncIterable<ConsumerEvent>,
  observer: StageObserver | undefined,
): AsyncIterable<ConsumerEvent> {
  for await (const event of events) {
    observer?.received(event)
    yield event
  }
}

/** What retention took is skipped for good: it cannot come back, and the sink says so with its offsets. */
async function skipGaps<Written extends WrittenCounts>(
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

/** Whether a failure while the stage ends comes from the ending or from a server: the next start sees to the rest. */
function endsWithStage(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || !isLakeError(error) || error.retryable || error.code === 'INTERRUPTED'
}

function rangesOf(batch: MicroBatch<Message>): readonly OffsetRange[] {
  return [...batch.next].map(([partition, to]) => ({
    partition,
    from: batch.messages.find((message) => message.partition === partition)?.offset ?? offset(to),
    to: offset(to),
  }))
}

function positionsOf<Written extends WrittenCounts>(
  sink: StreamSink<Written>,
  partitions: readonly number[],
): Positions {
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
async function endsOf<Written extends WrittenCounts>(
  log: EventLog,
  sink: StreamSink<Written>,
  options: IoOptions,
): Promise<ReadonlyMap<number, Offset>> {
  const ranges = await log.partitions(options)
  const partitions = ranges.map(({ partition }) => partition)
  startingPositions(log, ranges, positionsOf(sink, partitions))
  return new Map(ranges.filter(({ start, end }) => end > start).map(({ partition, end }) => [partition, end]))
}

function remaining<Written extends WrittenCounts>(
  ends: ReadonlyMap<number, Offset>,
  sink: StreamSink<Written>,
): ReadonlyMap<number, bigint> {
  return new Map([...ends].filter(([partition, end]) => (sink.next(partition) ?? 0n) < end))
}
