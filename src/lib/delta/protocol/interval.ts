/** Spans of time in table properties, as Spark writes them: `interval 7 days`, `interval 1 week 12 hours`. */
import { LakeError } from '../../base/errors.ts'
import type { StringMap } from './metadata.ts'

const unitMs: Readonly<Record<string, number>> = {
  week: 604_800_000,
  day: 86_400_000,
  hour: 3_600_000,
  minute: 60_000,
  second: 1_000,
  millisecond: 1,
  microsecond: 0.001,
}

const part = /\s*(-?\d+)\s+([a-z]+?)s?(?=\s|$)/y

/**
 * Milliseconds. The word `interval` may be left out; months and years, which have no fixed length, may not be used.
 *
 * @throws LakeError `CONFIG_INVALID` naming `what`.
 */
export function parseInterval(value: string, what: string): number {
  const words = value
    .trim()
    .toLowerCase()
    .replace(/^interval\b/, '')
    .replaceAll("'", ' ')
    .trim()
  let sum = 0
  let at = 0
  while (at < words.length) {
    part.lastIndex = at
    const [whole = '', count, unit = ''] = part.exec(words) ?? []
    const ms = unitMs[unit]
    if (ms === undefined) break
    sum += Number(count) * ms
    at += whole.length
  }
  if (words !== '' && at === words.length && sum >= 0) return sum
  throw new LakeError('CONFIG_INVALID', `${what}: expected a span as 'interval 7 days', got '${value}'`, {
    details: { what, value },
    hint: 'Weeks, days, hours, minutes, seconds, milliseconds and microseconds may be used.',
  })
}

/** How long a table keeps things by its properties. Milliseconds. @throws LakeError as `parseInterval` does. */
export function retentionMs(
  configuration: StringMap,
  property: 'delta.deletedFileRetentionDuration' | 'delta.logRetentionDuration',
): number {
  const value = configuration[property]
  return value === undefined ? defaults[property] : parseInterval(value, property)
}

const defaults = {
  'delta.deletedFileRetentionDuration': 7 * 86_400_000,
  'delta.logRetentionDuration': 30 * 86_400_000,
}
