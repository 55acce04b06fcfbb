/**
 * A world of simulated processes: one time that all share, and for each process a clock of its own, a way to die, and a store
 * whose answers may be late, lost, or never come. One seed decides all of it.
 */
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { Clock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { RunDatabase } from '../../lib/runs/database.ts'

interface Sleeper {
  readonly atMs: number
  /** Decides between those that wake at the same time. */
  readonly order: number
  readonly wake: () => void
}

export class World implements Clock {
  readonly #random: ReturnType<typeof xoroshiro128plus>
  readonly #sleepers = new Set<Sleeper>()
  #nowMs: number

  constructor(seed: number, startMs: number) {
    this.#random = xoroshiro128plus(seed)
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  /** From `min` to `max`, both included. */
  between(min: number, max: number): number {
    return uniformInt(this.#random, min, max)
  }

  chance(percent: number): boolean {
    return this.between(1, 100) <= percent
  }

  at(atMs: number, wake: () => void): () => void {
    const sleeper = { atMs: Math.max(atMs, this.#nowMs), order: this.between(0, 1_000_000), wake }
    this.#sleepers.add(sleeper)
    return () => void this.#sleepers.delete(sleeper)
  }

  sleep(ms: number, { signal }: IoOptions = {}): Promise<void> {
    return sleepUntil((wake) => this.at(this.#nowMs + ms, wake), signal)
  }

  /** Wakes sleepers in the order of their times; each goes on as far as it can before the next one wakes. */
  async runUntil(endMs: number): Promise<void> {
    for (;;) {
      await allHaveGoneOn()
      let next: Sleeper | undefined
      for (const one of this.#sleepers) {
        if (
          next === undefined ||
          one.atMs < next.atMs ||
          (one.atMs === next.atMs && one.order < next.order)
        ) {
          next = one
        }
      }
      if (next === undefined || next.atMs > endMs) break
      this.#sleepers.delete(next)
      this.#nowMs = next.atMs
      next.wake()
    }
    this.#nowMs = endMs
  }
}

const allHaveGoneOn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const never = (): Promise<never> => new Promise(() => undefined)

function sleepUntil(set: (wake: () => void) => () => void, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const abort = (): void => {
      unset()
      reject(signal?.reason)
    }
    const unset = set(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/** In percent of the calls. */
export interface StoreFaults {
  /** The store does not answer, and has done nothing. */
  readonly refused: number
  /** The store has done it, and the answer is lost. */
  readonly lost: number
  readonly slow: number
}

export const noFaults: StoreFaults = { refused: 0, lost: 0, slow: 0 }

export class SimulatedProcess {
  readonly name: string
  readonly world: World
  readonly clock: Clock
  faults: StoreFaults = noFaults
  skewMs = 0
  readonly startedMs: number
  isDead = false
  pausedUntilMs = 0
  /** When something happened to it that may make it repeat work. */
  readonly disturbedMs: number[] = []
  /** It dies at this call of the store, before or after the store has done it. */
  diesAtCall: { left: number; isDone: boolean } | undefined
  onDeath: () => void = () => undefined

  constructor(name: string, world: World) {
    this.name = name
    this.world = world
    this.startedMs = world.now()
    this.clock = {
      now: () => world.now() + this.skewMs,
      sleep: (ms, { signal } = {}) =>
        sleepUntil((wake) => {
          let unset = (): void => undefined
          const tryToWake = (): void => {
            if (this.isDead) return
            if (world.now() < this.pausedUntilMs) unset = world.at(this.pausedUntilMs, tryToWake)
            else wake()
          }
          unset = world.at(world.now() + ms, tryToWake)
          return () => unset()
        }, signal),
    }
  }

  get isPaused(): boolean {
    return this.world.now() < this.pausedUntilMs
  }

  die(): void {
    if (this.isDead) return
    this.isDead = true
    this.disturbedMs.push(this.world.now())
    this.onDeath()
  }

  pause(ms: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.world.now() + ms)
    this.disturbedMs.push(this.world.now(), this.pausedUntilMs)
  }

  /** The store as this process reaches it. */
  connect(database: RunDatabase): RunDatabase {
    const { db } = database
    const transaction = () => ({
      execute: async <T>(work: (trx: never) => Promise<T>): Promise<T> => {
        await this.#reach()
        const answer = await db.transaction().execute((trx) => work(trx as never))
        await this.#hear()
        return answer
      },
    })
    const faulty = new Proxy(db, {
      get: (target, key) => {
        if (key === 'transaction') return transaction
        if (key === 'selectFrom' && this.world.chance(this.faults.refused)) throw unavailable()
        const found: unknown = Reflect.get(target, key)
        return typeof found === 'function' ? found.bind(target) : found
      },
    })
    return { ...database, db: faulty, pace: { clock: this.clock, random: () => 1 } }
  }

  async #reach(): Promise<void> {
    await this.#alive()
    if (this.world.chance(this.faults.slow)) await this.clock.sleep(this.world.between(100, 20_000))
    await this.#alive()
    if (this.#isLastCall(false)) return never()
    if (this.world.chance(this.faults.refused)) throw unavailable()
  }

  async #hear(): Promise<void> {
    if (this.#isLastCall(true)) return never()
    await this.#alive()
    if (this.world.chance(this.faults.lost)) throw unavailable()
  }

  async #alive(): Promise<void> {
    if (this.isDead) return never()
    if (this.isPaused) await this.clock.sleep(0)
  }

  #isLastCall(isDone: boolean): boolean {
    const last = this.diesAtCall
    if (last === undefined || last.isDone !== isDone || --last.left > 0) return false
    this.die()
    return true
  }
}

const unavailable = (): LakeError => new LakeError('RUNSTORE_UNAVAILABLE', 'simulated: no answer')
