/**
 * Sends events to the log, or lines as they stand, and says what was truly sent.
 *
 * What the log has not acknowledged is kept and sent again, in order. An append whose outcome is unknown may
 * then be in the log twice: the report counts such messages as `uncertain`, the ledger counts acknowledgements.
 */
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { LakeError, messageOf } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import { retry } from '../../lib/base/retry.ts'
import type { NewMessage } from '../../lib/eventlog/eventlog.ts'
import { type Delivery, type Dials, EventGenerator, type MessageTime } from './generate.ts'
import { type History, historyTimes, startOf } from './history.ts'
import { checkLedgerPath, Ledger, writeLedger } from './ledger.ts'
import { keyOfLine } from './lines.ts'
import { Pace } from './pace.ts'
import type { ProfileName } from './profile.ts'
import type { MessageSink } from './sink.ts'

export interface Live {
  readonly eventsPerSecond: number
  /** Absent: until stopped. */
  readonly count?: number
}

export interface ProduceOptions extends Partial<Dials> {
  /** A whole number, of which the lowest 32 bits count. */
  readonly seed: number
  /** `count` is of messages in all, duplicates and malformed ones among them. */
  readonly plan: ({ readonly kind: 'history' } & History) | ({ readonly kind: 'live' } & Live)
  readonly profile?: ProfileName
  /** Users at the start; a later run goes on with the `users` of an earlier report. */
  readonly users?: number
  /** Where to write what was sent, also when stopped or failing. */
  readonly ledgerPath?: string
}

export interface ProduceIo extends IoOptions {
  readonly clock?: Clock
  readonly logger?: Logger
  /** Some times a second: how many were acknowledged, and of how many, where that is known. */
  readonly onProgress?: (sent: number, total: number | undefined) => void
}

export interface ProduceReport {
  readonly sent: number
  /** Messages of appends that failed at least once: each may be in the log once more than it was counted. */
  readonly uncertain: number
  /** `stopped`: the signal came before the end. */
  readonly end: 'complete' | 'stopped'
}

export interface EventsReport extends ProduceReport {
  readonly seed: number
  readonly users: number
}

const batchMessages = 1_000
/** So that a log takes a batch as one piece: what fails in the middle would be sent twice in part. */
const batchBytes = 800_000
const progressMs = 200
const cycleMessages = 20_000

/**
 * Sends generated events: history at full speed and in the order of event times (apart from late ones), or live
 * ones at a steady rate with the clock's time.
 *
 * @throws LakeError what the sink says for good, `USAGE` for options that make no sense, or `FILE_UNWRITABLE` for
 * the ledger. An abort is no error: the messages in hand are finished first.
 */
export async function produce(
  sink: MessageSink,
  options: ProduceOptions,
  io: ProduceIo = {},
): Promise<EventsReport> {
  const { seed, plan, profile = 'web', users = 100, ledgerPath } = options
  checkOptions(options, (io.clock ?? systemClock).now())
  if (ledgerPath !== undefined) await checkLedgerPath(ledgerPath)
  const { late = 0, duplicate = 0, malformed = 0 } = options
  const notBeforeMs = plan.kind === 'history' ? startOf(plan) : 0
  const generator = new EventGenerator({ seed, profile, users, notBeforeMs, late, duplicate, malformed })
  const ledger = new Ledger()
  const batches = plan.kind === 'history' ? historyBatches(plan, seed) : liveBatches(plan, io)
  const sender = new Sender(sink, plan.count, io)
  let end: ProduceReport['end'] = 'complete'
  try {
    for await (const times of batches) {
      const deliveries = times.map((time) => generator.next(time))
      await sender.send(deliveries)
      if (ledgerPath !== undefined) for (const delivery of deliveries) ledger.add(delivery)
      // A turn of the event loop, so that a signal is heard at full speed too.
      await new Promise((resolve) => setImmediate(resolve))
    }
  } catch (error) {
    if (!io.signal?.aborted || error !== io.signal.reason) throw error
    end = 'stopped'
  } finally {
    if (ledgerPath !== undefined) await writeLedger(ledgerPath, ledger.toFile())
  }
  return { ...sender.report, end, seed, users: generator.users }
}

/**
 * Sends each line's bytes as they stand, keyed by its `user_id` where it has one. Lines that are handed on
 * together are sent together. Otherwise as `produce`.
 */
