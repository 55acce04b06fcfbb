/** Looks for alerts again and again, beside stages and schedules, which it never holds up. */
import type { Platform } from '../platform/compose.ts'
import { type LookOptions, lookForAlerts } from './look.ts'

export interface WatchOptions extends Omit<LookOptions, 'failedStages'> {
  readonly failedStages?: () => LookOptions['failedStages']
  readonly everyMs?: number
}

/** Goes on until aborted, and then throws the abort reason. A look that fails is logged; the next one comes. */
export async function watchAlerts(
  platform: Platform,
  { failedStages, everyMs = 30_000, ...options }: WatchOptions,
): Promise<never> {
  const { signal } = options
  const { clock, logger } = platform
  for (;;) {
    signal?.throwIfAborted()
    try {
      const stages = failedStages?.()
      await lookForAlerts(platform, { ...options, ...(stages && { failedStages: stages }) })
    } catch (error) {
      signal?.throwIfAborted()
      logger.warn({ err: error }, 'Alerts could not be looked for; it is tried again')
    }
    await clock.sleep(everyMs, { signal })
  }
}
