/**
 * Counts what a stage does, and says how it is at any time. Told by the stage's own loop, it only adds up: where the
 * log ends is told to it from beside.
 */
import type { Clock } from '../../lib/base/clock.ts'
import { isLakeError, messageOf } from '../../lib/base/errors.ts'
import type { ConsumerEvent, Fetch, Message, PartitionRange, Positions } from '../../lib/eventlog/eventlog.ts'
import type { MicroBatch } from '../../lib/stream/micro-batch.ts'
import type { PauseSwitch } from '../../lib/stream/pause-switch.ts'
import type { StageState } from '../../lib/stream/stage-state.ts'
import { watermarkDelayMs } from '../model/time-rules.ts'
import type { StageObserver, WrittenCounts } from './stage-observer.ts'
import type { PartitionReading, StageReading } from './stage-reading.ts'

const rateOverMs = 60_000

interface Partition {
  next: bigint | undefined
  end: bigint | undefined
  newestEventMs: number | undefined
  /** When the log appended the last message that was written. */
  writtenMs: number
  /** Of fetches that are not written whole, the oldest first. */
  waiting: { readonly last: bigint; readonly firstMs: number }[]
}

export interface StageMeterOptions {
  readonly clock: Clock
  readonly pause?: PauseSwitch
  /** Told each time that the stage gets on. */
  readonly onAlive?: () => void
  /** For the time that only goes forward; the process's own by default. */
  readonly elapsedMs?: () => number
}

export class StageMeter implements StageObserver {
  readonly #clock: Clock
  readonly #elapsedMs: () => number
  readonly #onAlive: () => void
  readonly #pause: PauseSwitch | undefined
  readonly #startedMs: number
  readonly #begunMs: number
  #aliveMs: number
  #state: StageReading['state'] = 'running'
  #problem: StageReading['problem'] = null
  #failures = 0
  #counts = { messages: 0, events: 0, rejected: 0, late: 0 }
  #known = { rejected: false, late: false }
  #lastCommit: StageReading['lastCommit'] = null
  #inFlight = { messages: 0, bytes: 0 }
  readonly #recent: { readonly atMs: number; readonly messages: number }[] = []
  readonly #partitions = new Map<number, Partition>()
  #assigned: ReadonlySet<number> | undefined

  constructor({
    clock,
    pause,
    onAlive = () => undefined,
    elapsedMs = () => performance.now(),
  }: StageMeterOptions) {
    this.#clock = clock
    this.#elapsedMs = elapsedMs
    this.#onAlive = onAlive
    this.#pause = pause
    this.#startedMs = clock.now()
    this.#begunMs = elapsedMs()
    this.#aliveMs = this.#begunMs
  }

