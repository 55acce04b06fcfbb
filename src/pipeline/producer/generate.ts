/**
 * The messages that the producer sends, with what each truly is. A pure function of its options and of the
 * times that it is asked for: same seed, options and times, same bytes.
 */
import type { UserEvent } from '../model/event.ts'
import { surelyLateMs } from '../model/time-rules.ts'
import { malformed } from './malformed.ts'
import { Population, shareOf } from './population.ts'
import { type ProfileName, profiles } from './profile.ts'
import { type Random, seededRandom } from './random.ts'

/** Fractions, in [0, 1], of all messages; together at most 1. */
export interface Dials {
  /** Valid events whose window was closed before they come, by their partition's own clock. */
  readonly late: number
  /** Deliveries of the same bytes once more, on the same UTC day. */
  readonly duplicate: number
  /** What will be rejected or quarantined. */
  readonly malformed: number
}

export interface GeneratorOptions extends Dials {
  /** A whole number, of which the lowest 32 bits count. */
  readonly seed: number
  readonly profile: ProfileName
  /** How many users there are at the start. */
  readonly users: number
  /** Late events are no older than this. */
  readonly notBeforeMs: number
}

/** One message, with what it truly is. */
export type Delivery =
  | {
      readonly kind: 'valid' | 'duplicate'
      readonly key: Buffer
      readonly value: Buffer
      readonly event: UserEvent
    }
  | { readonly kind: 'malformed'; readonly key: Buffer; readonly value: Buffer }

type ValidDelivery = Extract<Delivery, { event: UserEvent }>

/** When a message is made. Users who stay away do so for a whole cycle. */
export interface MessageTime {
  readonly timeMs: number
  readonly cycle: number
}

const dayMs = 86_400_000
const furthestLateMs = 30 * 60_000
const recentDeliveries = 500
const buying = -1

export class EventGenerator {
  readonly #options: GeneratorOptions
  readonly #random: Random
  readonly #population: Population
  /** The newest event time of each user: their messages share a partition, so it is a floor of its newest. */
  readonly #newestMs = new Map<number, number>()
  #recent: ValidDelivery[] = []
  #recentDay = Number.NaN
  #lastText = { timeMs: Number.NaN, text: '' }

  constructor(options: GeneratorOptions) {
    this.#options = options
    this.#random = seededRandom(options.seed)
    this.#population = new Population(this.#random, options.users)
  }

  /** How many users there are by now. */
  get users(): number {
    return this.#population.size
  }

  next({ timeMs, cycle }: MessageTime): Delivery {
    const { late, duplicate, malformed: broken } = this.#options
    const draw = this.#random.fraction()
    const day = Math.floor(timeMs / dayMs)
    if (day !== this.#recentDay) {
      this.#recent = []
      this.#recentDay = day
    }
    if (draw < broken) {
      const event = this.#event(this.#population.next(cycle), timeMs)
      return { kind: 'malformed', key: keyOf(event), value: malformed(event, this.#random) }
    }
    if (draw < broken + duplicate) {
      const again = this.#recent[this.#random.below(this.#recent.length)]
      if (again) return { ...again, kind: 'duplicate' }
    }
    const user = this.#population.next(cycle)
    const isLate = draw >= broken + duplicate && draw < broken + duplicate + late
    return this.#valid(user, (isLate ? this.#lateTime(user) : undefined) ?? timeMs, day)
  }

  #valid(user: number, eventMs: number, day: number): Delivery {
    const event = this.#event(user, eventMs)
    const delivery: ValidDelivery = {
      kind: 'valid',
      key: keyOf(event),
      value: bytesOf(event),
      event,
    }
    this.#newestMs.set(user, Math.max(eventMs, this.#newestMs.get(user) ?? 0))
    if (Math.floor(eventMs / dayMs) === day) {
      if (this.#recent.length < recentDeliveries) this.#recent.push(delivery)
      else this.#recent[this.#random.below(recentDeliveries)] = delivery
    }
    return delivery
  }

  /** A time that is late for this user's partition, where there is one. */
  #lateTime(user: number): number | undefined {
    const newestMs = this.#newestMs.get(user)
    if (newestMs === undefined) return undefined
    const timeMs = newestMs - surelyLateMs - this.#random.below(furthestLateMs - surelyLateMs)
    return timeMs < this.#options.notBeforeMs ? undefined : timeMs
  }

  /** Of several events of one time, the text is made once. */
  #textOf(timeMs: number): string {
    if (timeMs !== this.#lastText.timeMs) this.#lastText = { timeMs, text: new Date(timeMs).toISOString() }
    return this.#lastText.text
  }

  #event(user: number, timeMs: number): UserEvent {
    const profile = profiles[this.#options.profile]
    const wished = this.#random.weighted(profile.types) ?? 'click'
    const type = wished === 'purchase' && shareOf(user, buying) >= profile.buyers ? 'click' : wished
    return {
      event_id: this.#random.uuid(),
      user_id: user,
      event_type: type,
      page: this.#random.weighted(profile.pages[type]) ?? '/home',
      timestamp: this.#textOf(timeMs),
      source: this.#random.weighted(profile.sources) ?? 'web',
    }
  }
}

/** As `JSON.stringify` has it, for events whose texts need no escapes: all that are generated. */
function bytesOf({
  event_id: id,
  user_id: user,
  event_type: type,
  page,
  timestamp,
  source,
}: UserEvent): Buffer {
  return Buffer.from(
    `{"event_id":"${id}","user_id":${user},"event_type":"${type}","page":"${page}","timestamp":"${timestamp}","source":"${source}"}`,
  )
}

function keyOf(event: UserEvent): Buffer {
  return Buffer.from(String(event.user_id))
}
