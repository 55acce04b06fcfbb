import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { type ConsumerEvent, type Message, offset, type PartitionRange } from '../../lib/eventlog/eventlog.ts'
import { PauseSwitch } from '../../lib/stream/pause-switch.ts'
import { StageMeter } from './stage-meter.ts'

const message = (partition: number, at: bigint, timestampMs: number): Message => ({
  partition,
  offset: offset(at),
  timestampMs,
  key: null,
  value: Buffer.alloc(100),
  headers: [],
})

function fetched(partition: number, from: bigint, timesMs: readonly number[]): ConsumerEvent {
  const messages = timesMs.map((ms, at) => message(partition, from + BigInt(at), ms))
  return {
    kind: 'fetched',
    epoch: 1,
    fetch: { partition, messages, next: offset(from + BigInt(timesMs.length)) },
  }
}

function batchOf(...events: readonly ConsumerEvent[]) {
  const fetches = events.flatMap((event) => (event.kind === 'fetched' ? [event.fetch] : []))
  return {
    messages: fetches.flatMap(({ messages }) => messages),
    next: new Map(fetches.map(({ partition, next }) => [partition, next as bigint])),
  }
}

const ends = (...at: readonly bigint[]): readonly PartitionRange[] =>
  at.map((end, partition) => ({ partition, start: offset(0n), end: offset(end) }))

function meterAt(nowMs: number) {
  const clock = new ManualClock(nowMs)
  const pause = new PauseSwitch()
  return { clock, pause, meter: new StageMeter({ clock, pause, elapsedMs: () => clock.now() }) }
}

const assigned = (partitions: readonly number[]): ConsumerEvent => ({
  kind: 'assigned',
  epoch: 1,
  partitions,
})

