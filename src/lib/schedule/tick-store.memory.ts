import { isCutShort } from '../base/errors.ts'
import type { DueTick } from './due.ts'
import type { TickStore } from './schedule.ts'

/** Ticks in a map. Tests put ticks in and look at them. */
export class MemoryTickStore implements TickStore {
  readonly made = new Map<string, Set<number>>()
  /** Schedules at which somebody else is. */
  readonly busy = new Set<string>()
  /** Ticks whose process died, by schedule. */
  readonly dead = new Map<string, number>()
  /** Called before each claim: what it throws is what the store throws. */
  beforeClaim: () => void = () => undefined

  async latest(schedule: string): Promise<number | undefined> {
    const made = this.made.get(schedule)
    return made === undefined ? undefined : Math.max(...made)
  }

  async begun(schedule: string, afterMs: number): Promise<number | undefined> {
    const tickMs = this.dead.get(schedule)
    return tickMs === undefined || tickMs <= afterMs || this.made.get(schedule)?.has(tickMs)
      ? undefined
      : tickMs
  }

  async baseline(schedule: string, tickMs: number): Promise<void> {
    this.#ticks(schedule).add(tickMs)
  }

  async once(
    schedule: string,
    { tickMs }: DueTick,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<'ran' | 'settled' | 'busy'> {
    this.beforeClaim()
    if (this.#ticks(schedule).has(tickMs)) return 'settled'
    if (this.busy.has(schedule)) return 'busy'
    this.busy.add(schedule)
    try {
      await work(new AbortController().signal)
    } catch (error) {
      if (!isCutShort(error)) this.#ticks(schedule).add(tickMs)
      throw error
    } finally {
      this.busy.delete(schedule)
    }
    this.#ticks(schedule).add(tickMs)
    return 'ran'
  }

  #ticks(schedule: string): Set<number> {
    const ticks = this.made.get(schedule) ?? new Set()
    this.made.set(schedule, ticks)
    return ticks
  }
}
