/** Times as people write them. */

const dayAlone = /^\d{4}-\d{2}-\d{2}$/
const dayAndTime =
  /^(?<day>\d{4}-\d{2}-\d{2})[T ](?<time>\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)(?<zone>Z|[+-]\d{2}(?::?\d{2})?)?$/i

/**
 * ISO 8601 with a day at least, in UTC where it names no zone.
 *
 * @returns milliseconds since the epoch, what is finer cut off; `undefined` for any other text, and for a day that
 * no calendar has.
 */
export function parseIsoTime(text: string): number | undefined {
  const { day, time, zone = 'Z' } = dayAndTime.exec(text)?.groups ?? {}
  if (day === undefined || time === undefined) return dayAlone.test(text) ? startOfDay(text) : undefined
  if (startOfDay(day) === undefined) return undefined
  const ms = Date.parse(`${day}T${time.replace(',', '.')}${wholeZone(zone)}`)
  return Number.isNaN(ms) ? undefined : ms
}

/** `Date.parse` takes the 30th of February for the 2nd of March. */
function startOfDay(day: string): number | undefined {
  const ms = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day) ? ms : undefined
}

/** `+02` and `+0200` are `+02:00`. */
function wholeZone(zone: string): string {
  const [, hours, minutes = '00'] = /^([+-]\d{2}):?(\d{2})?$/.exec(zone) ?? []
  return hours === undefined ? 'Z' : `${hours}:${minutes}`
}
