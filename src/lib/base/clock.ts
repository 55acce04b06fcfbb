/** Time as a parameter, so that a test can own it. */
import type { IoOptions } from './io.ts'

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves after `ms`; rejects with the abort reason when aborted before. */
  sleep(ms: number, options?: IoOptions): Promise<void>
}

/** A timer that is set for longer fires at once. */
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, { signal } = {}) => {
    let leftMs = ms
    for (; leftMs > longestTimerMs; leftMs -= longestTimerMs) await timer(longestTimerMs, { signal })
    await timer(leftMs, { signal })
  },
}

function timer(ms: number, { signal }: IoOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const abort = (): void => {
      clearTimeout(waiting)
      reject(signal?.reason)
    }
    const waiting = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** A clock that moves when it is told to, and wakes sleepers in the order of their times. */
export class ManualClock implements Clock {
  #nowMs: number
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = []

  constructor(nowMs = 0) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  sleep(ms: number, { signal }: IoOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = (): void => {
        this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1)
        reject(signal?.reason)
      }
      const wake = (): void => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      const sleeper = { atMs: this.#nowMs + ms, wake }
      this.#sleepers.push(sleeper)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** How many are asleep: lets a test wait until the code under test has gone to sleep. */
  get sleeping(): number {
    return this.#sleepers.length
  }

  advance(ms: number): void {
    this.#nowMs += ms
    const due = this.#sleepers
      .filter((sleeper) => sleeper.atMs <= this.#nowMs)
      .sort((a, b) => a.atMs - b.atMs)
    for (const sleeper of due) {
      this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1)
      sleeper.wake()
    }
  }
}
