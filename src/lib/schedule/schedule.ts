/**
 * A schedule: waits for the ticks of a cron expression and runs each of them once.
 *
 * That a tick is made once, whoever notices it, is the promise of the `TickStore`, a row for each tick. The loop
 * only says which tick is due; it may be late, see a clock go backwards, or run beside another of its kind.
 */
import { type Clock, systemClock } from '../base/clock.ts'
import { assertNever } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import type { Cron } from './cron.ts'
import { type DueTick, due } from './due.ts'

/** Port: the ticks that were made. */
export interface TickStore {
  /** The newest tick that was made, or the baseline; `undefined` for a schedule that was never started. */
  latest(schedule: string, options?: IoOptions): Promise<number | undefined>
  /** From where on ticks count. Does nothing when it is there already. */
  baseline(schedule: string, tickMs: number, options?: IoOptions): Promise<void>
  /**
   * Runs `work` unless the tick was made (`settled`) or a living process is at one of this schedule (`busy`).
   * A tick whose process died in its midst was not made. A failure of `work` is thrown on, and the tick made.
   */
  once(
    schedule: string,
    tick: DueTick,
    work: (signal: AbortSignal) => Promise<void>,
    options?: IoOptions,
  ): Promise<'ran' | 'settled' | 'busy'>
}

export type ScheduleEvent =
  | { readonly kind: 'waiting'; readonly nextMs: number }
  | { readonly kind: 'started' | 'ended' | 'busy'; readonly tick: DueTick }
  /** The run failed; the schedule goes on with the next tick. */
  | { readonly kind: 'failed'; readonly tick: DueTick; readonly error: unknown }
  | { readonly kind: 'clock-went-back'; readonly byMs: number }
  /** The store did not answer; the tick is tried again in a while. */
  | { readonly kind: 'store-failed'; readonly error: unknown }

export interface ScheduleOptions extends IoOptions {
  /** What the store knows the schedule by. */
  readonly name: string
  readonly cron: Cron
  readonly ticks: TickStore
  /**
   * What a tick does. Its signal aborts when another process took the tick over, not when the schedule is to
   * stop: a run in hand is let end. Whoever wants it cut short hands it a signal of his own.
   */
  readonly run: (tick: DueTick, options: { readonly signal: AbortSignal }) => Promise<void>
  readonly clock?: Clock
  readonly onEvent?: (event: ScheduleEvent) => void
  /** How long to leave a store alone that failed, or a tick at which another process is. */
  readonly retryMs?: number
}

/** A timer may oversleep a suspended machine or a moved clock: the time is looked at this often. */
const longestSleepMs = 60_000

/**
 * Goes on until aborted, and then, when no run is in hand, throws the abort reason.
 *
 * The very first start makes a baseline and catches nothing up. Later ones first run what was missed, once.
 * @throws what the store throws at the start; later failures are events.
 */
export async function runSchedule(options: ScheduleOptions): Promise<never> {
  const { name, cron, ticks, clock = systemClock, signal, retryMs = 15_000 } = options
  const { onEvent = () => undefined } = options
  let lastMs = await startingPoint(options)
  for (;;) {
    signal?.throwIfAborted()
    const nowMs = clock.now()
    if (nowMs < lastMs) {
      onEvent({ kind: 'clock-went-back', byMs: lastMs - nowMs })
      // Ticks that come by a second time are known to the store.
      lastMs = nowMs
    }
    const next = due(cron, lastMs, nowMs)
    switch (next.kind) {
      case 'wait':
        onEvent({ kind: 'waiting', nextMs: next.nextMs })
        await clock.sleep(Math.min(next.nextMs - nowMs, longestSleepMs), { signal })
        break
      case 'due':
        if (await make(options, next.tick)) lastMs = next.tick.tickMs
        else await clock.sleep(retryMs, { signal })
        break
      default:
        assertNever(next, 'due')
    }
  }

  /** @returns false when the tick has to be tried again. */
  async function make({ run }: ScheduleOptions, tick: DueTick): Promise<boolean> {
    let failure: { readonly error: unknown } | undefined
    try {
      const outcome = await ticks.once(name, tick, async (taken) => {
        onEvent({ kind: 'started', tick })
        try {
          await run(tick, { signal: taken })
        } catch (error) {
          failure = { error }
          throw error
        }
      })
      if (outcome === 'ran') onEvent({ kind: 'ended', tick })
      if (outcome === 'busy') onEvent({ kind: 'busy', tick })
      return outcome !== 'busy'
    } catch (error) {
      if (failure?.error === error) {
        onEvent({ kind: 'failed', tick, error })
        return true
      }
      onEvent({ kind: 'store-failed', error })
      return false
    }
  }
}

async function startingPoint({ name, ticks, clock = systemClock, signal }: ScheduleOptions): Promise<number> {
  const latest = await ticks.latest(name, { signal })
  if (latest !== undefined) return latest
  const nowMs = clock.now()
  await ticks.baseline(name, nowMs, { signal })
  return nowMs
}
