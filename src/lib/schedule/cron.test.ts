import nodeCron from 'node-cron'
import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { nextTick, parseCron, ticksBetween } from './cron.ts'

const at = (text: string): number => Date.parse(text)
const iso = (ms: number): string => new Date(ms).toISOString()

describe('parseCron(text, setting)', () => {
  it.each([
    ['61 1 * * *', 'minute: expected 0-59', 'got 61'],
    ['0 24 * * *', 'hour: expected 0-23', 'got 24'],
    ['0 1 0 * *', 'dayOfMonth: expected 1-31', 'got 0'],
    ['0 1 * 13 *', 'month: expected 1-12', 'got 13'],
    ['0 1 * JAX *', 'month: expected 1-12 or JAN-DEC', 'got JAX'],
    ['0 1 * * 8', 'dayOfWeek: expected 0-7', 'got 8'],
    ['*/0 * * * *', 'minute: expected 0-59', 'got */0'],
    ['1,,2 * * * *', 'minute: expected 0-59', 'got 1,,2'],
    ['0 1 *', 'expected 5 fields', 'got 3'],
    ['', 'expected 5 fields', 'got 0'],
    ['0 1 32 2 MON', 'dayOfMonth: expected 1-31', 'got 32'],
    ['0 1 31 2 *', 'expected a day that comes', 'got day 31 of month 2'],
    ['0 1 30-31 FEB *', 'expected a day that comes', 'got day 30-31 of month FEB'],
    ['0 1 31 4,6,9,11 ?', 'expected a day that comes', 'got day 31 of month 4,6,9,11'],
    ['5 0 1 31 2 *', 'expected a day that comes', 'got day 31 of month 2'],
  ])('refuses "%s", says where, what, and what may stand there', (text, expected, got) => {
    expect(() => parseCron(text, 'BATCH_CRON')).toThrow(
      expect.toSatisfy(
        (error) =>
          isLakeError(error, 'CONFIG_INVALID') &&
          error.message.startsWith(`BATCH_CRON "${text}": ${expected}`) &&
          error.message.endsWith(got),
      ),
    )
  })

  it('leaves no task behind in node-cron', () => {
    parseCron('0 1 * * *', 'BATCH_CRON')

    expect(nodeCron.getTasks().size).toBe(0)
  })
})

describe('nextTick(cron, afterMs)', () => {
  it.each([
    ['0 1 * * *', '2026-11-23T00:59:59.999Z', '2026-11-23T01:00:00.000Z'],
    ['0 1 * * *', '2026-11-23T01:00:00.000Z', '2026-11-24T01:00:00.000Z'],
    ['*/15 * * * *', '2026-12-31T23:45:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['30 */10 * * * *', '2026-11-23T00:10:30.000Z', '2026-11-23T00:20:30.000Z'],
    ['0 0 29 2 *', '2026-11-23T00:00:00.000Z', '2028-02-29T00:00:00.000Z'],
    ['0 0 29 2 *', '2096-03-01T00:00:00.000Z', '2104-02-29T00:00:00.000Z'],
    ['0 0 29 2 1', '2080-02-27T00:00:00.000Z', '2080-02-29T00:00:00.000Z'],
    ['0 0 13 * FRI', '2026-11-07T00:00:00.000Z', '2026-11-13T00:00:00.000Z'],
    ['0 0 13 * FRI', '2026-11-13T00:00:00.000Z', '2026-11-20T00:00:00.000Z'],
    ['0 0 15 * FRI', '2026-11-13T00:00:00.000Z', '2026-11-15T00:00:00.000Z'],
    ['0 0 */2 * FRI', '2026-11-07T00:00:00.000Z', '2026-11-13T00:00:00.000Z'],
    ['30 0 0 13 * FRI', '2026-11-13T00:00:30.000Z', '2026-11-20T00:00:30.000Z'],
    [' 0 1 * * *\n', '2026-11-23T00:30:00.000Z', '2026-11-23T01:00:00.000Z'],
    ['0 0 31 2 MON', '2026-11-13T00:00:00.000Z', '2027-02-01T00:00:00.000Z'],
    ['0 0 31 2 MON', '2027-02-01T00:00:00.000Z', '2027-02-08T00:00:00.000Z'],
    ['0 0 0 30 2 0', '2026-11-13T00:00:00.000Z', '2027-02-07T00:00:00.000Z'],
    ['0 0 31 2,3 *', '2026-11-13T00:00:00.000Z', '2027-03-31T00:00:00.000Z'],
    ['0 0 31 * *', '2027-02-01T00:00:00.000Z', '2027-03-31T00:00:00.000Z'],
    ['0 0 L * *', '2026-02-01T00:00:00.000Z', '2026-02-28T00:00:00.000Z'],
    ['0 6 * * MON-FRI', '2026-11-20T06:00:00.000Z', '2026-11-23T06:00:00.000Z'],
    ['0 6 * * 7', '2026-11-20T06:00:00.000Z', '2026-11-22T06:00:00.000Z'],
    ['0 22-2/2 * * *', '2026-11-23T02:30:00.000Z', '2026-11-23T22:00:00.000Z'],
    ['@daily', '2026-11-23T02:30:00.000Z', '2026-11-24T00:00:00.000Z'],
  ])('%s after %s is %s', (text, after, next) => {
    expect(iso(nextTick(parseCron(text, 'cron'), at(after)))).toBe(next)
  })

  it('agrees with node-cron, minute by minute', () => {
    const text = '7,*/20 3-5 * * *'
    const cron = parseCron(text, 'cron')
    const task = nodeCron.createTask(text, () => undefined, { timezone: 'UTC' })
    const from = at('2026-11-23T00:00:00Z')
    const theirs: number[] = []
    for (let ms = from; ms < from + 2 * 86_400_000; ms += 60_000)
      if (task.match(new Date(ms))) theirs.push(ms)
    void task.destroy()

    const ours: number[] = []
    for (let ms = nextTick(cron, from - 1); ms < from + 2 * 86_400_000; ms = nextTick(cron, ms)) ours.push(ms)

    expect(ours).toEqual(theirs)
  })
})

describe('ticksBetween(cron, afterMs, upToMs)', () => {
  const cron = parseCron('0 1 * * *', 'cron')

  it('counts the ticks and names the newest; the start is out, the end is in', () => {
    expect(ticksBetween(cron, at('2026-11-20T01:00:00Z'), at('2026-11-23T01:00:00Z'))).toEqual({
      newestMs: at('2026-11-23T01:00:00Z'),
      count: 3,
    })
  })

  it('is undefined where there is none', () => {
    expect(ticksBetween(cron, at('2026-11-20T01:00:00Z'), at('2026-11-21T00:59:59Z'))).toBeUndefined()
    expect(ticksBetween(cron, at('2026-11-20T01:00:00Z'), at('2026-11-19T00:00:00Z'))).toBeUndefined()
  })
})
