/**
 * When the messages of a steady rate are due: at multiples of 1 / rate from the start, whatever sending takes.
 * Time that a long hold-up took is left out, not made up for by a burst, and a clock that goes back holds up nothing.
 */
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import type { IoOptions } from '../../lib/base/io.ts'

const tickMs = 20
const holdUpMs = 5_000
const burst = 1_000

export class Pace {
  readonly #perSecond: number
  readonly #clock: Clock
  #startMs: number
  #seenMs: number
  #given = 0

  constructor(perSecond: number, clock: Clock = systemClock) {
    this.#perSecond = perSecond
    this.#clock = clock
    this.#startMs = clock.now()
    this.#seenMs = this.#startMs
  }

  /** Waits until messages are due, and returns how many: at least one, and at most `limit`. */
  async due(limit: number, { signal }: IoOptions = {}): Promise<number> {
    for (;;) {
      signal?.throwIfAborted()
      const nowMs = this.#clock.now()
      this.#startMs -= Math.max(0, this.#seenMs - nowMs)
      this.#seenMs = nowMs
      const behindMs = nowMs - this.#dueMs(this.#given)
      if (behindMs > holdUpMs) this.#startMs += behindMs
      const due = Math.floor(((nowMs - this.#startMs) * this.#perSecond) / 1_000) + 1 - this.#given
      if (due > 0) {
        const count = Math.min(due, limit, burst)
        this.#given += count
        return count
      }
      await this.#clock.sleep(Math.max(tickMs, Math.ceil(this.#dueMs(this.#given) - nowMs)), { signal })
    }
  }

  #dueMs(index: number): number {
    return this.#startMs + (index * 1_000) / this.#perSecond
  }
}
