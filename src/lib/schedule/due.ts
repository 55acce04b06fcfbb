/** Decides which tick of a schedule is due. Pure. */
import { type Cron, nextTick, ticksBetween } from './cron.ts'

export interface DueTick {
  readonly tickMs: number
  /** `catch-up`: its time passed while nothing ran, or while the run before it went on. */
  readonly kind: 'schedule' | 'catch-up'
  /** How many older ticks were missed: one run replaces all of them. */
  readonly missed: number
}

/** What becomes of ticks whose time has passed: the newest is made, in place of all of them, or none is. */
export type CatchUp = 'newest' | 'none'

export type Due =
  | { readonly kind: 'due'; readonly tick: DueTick }
  /** All of them, up to and with `newestMs`, were missed, and are not made. */
  | { readonly kind: 'skip'; readonly newestMs: number; readonly count: number }
  | { readonly kind: 'wait'; readonly nextMs: number }

/** How late a timer may be before its tick counts as missed. */
const onTimeMs = 60_000

/** @param lastMs The newest tick that was made, or the time from which on ticks count. */
export function due(cron: Cron, lastMs: number, nowMs: number, catchUp: CatchUp = 'newest'): Due {
  const ticks = ticksBetween(cron, lastMs, nowMs)
  if (ticks === undefined) return { kind: 'wait', nextMs: nextTick(cron, nowMs) }
  const { newestMs, count } = ticks
  const isNewestOnTime = nowMs - newestMs <= onTimeMs
  if (catchUp === 'none') {
    return isNewestOnTime
      ? { kind: 'due', tick: { tickMs: newestMs, kind: 'schedule', missed: 0 } }
      : { kind: 'skip', newestMs, count }
  }
  const isOnTime = count === 1 && isNewestOnTime
  return {
    kind: 'due',
    tick: { tickMs: newestMs, kind: isOnTime ? 'schedule' : 'catch-up', missed: count - 1 },
  }
}
