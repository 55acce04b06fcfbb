/**
 * Messages that are no events: each is rejected or quarantined by the rules of `event-rules.ts`,
 * also by the mildest parser that they allow. None holds a line feed, so that NDJSON can carry all of them.
 */
import { eventFields, type UserEvent } from '../model/event.ts'
import type { Random } from './random.ts'

type Fault = (event: UserEvent, random: Random) => Buffer

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

export const faults: Readonly<Record<string, Fault>> = {
  'cut short': (event, random) => {
    const whole = json(event)
    return whole.subarray(0, 1 + random.below(whole.length - 1))
  },
  'not JSON': ({ page }) => Buffer.from(`GET ${page} HTTP/1.1`),
  'not UTF-8': (event) => {
    const bytes = json(event)
    bytes[bytes.indexOf(event.page)] = 0xff
    return bytes
  },
  empty: () => Buffer.alloc(0),
  'not an object': (event) => json(Object.values(event)),
  'a field missing': (event, random) => {
    const missing = random.pick(eventFields)
    return json(Object.fromEntries(Object.entries(event).filter(([field]) => field !== missing)))
  },
  'a field null': (event) => json({ ...event, page: null }),
  'a fraction for a user': (event) => json({ ...event, user_id: event.user_id + 0.5 }),
  'an object for a page': (event) => json({ ...event, page: { path: event.page } }),
  'a word for a time': (event) => json({ ...event, timestamp: 'yesterday' }),
  'an unknown type': (event) => json({ ...event, event_type: 'hover' }),
  'an unknown source': (event) => json({ ...event, source: 'desktop' }),
  'a negative user': (event) => json({ ...event, user_id: -event.user_id }),
  'an empty id': (event) => json({ ...event, event_id: '' }),
  'far in the future': (event) => json({ ...event, timestamp: `2999${event.timestamp.slice(4)}` }),
  'before 1970': (event) => json({ ...event, timestamp: `1969${event.timestamp.slice(4)}` }),
}

const all = Object.values(faults)

/** The bytes of an event with one of the faults. */
export function malformed(event: UserEvent, random: Random): Buffer {
  return all[random.below(all.length)]?.(event, random) ?? Buffer.alloc(0)
}
