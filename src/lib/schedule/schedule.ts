/**
 * A schedule: waits for the ticks of a cron expression, and runs each of them once.
 *
 * The `TickStore` makes sure that a tick runs once, with one row for each tick, whichever process notices it. The loop
 * only finds the due tick. It may be late, the clock may go backwards, and another loop may run beside it.
 */
import { type Clock, systemClock } from '../base/clock.ts'
import { assertNever, isCutShort } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import type { Cron } from './cron.ts'
import { type CatchUp, type DueTick, due } from './due.ts'

/** Port: the ticks that were made. */
export interface TickStore {
  /** The newest tick that was made, or the baseline; `undefined` for a schedule that was never started. */
  latest(schedule: string, options?: IoOptions): Promise<number | undefined>
  /** The newest tick after it that was begun and not made: its process died, or is at it. */
  begun(schedule: string, afterMs: number, options?: IoOptions): Promise<number | undefined>
  /** From where on ticks count. Does nothing when it is there already. */
  baseline(schedule: string, tickMs: number, options?: IoOptions): Promise<void>
  /**
   * Runs `work` unless the tick was made (`settled`) or a living process is at one of this schedule (`busy`).
   * A tick whose process died in its midst was not made, nor was one whose work was cut short (`isCutShort`). Any other
   * failure of `work` is thrown on, and the tick made.
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
  /** The run failed; the schedule goes on with the next tick, or tries this one again if its work was cut short. */
  | { readonly kind: 'failed'; readonly tick: DueTick; readonly error: unknown }
  /** Ticks that were missed and are not made; `newestMs` is the last of them. */
  | { readonly kind: 'skipped'; readonly newestMs: number; readonly count: number }
  | { readonly kind: 'clock-went-back'; readonly byMs: number }
  /** The store did not answer; the tick is tried again in a while. */
  | { readonly kind: 'store-failed'; readonly error: unknown }

export interface ScheduleOptions extends IoOptions {
  /** The name of the schedule in the store. */
  readonly name: string
  readonly cron: Cron
  readonly ticks: TickStore
  /** What becomes of missed ticks; without it, the newest is made. One that was begun is made in any case. */
  readonly catchUp?: CatchUp
  /**
   * What a tick does. Its signal aborts when another process has taken the tick over. It does not abort when the
   * schedule stops: the current run is finished. To cut it short, give the run a signal of your own.
   */
  readonly run: (tick: DueTick, options: { readonly signal: AbortSignal }) => Promise<void>
  readonly clock?: Clock
  readonly onEvent?: (event: ScheduleEvent) => void
  /** How long to wait before a store that failed, or a tick that another process runs, is tried again. */
  readonly retryMs?: number
}

/** A tick whose process is gone is taken up so long after its lease has ended, at most. */
export const defaultRetryMs = 5_000

/** A machine may be suspended, and a clock may be set: the time is read at least this often. */
const longestSleepMs = 30_000

/**
 * Goes on until aborted. Once the current run has ended, it throws the abort reason.
 *
 * The first start of all only sets a baseline. Later starts first run the newest missed tick, once, unless `catchUp`
 * says otherwise.
 * @throws what the store throws at the start; later failures are events.
 */
export async function runSchedule(options: ScheduleOptions): Promise<never> {
  const { cron, clock = systemClock, signal, retryMs = defaultRetryMs } = options
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
    const next = due(cron, lastMs, nowMs, options.catchUp)
    switch (next.kind) {
      case 'wait':
        onEvent({ kind: 'waiting', nextMs: next.nextMs })
        await clock.sleep(Math.min(next.nextMs - nowMs, longestSleepMs), { signal })
        break
      case 'due':
        if (await make(options, next.tick)) lastMs = next.tick.tickMs
        else await clock.sleep(retryMs, { signal })
        break
      case 'skip': {
        const doneMs = await skip(options, lastMs, next)
        if (doneMs === undefined) await clock.sleep(retryMs, { signal })
        else lastMs = doneMs
        break
      }
      default:
        assertNever(next, 'due')
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

/** @returns up to where the ticks are done; `undefined` when it has to be tried again. */
async function skip(
  options: ScheduleOptions,
  afterMs: number,
  { newestMs, count }: { readonly newestMs: number; readonly count: number },
): Promise<number | undefined> {
  const { name, ticks, signal, onEvent } = options
  try {
    const begunMs = await ticks.begun(name, afterMs, { signal })
    if (begunMs !== undefined) {
      const tick: DueTick = { tickMs: begunMs, kind: 'catch-up', missed: 0 }
      return (await make(options, tick)) ? begunMs : undefined
    }
    // So that the next start does not find them missed again.
    await ticks.baseline(name, newestMs, { signal })
    onEvent?.({ kind: 'skipped', newestMs, count })
    return newestMs
  } catch (error) {
    signal?.throwIfAborted()
    onEvent?.({ kind: 'store-failed', error })
    return undefined
  }
}

/** @returns false when the tick has to be tried again. */
async function make({ name, ticks, run, onEvent }: ScheduleOptions, tick: DueTick): Promise<boolean> {
  let failure: { readonly error: unknown } | undefined
  try {
    const outcome = await ticks.once(name, tick, async (taken) => {
      onEvent?.({ kind: 'started', tick })
      try {
        await run(tick, { signal: taken })
      } catch (error) {
        failure = { error }
        throw error
      }
    })
    if (outcome === 'ran') onEvent?.({ kind: 'ended', tick })
    if (outcome === 'busy') onEvent?.({ kind: 'busy', tick })
    return outcome !== 'busy'
  } catch (error) {
    if (failure?.error === error) {
      onEvent?.({ kind: 'failed', tick, error })
      return !isCutShort(error)
    }
    onEvent?.({ kind: 'store-failed', error })
    return false
  }
}