describe('StageMeter', () => {
  it('measures the lag of each partition from where the sink is, in messages and in time', () => {
    const { meter, clock } = meterAt(10_000)
    meter.received(assigned([0, 1, 2]))
    meter.startsAt(
      [0, 1, 2],
      new Map([
        [0, offset(5n)],
        [1, offset(7n)],
      ]),
    )
    const first = fetched(0, 5n, [9_000, 9_500])
    meter.received(first)
    meter.received(fetched(0, 7n, [9_800]))
    meter.sawEnds(ends(8n, 7n, 3n))
    const before = meter.reading()
    clock.advance(1_000)

    meter.wrote(batchOf(first), { events: 2 })

    expect(before.partitions).toMatchObject([
      { partition: 0, next: 5, end: 8, lagMessages: 3, lagMs: 1_000 },
      { partition: 1, lagMessages: 0, lagMs: 0 },
      // Nothing of it was fetched yet: for how long its messages wait is not known.
      { partition: 2, next: 0, lagMessages: 3, lagMs: null },
    ])
    expect(meter.reading().partitions[0]).toMatchObject({ next: 7, lagMessages: 1, lagMs: 1_200 })
  })

  it('knows that the log has come further than it said, by what was fetched since', () => {
    const { meter } = meterAt(1_000)
    meter.received(assigned([0]))
    meter.startsAt([0], new Map([[0, offset(5n)]]))
    meter.sawEnds(ends(5n))
    meter.received(fetched(0, 5n, [900, 950]))

    expect(meter.reading().partitions).toMatchObject([{ end: 7, lagMessages: 2, lagMs: 100 }])
  })

  it('does not know a lag while the log does not say where it ends', () => {
    const { meter } = meterAt(0)
    meter.received(assigned([0]))
    meter.startsAt([0], new Map([[0, offset(5n)]]))
    meter.sawEnds(ends(9n))
    meter.sawEnds(undefined)

    expect(meter.reading().partitions).toMatchObject([{ next: 5, end: null, lagMessages: null }])
  })

  it('shows the partitions that are its own, also after another process has come', () => {
    const { meter } = meterAt(0)
    meter.received(assigned([0, 1]))
    meter.sawEnds(ends(1n, 1n))
    meter.received(assigned([1]))

    expect(meter.reading().partitions.map(({ partition }) => partition)).toEqual([1])
  })

  it('counts what is in flight until it is written, or read again', () => {
    const { meter } = meterAt(0)
    const [first, second] = [fetched(0, 0n, [1, 2]), fetched(0, 2n, [3])]
    meter.received(first)
    meter.received(second)
    const both = meter.reading().inFlight
    meter.wrote(batchOf(first), { events: 2 })
    const one = meter.reading().inFlight
    meter.dropped()

    expect([both, one, meter.reading().inFlight]).toEqual([
      { messages: 3, bytes: 300 },
      { messages: 1, bytes: 100 },
      { messages: 0, bytes: 0 },
    ])
  })

  it('gives the rate over the last minute, and since the start before', () => {
    const { meter, clock } = meterAt(0)
    const batch = (at: bigint) =>
      batchOf(
        fetched(
          0,
          at,
          Array.from({ length: 300 }, () => 0),
        ),
      )
    clock.advance(10_000)
    meter.wrote(batch(0n), { events: 300 })
    const early = meter.reading().messagesPerSecond
    clock.advance(50_000)
    meter.wrote(batch(300n), { events: 300 })
    clock.advance(20_000)

    expect(early).toBe(30)
    expect(meter.reading().messagesPerSecond).toBe(5)
  })

  it('adds up what became of the messages, and leaves out what the stage does not tell apart', () => {
    const { meter, clock } = meterAt(1_000)
    meter.wrote(batchOf(fetched(0, 0n, [1, 2, 3])), { events: 2, rejected: 1, version: 7 })
    clock.advance(500)
    meter.wrote(batchOf(fetched(0, 3n, [4])), { events: 1, rejected: 0, version: 8 })

    expect(meter.reading()).toMatchObject({
      messages: 4,
      events: 3,
      rejected: 1,
      late: null,
      lastCommit: { atMs: 1_500, version: 8 },
    })
  })

  it('says the watermark of each partition and, as its own, the oldest one', () => {
    const { meter } = meterAt(1_000_000)
    const batch = batchOf(fetched(0, 0n, [1]), fetched(1, 0n, [1]))
    meter.wrote(batch, {
      events: 2,
      newestEventMs: new Map([
        [0, 900_000],
        [1, 950_000],
      ]),
    })

    expect(meter.reading()).toMatchObject({ watermarkMs: 780_000, watermarkDelayMs: 220_000 })
    expect(meter.reading().partitions.map(({ watermarkMs }) => watermarkMs)).toEqual([780_000, 830_000])
  })

  it('retries with its error until a batch is written, not merely read', () => {
    const { meter } = meterAt(0)
    const error = new LakeError('CLICKHOUSE_UNAVAILABLE', 'connection refused')
    meter.entered({ kind: 'retrying', failures: 1, waitMs: 1_000, error })
    meter.entered({ kind: 'reading', failures: 1 })
    meter.received(fetched(0, 0n, [1]))
    meter.entered({ kind: 'writing', failures: 1 })
    const during = meter.reading()
    meter.wrote(batchOf(fetched(0, 0n, [1])), { events: 1 })

    expect(during).toMatchObject({
      state: 'retrying',
      problem: { code: 'CLICKHOUSE_UNAVAILABLE', message: 'connection refused' },
    })
    expect(meter.reading()).toMatchObject({ state: 'running', problem: null, failures: 1 })
  })

  it('is paused for the reason that was given, and runs when it reads again', () => {
    const { meter, pause } = meterAt(0)
    pause.set('the bucket moves')
    meter.entered({ kind: 'paused', failures: 1 })
    const paused = meter.reading()
    pause.set(undefined)
    meter.entered({ kind: 'reading', failures: 1 })

    expect(paused).toMatchObject({ state: 'paused', problem: { message: 'the bucket moves' } })
    expect(meter.reading()).toMatchObject({ state: 'running', problem: null })
  })

  it('is quiet since the log answered or the sink took a batch', () => {
    const { meter, clock } = meterAt(0)
    clock.advance(70_000)
    const before = meter.reading().quietMs
    meter.received({ kind: 'idle', epoch: 1 })
    clock.advance(5)

    expect([before, meter.reading().quietMs]).toEqual([70_000, 5])
  })
})
