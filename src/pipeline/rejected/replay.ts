/**
 * Replay: rejected messages go back to the log, repaired, each once.
 *
 * A message is recorded as intended before it is sent, together with the ends of the log. After it was sent, the log is read
 * from there, and what carries its header is recorded with its new place. If a process is killed in between, the next replay
 * begins by reading the log in the same way: what is there is confirmed, what is not there may be sent again.
 */
import type { Clock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { JsonValue } from '../../lib/base/json.ts'
import type { Logger } from '../../lib/base/log.ts'
import type { EventLog, ExclusiveAppender } from '../../lib/eventlog/eventlog.ts'
import type { Lease } from '../../lib/runs/leases.ts'
import type { Arrival, MessagePlace, ReplayedMessage } from '../../lib/runs/replay/replay-book.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import { Pace } from '../producer/pace.ts'
import { replayWriter } from '../streaming/consumer-groups.ts'
import { type Choice, type ChosenPage, chooseLetters, type Refused, type Repaired } from './choose.ts'
import type { FixScript } from './fix-script.ts'
import type { Letter, LetterFilter, LettersContext } from './letters.ts'
import { findReplays, replayOf, withReplayHeader } from './replay-header.ts'

export interface ReplayContext extends LettersContext {
  readonly log: EventLog
  readonly store: Pick<RunStore, 'leases' | 'replays'>
  readonly clock: Clock
  readonly logger: Logger
}

export interface ReplayRequest {
  readonly filter: LetterFilter
  /** Without it, messages go as they are: the rules may have become milder. */
  readonly script?: FixScript
  /** At most so many are sent. */
  readonly limit: number
  readonly perSecond: number
  /** Who asks, and why. */
  readonly actor: string
  readonly note: string
  /** Send again what an earlier replay may have sent, where the log no longer tells. */
  readonly acceptDoubt?: boolean
  readonly onProgress?: (sent: number) => void
}

/** What became of what an earlier replay had begun to send. */
export interface Settled {
  /** They were in the log. */
  readonly confirmed: number
  /** They were not. */
  readonly withdrawn: number
  /** The log no longer tells. */
  readonly doubtful: readonly MessagePlace[]
}

export interface ReplayReport {
  /** `undefined`: nothing was sent. */
  readonly replay: number | undefined
  readonly settled: Settled
  readonly sent: readonly Arrival[]
  readonly refused: readonly Refused[]
  readonly left: number
  /** The limit was reached: there may be more. */
  readonly isLimited: boolean
}

export interface ReplayPreview {
  readonly ready: readonly Repaired[]
  readonly refused: readonly Refused[]
  readonly left: number
  readonly isLimited: boolean
}

const pageSize = 500
const secondsOfChunk = 10
const readableWithinMs = 30_000
const askAgainMs = 100

/** What `replayLetters` would send: nothing is changed. */
export async function previewReplay(
  context: ReplayContext,
  request: Pick<ReplayRequest, 'filter' | 'script' | 'limit'>,
  { signal }: IoOptions = {},
): Promise<ReplayPreview> {
  const messages = await context.store.replays.messages({ topic: context.log.topic }, { signal })
  const [ready, refused]: [Repaired[], Refused[]] = [[], []]
  let left = 0
  const choice = choiceOf(context, request, messages, pageSize)
  for await (const page of chooseLetters(context, choice, { signal })) {
    ready.push(...page.ready.slice(0, request.limit - ready.length))
    refused.push(...page.refused)
    left += page.left.length
    if (ready.length >= request.limit) break
  }
  return { ready, refused, left, isLimited: ready.length >= request.limit }
}

/**
 * Replays what the request means, and first settles what an earlier replay has left open. One replay of a topic goes on at a
 * time.
 *
 * @throws LakeError `RUN_BUSY` beside another replay; `SQL_INVALID`; whatever the log or the run store say. What was sent until
 * then is settled by the next replay.
 */
export function replayLetters(
  context: ReplayContext,
  request: ReplayRequest,
  { signal }: IoOptions = {},
): Promise<ReplayReport> {
  return context.store.leases.withLease(
    `replay of rejected messages of ${context.log.topic}`,
    (held) => new ReplayRun(context, request, held.lease).run({ signal: held.signal }),
    { signal },
  )
}

function choiceOf(
  { log, clock }: ReplayContext,
  { filter, script }: Pick<ReplayRequest, 'filter' | 'script'>,
  messages: readonly ReplayedMessage[],
  size: number,
): Choice {
  return {
    topic: log.topic,
    filter,
    fix: script?.fix,
    known: messages.map(({ from }) => from),
    pageSize: size,
    now: () => clock.now(),
  }
}

class ReplayRun {
  readonly #context: ReplayContext
  readonly #request: ReplayRequest
  readonly #lease: Lease
  readonly #pace: Pace
  #replay: number | undefined
  readonly #sent: Arrival[] = []
  readonly #refused: Refused[] = []
  #left = 0
  #appender: ExclusiveAppender | undefined

  constructor(context: ReplayContext, request: ReplayRequest, lease: Lease) {
    this.#context = context
    this.#request = request
    this.#lease = lease
    this.#pace = new Pace(request.perSecond, context.clock)
  }

  async run({ signal }: IoOptions): Promise<ReplayReport> {
    const { log } = this.#context
    const { limit, perSecond, acceptDoubt = false } = this.#request
    // Before the log is read: what a killed replay has on its way must not arrive after that.
    this.#appender = await log.appendAs?.(replayWriter(log.topic), { signal })
    try {
      return await this.#replayAll({ limit, perSecond, acceptDoubt, signal })
    } finally {
      await this.#appender?.[Symbol.asyncDispose]()
    }
  }

  async #replayAll({
    limit,
    perSecond,
    acceptDoubt,
    signal,
  }: Pick<ReplayRequest, 'limit' | 'perSecond'> &
    IoOptions & { readonly acceptDoubt: boolean }): Promise<ReplayReport> {
    const { log, store } = this.#context
    const settled = await settle(this.#context, { acceptDoubt, signal })
    const messages = await store.replays.messages({ topic: log.topic }, { signal })
    // A page is recorded as intended at once: at a low rate it must not take for ever.
    const size = Math.max(1, Math.min(pageSize, Math.floor(perSecond * secondsOfChunk)))
    const choice = choiceOf(this.#context, this.#request, messages, size)
    try {
      for await (const page of chooseLetters(this.#context, choice, { signal })) {
        await this.#take(page, { signal })
        if (this.#sent.length >= limit) break
      }
    } finally {
      await this.#end()
    }
    return {
      replay: this.#replay,
      settled,
      sent: this.#sent,
      refused: this.#refused,
      left: this.#left,
      isLimited: this.#sent.length >= limit,
    }
  }

  async #take(page: ChosenPage, { signal }: IoOptions): Promise<void> {
    this.#refused.push(...page.refused)
    this.#left += page.left.length
    const ready = page.ready.slice(0, this.#request.limit - this.#sent.length)
    if (ready.length > 0) await this.#send(ready, { signal })
  }

  async #send(ready: readonly Repaired[], { signal }: IoOptions): Promise<void> {
    const { log, store } = this.#context
    const { topic } = log
    this.#replay ??= await this.#begin({ signal })
    const logEnds = new Map((await log.partitions({ signal })).map(({ partition, end }) => [partition, end]))
    const places = ready.map(({ letter }) => letter)
    await store.replays.intend(
      { lease: this.#lease, replay: this.#replay, topic, places, logEnds },
      { signal },
    )
    for (let from = 0; from < ready.length; ) {
      const due = await this.#pace.due(ready.length - from, { signal })
      const messages = ready.slice(from, from + due).map(({ letter, message }) => ({
        ...message,
        headers: withReplayHeader(message.headers ?? [], replayOf(topic, letter)),
      }))
      signal?.throwIfAborted()
      await (this.#appender ?? log).append(messages)
      from += due
      this.#request.onProgress?.(this.#sent.length + from)
    }
    const arrived = await this.#arrivals(places, logEnds, { signal })
    await store.replays.confirm(topic, arrived, { signal })
    this.#sent.push(...arrived)
    if (arrived.length === places.length) return
    throw new LakeError(
      'EVENTLOG_UNAVAILABLE',
      `replay ${this.#replay}: sent ${places.length} messages to ${topic}, and found ${arrived.length} of them in the log`,
      { details: { topic, replay: this.#replay, fault: 'replay-unsettled' } },
    )
  }

  /** Kafka lets nobody read a transaction until its markers are written, which is some time after it was acknowledged. */
  async #arrivals(
    places: readonly Letter[],
    logEnds: ReadonlyMap<number, bigint>,
    { signal }: IoOptions,
  ): Promise<readonly Arrival[]> {
    const { log, clock } = this.#context
    const untilMs = performance.now() + readableWithinMs
    for (;;) {
      const { found, doubled } = await findReplays(log, logEnds, { signal })
      warnOfDoubled(this.#context, doubled)
      const arrived = arrivalsOf(log.topic, places, found)
      if (arrived.length === places.length || performance.now() > untilMs) return arrived
      await clock.sleep(askAgainMs, { signal })
    }
  }

  #begin(options: IoOptions): Promise<number> {
    const { filter, script, limit, perSecond, actor, note } = this.#request
    const { partition, offset, reason, sinceMs, where } = filter
    const content: JsonValue = {
      ...(partition !== undefined && { partition }),
      ...(offset !== undefined && { offset }),
      ...(reason !== undefined && { reason }),
      ...(sinceMs !== undefined && { since: new Date(sinceMs).toISOString() }),
      ...(where !== undefined && { where }),
      ...(script && { fix: script.path, fixHash: script.hash }),
      limit,
      perSecond,
    }
    return this.#context.store.replays.begin(
      { topic: this.#context.log.topic, actor, note, content },
      options,
    )
  }

  /** Also of a replay that fails, so that its record says how far it came; the failure itself goes first. */
  async #end(): Promise<void> {
    if (this.#replay === undefined) return
    const outcome = { sent: this.#sent.length, refused: this.#refused.length, left: this.#left }
    await this.#context.store.replays.end(this.#replay, outcome).catch((error: unknown) => {
      this.#context.logger.warn({ err: error, replay: this.#replay }, 'The end of a replay was not recorded')
    })
  }
}

/** Finds out what became of the messages that a replay had begun to send when it ended. */
async function settle(
  context: ReplayContext,
  { acceptDoubt, signal }: IoOptions & { readonly acceptDoubt: boolean },
): Promise<Settled> {
  const { log, store } = context
  const { topic } = log
  const open = (await store.replays.messages({ topic }, { signal })).filter(({ to }) => to === undefined)
  if (open.length === 0) return { confirmed: 0, withdrawn: 0, doubtful: [] }
  const { found, doubled, isComplete } = await findReplays(log, leastEnds(open), { signal })
  warnOfDoubled(context, doubled)
  const places = open.map(({ from }) => from)
  const arrived = arrivalsOf(topic, places, found)
  await store.replays.confirm(topic, arrived, { signal })
  const missing = places.filter((place) => !found.has(replayOf(topic, place)))
  const isKnown = isComplete || acceptDoubt
  if (isKnown) await store.replays.withdraw(topic, missing, { signal })
  return {
    confirmed: arrived.length,
    withdrawn: isKnown ? missing.length : 0,
    doubtful: isKnown ? [] : missing,
  }
}

function warnOfDoubled({ logger }: ReplayContext, doubled: ReadonlySet<string>): void {
  for (const of of doubled) logger.warn({ of }, 'The log holds a replayed message twice')
}

function leastEnds(messages: readonly ReplayedMessage[]): ReadonlyMap<number, bigint> {
  const least = new Map<number, bigint>()
  for (const { logEnds } of messages) {
    for (const [partition, end] of logEnds) {
      const known = least.get(partition)
      least.set(partition, known === undefined || end < known ? end : known)
    }
  }
  return least
}

function arrivalsOf(
  topic: string,
  places: readonly (MessagePlace | Letter)[],
  found: ReadonlyMap<string, MessagePlace>,
): readonly Arrival[] {
  return places.flatMap(({ partition, offset, appendedMs }) => {
    const from = { partition, offset, appendedMs }
    const to = found.get(replayOf(topic, from))
    return to === undefined ? [] : [{ from, to }]
  })
}
