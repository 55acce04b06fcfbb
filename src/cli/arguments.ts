/** Parsers of option values. Each error says what was expected. */
import { InvalidArgumentError } from 'commander'
import { parseIsoTime } from '../lib/base/iso-time.ts'
import { isDay } from '../pipeline/model/days.ts'

export interface Range {
  readonly min?: number
  readonly max?: number
}

/** A whole number, in digits alone. */
export function wholeNumber({
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
}: Range = {}): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^[+-]?\d+$/.test(text) && value >= min && value <= max) return value
    const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`
    throw new InvalidArgumentError(`Expected a whole number ${range}.`)
  }
}

export function positiveNumber(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('Expected a number above 0.')
}

export function fraction(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 1) return value
  throw new InvalidArgumentError('Expected a fraction from 0 to 1, such as 0.03.')
}

/** ISO 8601 with a day at least, in UTC where it names no zone; milliseconds since the epoch. */
export function isoTime(text: string): number {
  const value = parseIsoTime(text)
  if (value !== undefined) return value
  throw new InvalidArgumentError('Expected a time such as 2026-01-31 or 2026-01-31T12:30:00Z.')
}

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A time, or a span before the present: 2d, 12h, 30m. */
export function timeOrSpan(text: string): (nowMs: number) => number {
  const { count, unit } = /^(?<count>\d{1,6})(?<unit>[mhd])$/.exec(text)?.groups ?? {}
  if (unit === 'm' || unit === 'h' || unit === 'd') return (nowMs) => nowMs - Number(count) * unitMs[unit]
  const time = parseIsoTime(text)
  if (time !== undefined) return () => time
  throw new InvalidArgumentError(
    'Expected a time such as 2026-01-31T12:30:00Z, or a span such as 2d, 12h or 30m.',
  )
}

/** A UTC day, `YYYY-MM-DD`. */
export function isoDate(text: string): string {
  if (isDay(text)) return text
  throw new InvalidArgumentError('Expected a day such as 2026-01-31.')
}

/** Names between commas; may be given again and again. */
export function names(text: string, before: readonly string[] = []): readonly string[] {
  const given = text.split(',').map((name) => name.trim())
  if (given.some((name) => name === '')) throw new InvalidArgumentError('Expected names between commas.')
  return [...before, ...given]
}

export interface VersionRange {
  readonly from: number
  readonly to: number
}

/** `3..5`. */
export function versionRange(text: string): VersionRange {
  const { from, to } = /^(?<from>\d+)\.\.(?<to>\d+)$/.exec(text)?.groups ?? {}
  const range = { from: Number(from), to: Number(to) }
  if (Number.isSafeInteger(range.from) && Number.isSafeInteger(range.to)) return range
  throw new InvalidArgumentError('Expected two versions, such as 3..5.')
}
