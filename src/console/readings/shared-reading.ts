/**
 * A value that many ask for and few should read: one read at a time, its answer shared for a while.
 *
 *     fresh ──age──► due ──ask──► reading ──answer──► fresh
 *                     ▲              ├──failure──► failed, the last value kept ──age──► due
 *                     └──all gone────┘
 *
 * Whoever asks waits for `patienceMs` at most and then gets the last value, marked as stale; the read goes on
 * and is ended in the server after `deadlineMs`, or as soon as all who asked are gone. A failure is shared like an answer.
 */
import type { Clock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Problem } from '../answers.ts'
import { type HintOf, problemOf } from '../problem.ts'

export interface SharedReadingOptions {
  /** For messages: `Panel total-events`. */
  readonly what: string
  readonly clock: Clock
  readonly hintOf: HintOf
  readonly maxAgeMs?: number
  readonly patienceMs?: number
  readonly deadlineMs?: number
  readonly onFailure?: (error: unknown) => void
}

export interface Reading<T> {
  /** The last value that was read, be it old. */
  readonly value: T | undefined
  readonly readAtMs: number | undefined
  readonly isStale: boolean
  readonly problem: Problem | undefined
}

/** A read that is under way. */
interface Read {
  readonly ending: AbortController
  /** Those who are still there; each has asked once or more. */
  readonly askers: Set<object>
  readonly done: Promise<void>
}

export class SharedReading<T> {
  readonly #read: (options: IoOptions) => Promise<T>
  readonly #what: string
  readonly #clock: Clock
  readonly #hintOf: HintOf
  readonly #maxAgeMs: number
  readonly #patienceMs: number
  readonly #deadlineMs: number
  readonly #onFailure: (error: unknown) => void
  #closed: LakeError | undefined
  #value: { readonly value: T; readonly readAtMs: number } | undefined
  #problem: Problem | undefined
  #settledMs = Number.NEGATIVE_INFINITY
  #current: Read | undefined

  constructor(
    read: (options: IoOptions) => Promise<T>,
    {
      what,
      clock,
      hintOf,
      maxAgeMs = 4_000,
      patienceMs = 3_000,
      deadlineMs = 20_000,
      onFailure = () => undefined,
    }: SharedReadingOptions,
  ) {
    this.#read = read
    this.#what = what
    this.#clock = clock
    this.#hintOf = hintOf
    this.#maxAgeMs = maxAgeMs
    this.#patienceMs = patienceMs
    this.#deadlineMs = deadlineMs
    this.#onFailure = onFailure
  }

  /**
   * Never rejects: what went wrong is in the reading.
   *
   * @param signal Aborted when the asker is gone, also after it got a value that is late: it may have asked again.
   */
  async get({ signal }: IoOptions = {}): Promise<Reading<T>> {
    const ageMs = this.#clock.now() - this.#settledMs
    // Less than nothing: the clock went back, and would keep the value until it has caught up.
    const isDue = ageMs >= this.#maxAgeMs || ageMs < 0
    if (this.#current === undefined && isDue) this.#current = this.#begin()
    const read = this.#current
    if (read === undefined) return this.#reading()
    this.#stay(read, signal)
    const patience = new AbortController()
    const isPatienceOver = await Promise.race([
      read.done.then(() => false),
      this.#clock.sleep(this.#patienceMs, { signal: patience.signal }).then(
        () => true,
        () => false,
      ),
    ])
    patience.abort()
    return isPatienceOver ? this.#late() : this.#reading()
  }

  /** Ends a read that is under way. */
  close(): void {
    this.#closed = new LakeError('INTERRUPTED', `${this.#what}: the console is closing`)
    this.#current?.ending.abort(this.#closed)
  }

  /** The read goes on as long as anybody is there who asked for it. */
  #stay(read: Read, signal: AbortSignal | undefined): void {
    const asker = {}
    read.askers.add(asker)
    const leave = (): void => {
      read.askers.delete(asker)
      if (read.askers.size > 0) return
      // Whoever asks from now on begins another.
      if (this.#current === read) this.#current = undefined
      read.ending.abort(nobodyWaits)
    }
    if (signal?.aborted) leave()
    signal?.addEventListener('abort', leave, { once: true })
    void read.done.then(() => signal?.removeEventListener('abort', leave))
  }

  #begin(): Read {
    // Not AbortSignal.any: on Node 20 a signal that lives as long as the console would remember every read.
    const ending = new AbortController()
    const read: Read = { ending, askers: new Set(), done: this.#refresh(ending) }
    void read.done.then(() => {
      if (this.#current === read) this.#current = undefined
    })
    return read
  }

  async #refresh(ending: AbortController): Promise<void> {
    const settled = new AbortController()
    if (this.#closed !== undefined) ending.abort(this.#closed)
    void this.#clock.sleep(this.#deadlineMs, { signal: settled.signal }).then(
      () => ending.abort(this.#tooSlow(this.#deadlineMs)),
      // The read ended first.
      () => undefined,
    )
    try {
      const value = await this.#read({ signal: ending.signal })
      this.#value = { value, readAtMs: this.#clock.now() }
      this.#problem = undefined
      this.#settledMs = this.#clock.now()
    } catch (error) {
      if (ending.signal.reason === nobodyWaits) return
      this.#settledMs = this.#clock.now()
      this.#problem = problemOf(error, this.#hintOf)
      if (this.#closed === undefined) this.#onFailure(error)
    } finally {
      settled.abort()
    }
  }

  #tooSlow(ms: number): LakeError {
    return new LakeError('SOURCE_FAILED', `${this.#what}: no answer within ${ms / 1000} s`, {
      details: { fault: 'reading-late' },
    })
  }

  #late(): Reading<T> {
    return {
      ...this.#reading(),
      isStale: true,
      problem: problemOf(this.#tooSlow(this.#patienceMs), this.#hintOf),
    }
  }

  #reading(): Reading<T> {
    return {
      value: this.#value?.value,
      readAtMs: this.#value?.readAtMs,
      isStale: this.#problem !== undefined,
      problem: this.#problem,
    }
  }
}

const nobodyWaits = new LakeError('INTERRUPTED', 'All who asked are gone')
