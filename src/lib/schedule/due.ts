/** Decides which tick of a schedule is due. Pure. */
import { type Cron, nextTick, ticksBetween } from './cron.ts'

export interface DueTick {
  readonly tickMs: number
  /** `catch-up`: its time passed while nothing ran, or while the run before it went on. */
  readonly kind: 'schedule' | 'catch-up'
  /** How many older ticks were missed: one run replaces all of them. */
  readonly missed: number
}

export type Due =
  | { readonly kind: 'due'; readonly tick: DueTick }
  | { readonly kind: 'wait'; readonly nextMs: number }

/** How late a timer may be before its tick counts as missed. */
const onTimeMs = 60_000

/** @param lastMs The newest tick that was made, or the time from which on ticks count. */
export function due(cron: Cron, lastMs: number, nowMs: number): Due {
  const ticks = ticksBetween(cron, lastMs, nowMs)
  if (ticks === undefined) return { kind: 'wait', nextMs: nextTick(cron, nowMs) }
  const { newestMs, count } = ticks
  const isOnTime = count === 1 && nowMs - newestMs <= onTimeMs
  return {
    kind: 'due',
    tick: { tickMs: newestMs, kind: isOnTime ? 'schedule' : 'catch-up', missed: count - 1 },
  }
}