export async function produceLines(
  sink: MessageSink,
  lines: AsyncIterable<readonly Uint8Array[]>,
  io: ProduceIo = {},
): Promise<ProduceReport> {
  const sender = new Sender(sink, undefined, io)
  try {
    for await (const group of lines)
      for (const batch of batchesOf(group))
        await sender.send(batch.map((value) => ({ key: keyOfLine(value), value })))
  } catch (error) {
    if (!io.signal?.aborted || error !== io.signal.reason) throw error
    return { ...sender.report, end: 'stopped' }
  }
  return { ...sender.report, end: 'complete' }
}

function checkOptions({ plan, late = 0, duplicate = 0, malformed = 0 }: ProduceOptions, nowMs: number): void {
  const fractions = { late, duplicate, malformed }
  for (const [name, value] of Object.entries(fractions))
    expectThat(value >= 0 && value <= 1, `${name}: expected a fraction in [0, 1], got ${value}`)
  const sum = late + duplicate + malformed
  expectThat(sum <= 1, `late, duplicate and malformed: expected 1 at most together, got ${sum}`)
  if (plan.count !== undefined)
    expectThat(plan.count >= 0, `count: expected a number that is not negative, got ${plan.count}`)
  if (plan.kind === 'live')
    expectThat(
      plan.eventsPerSecond > 0,
      `events per second: expected more than 0, got ${plan.eventsPerSecond}`,
    )
  else {
    const until = `until ${new Date(plan.untilMs).toISOString()}`
    expectThat(plan.untilMs <= nowMs, `${until}: expected a time that has come: history has no future`)
    expectThat(
      Number.isInteger(plan.days) && plan.days > 0 && startOf(plan) >= 0,
      `${until}: expected whole days that begin after 1970, got ${plan.days}`,
    )
  }
}

function expectThat(isTrue: boolean, message: string): void {
  if (!isTrue) throw new LakeError('USAGE', message)
}

function* batchesOf(lines: readonly Uint8Array[]): Iterable<readonly Uint8Array[]> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for (const line of lines) {
    if (batch.length >= batchMessages || (batch.length > 0 && bytes + line.length > batchBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(line)
    bytes += line.length
  }
  if (batch.length > 0) yield batch
}

function* historyBatches(history: History, seed: number): Iterable<readonly MessageTime[]> {
  let batch: MessageTime[] = []
  for (const time of historyTimes(history, seed)) {
    batch.push(time)
    if (batch.length < batchMessages) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function* liveBatches(
  { eventsPerSecond, count = Number.POSITIVE_INFINITY }: Live,
  { signal, clock = systemClock }: ProduceIo,
): AsyncGenerator<readonly MessageTime[]> {
  const pace = new Pace(eventsPerSecond, clock)
  for (let made = 0; made < count; ) {
    const due = await pace.due(count - made, { signal })
    const timeMs = clock.now()
    yield Array.from({ length: due }, (_, n) => ({ timeMs, cycle: Math.floor((made + n) / cycleMessages) }))
    made += due
  }
}

class Sender {
  readonly #sink: MessageSink
  readonly #total: number | undefined
  readonly #io: ProduceIo
  #sent = 0
  #uncertain = 0
  #toldMs = 0

  constructor(sink: MessageSink, total: number | undefined, io: ProduceIo) {
    this.#sink = sink
    this.#total = total
    this.#io = io
  }

  get report(): { readonly sent: number; readonly uncertain: number } {
    return { sent: this.#sent, uncertain: this.#uncertain }
  }

  /** Resolves when all are acknowledged, however often that takes; between attempts it can be aborted. */
  async send(messages: readonly (NewMessage | Delivery)[]): Promise<void> {
    const { signal, clock = systemClock, logger = silentLogger, onProgress } = this.#io
    signal?.throwIfAborted()
    const plain = messages.map(({ key, value }) => ({ key, value }))
    await retry(
      async (attempt) => {
        try {
          await this.#sink.append(plain)
        } catch (error) {
          if (attempt === 1) this.#uncertain += plain.length
          throw error
        }
      },
      {
        signal,
        clock,
        maxAttempts: Number.POSITIVE_INFINITY,
        firstDelayMs: 200,
        onRetry: (error, attempt, delayMs) =>
          logger.warn(
            { messages: plain.length, attempt, delayMs: Math.round(delayMs) },
            `not acknowledged, sending again (some may then be there twice): ${messageOf(error)}`,
          ),
      },
    )
    this.#sent += plain.length
    const nowMs = performance.now()
    if (nowMs - this.#toldMs < progressMs && this.#sent !== this.#total) return
    this.#toldMs = nowMs
    onProgress?.(this.#sent, this.#total)
  }
}