  entered(state: StageState): void {
    switch (state.kind) {
      case 'reading':
      case 'writing':
        // After a failure it has not gone on before a batch is written.
        if (state.failures > 0 && this.#state === 'retrying') return
        this.#is('running')
        break
      case 'retrying':
        this.#failures += 1
        this.#is('retrying', problemOf(state.error))
        break
      case 'paused':
        this.alive()
        this.#is('paused')
        break
      case 'ended':
      case 'failed':
        break
    }
  }

  received(event: ConsumerEvent): void {
    this.alive()
    if (event.kind === 'assigned') {
      this.#assigned = new Set(event.partitions)
      this.dropped()
    }
    if (event.kind === 'fetched') this.#fetched(event.fetch)
  }

  wrote(batch: MicroBatch<Message>, counts: WrittenCounts): void {
    this.alive()
    this.#is('running')
    const { messages } = batch
    this.#counts.messages += messages.length
    this.#counts.events += counts.events
    this.#counts.rejected += counts.rejected ?? 0
    this.#counts.late += counts.late ?? 0
    this.#known = { rejected: counts.rejected !== undefined, late: counts.late !== undefined }
    this.#lastCommit = { atMs: this.#clock.now(), version: counts.version ?? null }
    this.#inFlight.messages = Math.max(0, this.#inFlight.messages - messages.length)
    this.#inFlight.bytes = Math.max(0, this.#inFlight.bytes - bytesOf(messages))
    this.#recent.push({ atMs: this.#elapsedMs(), messages: messages.length })
    for (const message of messages) this.#partition(message.partition).writtenMs = message.timestampMs
    for (const [number, next] of batch.next) {
      const partition = this.#partition(number)
      partition.next = next
      partition.waiting = partition.waiting.filter(({ last }) => last >= next)
      partition.newestEventMs = counts.newestEventMs?.get(number) ?? partition.newestEventMs
    }
  }

  dropped(): void {
    this.#inFlight = { messages: 0, bytes: 0 }
  }

  /** The stage is there, though it does nothing: it is paused. */
  alive(): void {
    this.#aliveMs = this.#elapsedMs()
    this.#onAlive()
  }

  ended(error?: unknown): void {
    this.dropped()
    if (error === undefined) this.#is('stopped')
    else this.#is('failed', problemOf(error))
  }

  get isPaused(): boolean {
    return this.#state === 'paused'
  }

  /** Where the log ends now, or that it did not say. */
  sawEnds(ranges: readonly PartitionRange[] | undefined): void {
    if (ranges === undefined) for (const partition of this.#partitions.values()) partition.end = undefined
    for (const { partition: number, start, end } of ranges ?? []) {
      const partition = this.#partition(number)
      partition.end = end
      // Nothing of it is in the sink: it is read from its oldest message on.
      if (this.#assigned?.has(number) === true) partition.next ??= start
    }
  }

  startsAt(partitions: readonly number[], positions: Positions): void {
    for (const number of partitions) {
      const partition = this.#partition(number)
      const next = positions.get(number)
      partition.next = next
      partition.waiting = partition.waiting.filter(({ last }) => next === undefined || last >= next)
    }
  }

  /** Of a producer, which has no sink but the log. @param messages since the start. */
  sent(messages: number): void {
    this.alive()
    this.#recent.push({ atMs: this.#elapsedMs(), messages: messages - this.#counts.messages })
    this.#counts.messages = messages
    this.#counts.events = messages
  }

  get #problemNow(): StageReading['problem'] {
    if (this.#state !== 'paused') return this.#problem
    return { code: 'STAGE_PAUSED', message: this.#pause?.reason ?? '' }
  }

  reading(): StageReading {
    const nowMs = this.#elapsedMs()
    while ((this.#recent[0]?.atMs ?? nowMs) < nowMs - rateOverMs) this.#recent.shift()
    const overMs = Math.min(rateOverMs, Math.max(1, nowMs - this.#begunMs))
    const recent = this.#recent.reduce((sum, { messages }) => sum + messages, 0)
    const partitions = [...this.#partitions]
      .filter(([number]) => this.#assigned?.has(number) ?? true)
      .sort(([a], [b]) => a - b)
      .map(([number, partition]) => this.#readPartition(number, partition))
    const watermarks = partitions.flatMap(({ watermarkMs }) => watermarkMs ?? [])
    const watermarkMs = watermarks.length === 0 ? null : Math.min(...watermarks)
    return {
      state: this.#state,
      startedMs: this.#startedMs,
      quietMs: Math.round(nowMs - this.#aliveMs),
      messagesPerSecond: Math.round((recent / overMs) * 10_000) / 10,
      messages: this.#counts.messages,
      events: this.#counts.events,
      rejected: this.#known.rejected ? this.#counts.rejected : null,
      late: this.#known.late ? this.#counts.late : null,
      partitions,
      watermarkMs,
      watermarkDelayMs: watermarkMs === null ? null : Math.max(0, this.#clock.now() - watermarkMs),
      lastCommit: this.#lastCommit,
      inFlight: { ...this.#inFlight },
      residentBytes: process.memoryUsage.rss(),
      failures: this.#failures,
      problem: this.#problemNow,
    }
  }

  #readPartition(
    partition: number,
    { next, end, newestEventMs, waiting, writtenMs }: Partition,
  ): PartitionReading {
    const lag = next === undefined || end === undefined ? undefined : end > next ? end - next : 0n
    const oldest = waiting[0]
    // A fetch that is written in part waits since the last message that is written, at the longest.
    const waitsSinceMs = oldest && Math.max(oldest.firstMs, writtenMs)
    return {
      partition,
      next: next === undefined ? null : Number(next),
      end: end === undefined ? null : Number(end),
      lagMessages: lag === undefined ? null : Number(lag),
      lagMs:
        waitsSinceMs !== undefined ? Math.max(0, this.#clock.now() - waitsSinceMs) : lag === 0n ? 0 : null,
      watermarkMs: newestEventMs === undefined ? null : newestEventMs - watermarkDelayMs,
    }
  }

  #fetched({ partition: number, messages, next }: Fetch): void {
    this.#inFlight.messages += messages.length
    this.#inFlight.bytes += bytesOf(messages)
    const [first] = messages
    if (first === undefined) return
    const partition = this.#partition(number)
    partition.next ??= first.offset
    // The log has come further than when it was asked last.
    if (partition.end !== undefined && partition.end < next) partition.end = next
    // Read again after a failure: it has been waiting since the first time.
    const known = partition.waiting.at(-1)
    if (known !== undefined && known.last >= next - 1n) return
    partition.waiting.push({ last: next - 1n, firstMs: first.timestampMs })
  }

  #partition(number: number): Partition {
    const known = this.#partitions.get(number)
    if (known !== undefined) return known
    const made: Partition = {
      next: undefined,
      end: undefined,
      newestEventMs: undefined,
      writtenMs: 0,
      waiting: [],
    }
    this.#partitions.set(number, made)
    return made
  }

  #is(state: StageReading['state'], problem: StageReading['problem'] = null): void {
    this.#state = state
    this.#problem = problem
  }
}

function bytesOf(messages: readonly Message[]): number {
  let bytes = 0
  for (const { value } of messages) bytes += value?.byteLength ?? 0
  return bytes
}

function problemOf(error: unknown): NonNullable<StageReading['problem']> {
  return { code: isLakeError(error) ? error.code : 'BUG', message: messageOf(error) }
}
