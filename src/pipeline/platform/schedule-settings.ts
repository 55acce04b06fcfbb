/** When the batch and the notebooks run, by the settings: `BATCH_CRON`, `BATCH_TIMEZONE`. */
import { type Cron, nextTick, parseCron } from '../../lib/schedule/cron.ts'
import { parseTimeZone } from '../../lib/schedule/time-zone.ts'
import type { Config } from './config.ts'

/**
 * The schedule of the batch, or of what has an expression of its own, in the zone of the settings.
 * @throws LakeError `CONFIG_INVALID`
 */
export function cronOf(
  { schedule: { cron, timeZone } }: Pick<Config, 'schedule'>,
  own?: { readonly cron: string; readonly setting: string },
): Cron {
  const zone = parseTimeZone(timeZone, 'BATCH_TIMEZONE')
  return parseCron(own?.cron ?? cron, own?.setting ?? 'BATCH_CRON', zone)
}

/** For people: the expression, its zone, and when it is next due. */
export function cronText(cron: Cron, nowMs: number): string {
  const nextMs = nextTick(cron, nowMs)
  const utcTime = new Date(nextMs).toISOString().slice(0, 16).replace('T', ' ')
  const wall = new Date(cron.zone.wallOf(nextMs)).toISOString().slice(0, 16).replace('T', ' ')
  const next = cron.zone.name === 'UTC' ? utcTime : `${wall} (${utcTime} UTC)`
  return `${cron.text} (${cron.zone.name}), next ${next}`
}
