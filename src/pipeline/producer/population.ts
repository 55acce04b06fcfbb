/**
 * The users: ids from 1, a base that grows and never shrinks, a part of it active.
 *
 * Four of five events are by active users. The others are by someone who comes anew, and is active from then on,
 * and by those who come back, each in the place of one who was active.
 */
import type { Random } from './random.ts'

const activeShare = 0.6
const activeEvents = 0.8
const newcomerEvents = 1 / 2_000
const absentShare = 0.3

export class Population {
  readonly #random: Random
  readonly #active: number[] = []
  #size: number

  constructor(random: Random, size: number) {
    this.#random = random
    this.#size = size
    for (let place = 0; place < Math.ceil(size * activeShare); place++)
      this.#active.push(1 + random.below(size))
  }

  /** How many users there are; their ids are 1 to this. */
  get size(): number {
    return this.#size
  }

  /** The user of the next event. In each cycle (a day, say) some stay away. */
  next(cycle: number): number {
    const draw = this.#random.fraction()
    if (draw >= activeEvents) {
      const isNew = draw >= 1 - newcomerEvents
      const user = isNew ? ++this.#size : 1 + this.#random.below(this.#size)
      const place = this.#random.below(this.#active.length)
      if (isNew) this.#active.push(user)
      else this.#active[place] = user
      return user
    }
    let user = 1
    for (let tries = 0; tries < 4; tries++) {
      user = this.#active[this.#random.below(this.#active.length)] ?? 1
      if (shareOf(user, cycle) >= absentShare) break
    }
    return user
  }
}

/** A number in [0, 1) that a user and a purpose always give again. */
export function shareOf(user: number, purpose: number): number {
  let hash = Math.imul(user, 0x9e3779b1) ^ Math.imul(purpose + 1, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32
}
