import { describe, expect, it } from 'vitest'
import type { UserEvent } from '../model/event.ts'
import { type Delivery, EventGenerator, type GeneratorOptions } from './generate.ts'
import { growingHistory, historyTimes } from './history.ts'

const untilMs = Date.parse('2026-11-20T00:00:00Z')
const plain: GeneratorOptions = {
  seed: 7,
  profile: 'web',
  users: 100,
  notBeforeMs: 0,
  late: 0,
  duplicate: 0,
  malformed: 0,
}

function generate(options: Partial<GeneratorOptions>, count = 20_000, days = 2): Delivery[] {
  const generator = new EventGenerator({ ...plain, ...options })
  return [...historyTimes({ count, days, untilMs }, 7)].map((time) => generator.next(time))
}

const events = (deliveries: readonly Delivery[]): UserEvent[] =>
  deliveries.flatMap((delivery) => (delivery.kind === 'valid' ? [delivery.event] : []))

const shareOf = <T>(items: readonly T[], is: (item: T) => boolean): number =>
  items.filter(is).length / items.length

const allBytes = (deliveries: readonly Delivery[]): string =>
  deliveries.map(({ key, value }) => `${key.toString('hex')} ${value.toString('hex')}`).join('\n')

describe('EventGenerator.next(time)', () => {
  it('gives the same bytes for the same seed, and others for another', () => {
    const dials = { late: 0.03, duplicate: 0.01, malformed: 0.02 }

    const first = allBytes(generate(dials, 3_000))

    expect(allBytes(generate(dials, 3_000))).toBe(first)
    expect(allBytes(generate({ ...dials, seed: 8 }, 3_000))).not.toBe(first)
  })

  it('writes the event as JSON, keyed by its user', () => {
    for (const delivery of generate({}, 100)) {
      if (delivery.kind !== 'valid') continue
      expect(JSON.parse(delivery.value.toString())).toEqual(delivery.event)
      expect(delivery.key.toString()).toBe(String(delivery.event.user_id))
    }
  })

  it('gives every event an id of its own, shaped as a UUID of version 4', () => {
    const ids = events(generate({})).map(({ event_id }) => event_id)

    expect(new Set(ids).size).toBe(20_000)
    expect(
      ids.every((id) => /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(id)),
    ).toBe(true)
  })

  it.each([
    'web',
    'shop',
  ] as const)('makes more clicks than logins, purchases and logouts, in this order: %s', (profile) => {
    const types = events(generate({ profile })).map(({ event_type }) => event_type)
    const counts = (['click', 'login', 'purchase', 'logout'] as const).map(
      (type) => types.filter((other) => other === type).length,
    )

    expect(counts).toEqual([...counts].sort((a, b) => b - a))
    expect(counts.at(-1)).toBeGreaterThan(0)
  })

  it('lets the user base grow from 100 by some ten users in 20,000 events, and on', () => {
    const users = events(generate({}, 60_000)).map(({ user_id }) => user_id)
    const early = Math.max(...users.slice(0, 500))
    const middle = Math.max(...users.slice(0, 20_000))
    const last = Math.max(...users)

    expect(early).toBeLessThanOrEqual(103)
    expect(middle).toBeGreaterThanOrEqual(105)
    expect(middle).toBeLessThanOrEqual(118)
    expect(last).toBeGreaterThan(middle)
    expect(Math.min(...users)).toBe(1)
  })

  it('holds its fractions', () => {
    const deliveries = generate({ late: 0.03, duplicate: 0.01, malformed: 0.005 }, 50_000)

    expect(shareOf(deliveries, ({ kind }) => kind === 'duplicate')).toBeCloseTo(0.01, 3)
    expect(shareOf(deliveries, ({ kind }) => kind === 'malformed')).toBeCloseTo(0.005, 3)
    const times = events(deliveries).map(({ timestamp }) => Date.parse(timestamp))
    let newest = 0
    const behind = times.filter((time) => {
      const isBehind = time < newest
      newest = Math.max(newest, time)
      return isBehind
    })
    expect(Math.abs(behind.length / deliveries.length - 0.03)).toBeLessThan(0.001)
  })

  it('puts late events behind what their own user’s partition has shown, by more than window and wait', () => {
    const newest = new Map<number, number>()
    const tooEarly: string[] = []
    let late = 0

    for (const { user_id, timestamp } of events(generate({ late: 0.05 }))) {
      const time = Date.parse(timestamp)
      const before = newest.get(user_id) ?? 0
      const windowEnd = Math.floor(time / 60_000) * 60_000 + 60_000
      if (time < before) {
        late++
        if (windowEnd > before - 120_000) tooEarly.push(timestamp)
      }
      newest.set(user_id, Math.max(before, time))
    }

    expect(tooEarly).toEqual([])
    expect(late).toBeGreaterThan(500)
  })

  it('makes no event older than it may', () => {
    const notBeforeMs = untilMs - 2 * 86_400_000
    const times = events(generate({ late: 0.5, notBeforeMs })).map(({ timestamp }) => Date.parse(timestamp))

    expect(Math.min(...times)).toBeGreaterThanOrEqual(notBeforeMs)
  })

  it('delivers a duplicate after the event that it repeats, with the same bytes, on the same UTC day', () => {
    const seen = new Map<string, string>()
    const strayed: string[] = []
    let day = ''
    let repeated = 0

    for (const delivery of generate({ duplicate: 0.05 })) {
      if (delivery.kind === 'malformed') continue
      const { event_id, timestamp } = delivery.event
      if (delivery.kind === 'valid') {
        seen.set(event_id, delivery.value.toString())
        day = timestamp.slice(0, 10)
      } else if (seen.get(event_id) !== delivery.value.toString() || timestamp.slice(0, 10) !== day) {
        strayed.push(event_id)
      } else {
        repeated++
      }
    }

    expect(strayed).toEqual([])
    expect(repeated).toBeGreaterThan(500)
  })
})

describe('historyTimes(history, seed)', () => {
  it('goes forward from the first day to the end, which it does not reach', () => {
    const times = [...historyTimes({ count: 5_000, days: 3, untilMs }, 1)].map(({ timeMs }) => timeMs)

    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times).toHaveLength(5_000)
    expect(times[0]).toBeGreaterThanOrEqual(untilMs - 3 * 86_400_000)
    expect(times.at(-1)).toBeLessThan(untilMs)
  })

  it.each([
    0, 9.5,
  ])('is busier in the evening than at night (UTC), ending %d hours after midnight', (hoursLater) => {
    const end = untilMs + hoursLater * 3_600_000
    const hours = [...historyTimes({ count: 10_000, days: 2, untilMs: end }, 1)].map(({ timeMs }) =>
      new Date(timeMs).getUTCHours(),
    )

    expect(hours.filter((hour) => hour === 19).length).toBeGreaterThan(
      3 * hours.filter((hour) => hour === 3).length,
    )
  })

  it('ends a last day of its own at the mean rate of that day', () => {
    const history = growingHistory(3, 24_000, untilMs)

    const times = [...historyTimes(history, 1)].map(({ timeMs }) => timeMs)

    const daysBack = times.map((timeMs) => Math.ceil((untilMs - timeMs) / 86_400_000))
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect([3, 2, 1].map((back) => daysBack.filter((each) => each === back).length)).toEqual([
      6_000, 12_000, 24_000,
    ])
    const lastHour = times.filter((timeMs) => timeMs >= untilMs - 3_600_000).length
    expect(lastHour).toBeGreaterThan(1_000)
    expect(lastHour).toBeLessThan(1_100)
  })
})
