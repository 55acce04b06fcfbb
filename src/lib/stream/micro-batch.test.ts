import { describe, expect, it } from 'vitest'
import { ManualClock } from '../base/clock.ts'
import { type MicroBatchOptions, microBatches, type StreamEvent, type StreamMessage } from './micro-batch.ts'

const message = (partition: number, offset: number, bytes = 1): StreamMessage => ({
  partition,
  offset: BigInt(offset),
  value: new Uint8Array(bytes),
})
const fetched = (partition: number, from: number, to: number, next = to): StreamEvent<StreamMessage> => ({
  kind: 'fetched',
  epoch: 1,
  fetch: {
    partition,
    messages: Array.from({ length: to - from }, (_, index) => message(partition, from + index)),
    next: BigInt(next),
  },
})
const assigned: StreamEvent<StreamMessage> = { kind: 'assigned', epoch: 2, partitions: [0, 1] }
const idle: StreamEvent<StreamMessage> = { kind: 'idle', epoch: 1 }

async function cut(
  events: readonly (StreamEvent<StreamMessage> | number)[],
  options: Partial<MicroBatchOptions> = {},
): Promise<unknown> {
  const clock = new ManualClock()
  const stream = (async function* () {
    for (const event of events) {
      if (typeof event === 'number') clock.advance(event)
      else yield event
    }
  })()
  const batches = []
  for await (const { messages, next } of microBatches(stream, {
    maxRows: 3,
    triggerMs: 1000,
    clock,
    ...options,
  })) {
    batches.push([
      messages.map(({ partition, offset }) => `${partition}/${offset}`).join(' '),
      Object.fromEntries(next),
    ])
  }
  return batches
}

describe('microBatches(events, options)', () => {
  it('cuts at the most rows, inside a fetch as well', async () => {
    expect(await cut([fetched(0, 0, 7)])).toEqual([
      ['0/0 0/1 0/2', { 0: 3n }],
      ['0/3 0/4 0/5', { 0: 6n }],
    ])
  })

  it('cuts when the oldest message has waited for the trigger, and not before', async () => {
    expect(await cut([fetched(0, 0, 1), 999, idle, fetched(1, 0, 1), 1, idle, 5000, idle])).toEqual([
      ['0/0 1/0', { 0: 1n, 1: 1n }],
    ])
  })

  it('cuts where the clock goes back, instead of waiting until it has caught up', async () => {
    expect(await cut([fetched(0, 0, 1), -3_600_000, idle, fetched(0, 1, 2), 1000, idle])).toEqual([
      ['0/0', { 0: 1n }],
      ['0/1', { 0: 2n }],
    ])
  })

  it('cuts at the most bytes', async () => {
    expect(await cut([fetched(0, 0, 2)], { maxBytes: 1 })).toEqual([
      ['0/0', { 0: 1n }],
      ['0/1', { 0: 2n }],
    ])
  })

  it('drops what was buffered when partitions are assigned anew', async () => {
    expect(await cut([fetched(0, 0, 2), assigned, fetched(0, 0, 3)])).toEqual([['0/0 0/1 0/2', { 0: 3n }]])
  })

  it('carries the position over offsets that hold no message', async () => {
    expect(await cut([fetched(0, 5, 5, 9), 1000, idle])).toEqual([['', { 0: 9n }]])
  })

  it('ends at the given offsets, without the messages after them, and with no empty batch', async () => {
    const until = new Map([
      [0, 2n],
      [1, 3n],
    ])
    expect(
      await cut([fetched(0, 0, 5), fetched(1, 0, 1), idle, fetched(1, 1, 3), fetched(0, 5, 9)], { until }),
    ).toEqual([
      ['0/0 0/1 1/0', { 0: 2n, 1: 1n }],
      ['1/1 1/2', { 1: 3n }],
    ])
  })

  it('does not wait for what the sink has already', async () => {
    const until = new Map([[0, 2n]])
    expect(await cut([assigned, idle, fetched(0, 2, 4)], { until, landed: () => 2n })).toEqual([])
  })
})
