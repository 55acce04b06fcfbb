import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { SharedReading } from './shared-reading.ts'

const untilAborted = ({ signal }: IoOptions): Promise<never> =>
  new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))

const hintOf = (): string => 'Do this.'

describe('SharedReading', () => {
  it('reads once for all who ask while the value is fresh, and again when it is old', async () => {
    const clock = new ManualClock(1_000_000)
    let reads = 0
    const reading = new SharedReading(async () => ++reads, { what: 'It', clock, hintOf, maxAgeMs: 4_000 })

    const first = await Promise.all([reading.get(), reading.get()])
    clock.advance(4_000)

    expect(first.map(({ value }) => value)).toEqual([1, 1])
    expect((await reading.get()).value).toBe(2)
  })

  it('reads again when the clock has gone back', async () => {
    const clock = new ManualClock(1_000_000)
    let reads = 0
    const reading = new SharedReading(async () => ++reads, { what: 'It', clock, hintOf })
    await reading.get()

    clock.advance(-60_000)

    expect((await reading.get()).value).toBe(2)
  })

  it('ends a read that takes too long, and keeps the value before it', async () => {
    const clock = new ManualClock(1_000_000)
    const reads = [async () => 'old', untilAborted]
    const reading = new SharedReading((io) => (reads.shift() ?? untilAborted)(io), {
      what: 'It',
      clock,
      hintOf,
      patienceMs: 10_000,
      deadlineMs: 5_000,
    })
    await reading.get()
    clock.advance(4_000)

    const late = reading.get()
    clock.advance(5_000)

    expect(await late).toMatchObject({ value: 'old', isStale: true, problem: { code: 'SOURCE_FAILED' } })
  })

  it('ends what it reads when all who asked are gone, as if nobody had asked', async () => {
    const failures: unknown[] = []
    const ends: unknown[] = []
    const reads = [
      ({ signal }: IoOptions) => {
        signal?.addEventListener('abort', () => ends.push(signal.reason))
        return untilAborted({ signal })
      },
      async () => 'new',
    ]
    const reading = new SharedReading<string>((io) => (reads.shift() ?? untilAborted)(io), {
      what: 'It',
      clock: new ManualClock(1_000_000),
      hintOf,
      onFailure: (error) => failures.push(error),
    })
    const [one, other] = [new AbortController(), new AbortController()]
    const asked = [one, other].map(({ signal }) => reading.get({ signal }))

    one.abort()
    expect(ends).toEqual([])
    other.abort()

    expect(ends).toMatchObject([{ code: 'INTERRUPTED' }])
    expect(await reading.get()).toMatchObject({ value: 'new', problem: undefined })
    await Promise.all(asked)
    expect(failures).toEqual([])
  })

  it('ends what it reads when all have gone who got a late value and may have asked again', async () => {
    const clock = new ManualClock(1_000_000)
    let reason: unknown
    const reading = new SharedReading<string>(
      ({ signal }) => {
        signal?.addEventListener('abort', () => {
          reason = signal.reason
        })
        return untilAborted({ signal })
      },
      { what: 'It', clock, hintOf },
    )
    const page = new AbortController()
    const late = reading.get({ signal: page.signal })
    clock.advance(3_000)
    expect(await late).toMatchObject({ isStale: true })

    page.abort()

    await expect.poll(() => reason).toMatchObject({ code: 'INTERRUPTED' })
  })

  it('ends what it reads when it is closed, and tells nobody of the failure', async () => {
    const failures: unknown[] = []
    const reading = new SharedReading(untilAborted, {
      what: 'It',
      clock: new ManualClock(),
      hintOf,
      onFailure: (error) => failures.push(error),
    })
    const asked = reading.get()

    reading.close()

    expect(await asked).toMatchObject({ value: undefined, problem: { code: 'INTERRUPTED' } })
    expect(failures).toEqual([])
  })
})
