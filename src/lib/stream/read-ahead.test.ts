import { describe, expect, it } from 'vitest'
import type { StreamEvent, StreamMessage } from './micro-batch.ts'
import { readAhead } from './read-ahead.ts'

type Event = StreamEvent<StreamMessage>

const fetched = (from: number, bytes = 10): Event => ({
  kind: 'fetched',
  epoch: 1,
  fetch: {
    partition: 0,
    messages: [{ partition: 0, offset: BigInt(from), value: new Uint8Array(bytes) }],
    next: BigInt(from + 1),
  },
})
const assigned: Event = { kind: 'assigned', epoch: 2, partitions: [0] }
const idle: Event = { kind: 'idle', epoch: 1 }

/** A log that gives these events, and says how many it was asked for. */
function log(events: readonly Event[]) {
  const asked = { count: 0, hasReturned: false }
  const stream = (async function* () {
    try {
      for (const event of events) {
        asked.count += 1
        yield event
      }
    } finally {
      asked.hasReturned = true
    }
  })()
  return { asked, stream }
}

/** As long as anything can go on without the consumer. */
const whileTheConsumerWorks = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('readAhead(events)', () => {
  it('hands on every event in its order', async () => {
    const events = [assigned, fetched(0), idle, fetched(1), fetched(2), assigned, fetched(3)]
    const seen: Event[] = []

    for await (const event of readAhead(log(events).stream)) {
      await whileTheConsumerWorks()
      seen.push(event)
    }

    expect(seen).toEqual(events)
  })

  it('fetches while the consumer is at work, and holds so many bytes at most', async () => {
    const { asked, stream } = log(Array.from({ length: 20 }, (_, n) => fetched(n)))
    const reader = readAhead(stream, { maxBytes: 30 })

    await reader.next()
    await whileTheConsumerWorks()

    // The one that is being worked at, and three that wait.
    expect(asked.count).toBe(4)

    await reader.next()
    await whileTheConsumerWorks()

    expect(asked.count).toBe(5)
  })

  it.each([
    ['an assignment', assigned],
    ['a log at rest', idle],
  ])('reads no further than %s until the consumer asks for what follows', async (_, event) => {
    const { asked, stream } = log([fetched(0), event, fetched(1)])
    const reader = readAhead(stream)

    const counts = []
    for (let taken = 0; taken < 2; taken++) {
      await reader.next()
      await whileTheConsumerWorks()
      counts.push(asked.count)
    }
    await reader.next()

    expect(counts).toEqual([2, 2])
    expect(asked.count).toBe(3)
  })

  it('fails where the log fails, after all that came before', async () => {
    const stream = (async function* () {
      yield fetched(0)
      yield fetched(1)
      throw new Error('gone')
    })()
    const seen: Event[] = []

    const reading = (async () => {
      for await (const event of readAhead(stream)) {
        await whileTheConsumerWorks()
        seen.push(event)
      }
    })()

    await expect(reading).rejects.toThrow('gone')
    expect(seen).toEqual([fetched(0), fetched(1)])
  })

  it('leaves the log when the consumer leaves', async () => {
    const { asked, stream } = log([fetched(0), fetched(1), fetched(2)])

    for await (const event of readAhead(stream, { maxBytes: 1 })) if (event.kind === 'fetched') break

    expect(asked.hasReturned).toBe(true)
  })
})
