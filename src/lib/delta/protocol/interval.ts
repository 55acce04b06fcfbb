/**
 * Parses the spans of time in table properties, as Spark writes them: `interval 7 days`, `interval 1 week 12 hours`.
 */

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
 * @returns `undefined` if the text is no such span.
 */
export function parseInterval(value: string): number | undefined {
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
  return words !== '' && at === words.length && sum >= 0 ? sum : undefined
}
