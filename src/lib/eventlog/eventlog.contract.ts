/** What any `EventLog` must do. Each adapter's test calls this once, so all mean the same thing. */
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions, ConsumerEvent, EventLog, Message, NewMessage, Positions } from './eventlog.ts'
import { offset } from './eventlog.ts'
import { partitionOfKey } from './partitioner.ts'

export interface EventLogHarness {
  /** A log of three partitions on a topic of its own. */
  open(): Promise<EventLog>
  /** Lets retention take all that is there now. */
  expire(log: EventLog): Promise<void>
  /** Gives the topic more partitions. Absent where a log keeps those that it has. */
  grow?(log: EventLog, partitions: number): Promise<void>
}

export const bytes = (text: string): Uint8Array => Buffer.from(text)

export const text = (value: Uint8Array | null): string | null =>
  value === null ? null : Buffer.from(value).toString()

/** Messages whose keys are spread over all partitions, valued `from`, `from + 1`, … */
export function numbered(count: number, from = 0): NewMessage[] {
  return Array.from({ length: count }, (_, n) => ({
    key: bytes(`key ${n % 50}`),
    value: bytes(`${from + n}`),
  }))
}

/** Reads alone until `isEnough` of the messages so far; fails when that does not come in time. */
export async function readUntil(
  log: EventLog,
  isEnough: (messages: readonly Message[]) => boolean,
  options: Partial<ConsumeOptions> = {},
): Promise<Message[]> {
  const messages: Message[] = []
  const signal = AbortSignal.timeout(60_000)
  for await (const event of log.consume({ ...alone(), signal, ...options })) {
    if (event.kind === 'fetched') messages.push(...event.fetch.messages)
    if (isEnough(messages)) break
  }
  return messages
}

export const readCount = (
  log: EventLog,
  count: number,
  options: Partial<ConsumeOptions> = {},
): Promise<Message[]> => readUntil(log, (messages) => messages.length >= count, options)

/** The texts of one partition, in the order read. */
const ofPartition = (messages: readonly Message[], partition: number): Message[] =>
  messages.filter((message) => message.partition === partition)

const alone = (positions: Positions = new Map()): ConsumeOptions => ({
  group: 'contract',
  membership: 'alone',
  positions: async () => positions,
})

/** Follows a shared consumer in the background: what it owns, and what it was given. */
function follow(log: EventLog, options: Partial<ConsumeOptions> = {}) {
  const stop = new AbortController()
  const seen: { owned: readonly number[]; messages: Message[] } = { owned: [], messages: [] }
  const done = (async () => {
    const source = log.consume({ ...alone(), membership: 'shared', signal: stop.signal, ...options })
    for await (const event of source) {
      if (event.kind === 'assigned') seen.owned = event.partitions
      if (event.kind === 'fetched') seen.messages.push(...event.fetch.messages)
    }
  })()
  // Whoever awaits `done` sees the failure; this only keeps an abort during the test from being unhandled.
  done.catch(() => undefined)
  return { seen, stop, done }
}

const until = (condition: () => boolean): Promise<void> => expect.poll(condition, { interval: 10 }).toBe(true)

export function describeEventLog(adapter: string, { open, expire, grow }: EventLogHarness): void {
  describe(`EventLog contract: ${adapter}`, () => {
    it('keeps key, value and headers byte by byte, and tells a missing value from an empty one', async () => {
      await using log = await open()
      const all256 = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      const sent: NewMessage[] = [
        { key: bytes('k'), value: all256, headers: [{ key: 'trace', value: all256 }] },
        { key: bytes('k'), value: null },
        { key: bytes('k'), value: bytes('') },
        { key: bytes('k'), value: bytes('{"é":"😀"}\n') },
      ]

      await log.append(sent)
      const read = await readCount(log, 4)

      expect(read.map(({ value }) => value && Buffer.from(value))).toEqual([
        Buffer.from(all256),
        null,
        Buffer.alloc(0),
        Buffer.from('{"é":"😀"}\n'),
      ])
      expect(read.map(({ key }) => text(key))).toEqual(['k', 'k', 'k', 'k'])
      expect(read[0]?.headers.map(({ key, value }) => [key, value && Buffer.from(value)])).toEqual([
        ['trace', Buffer.from(all256)],
      ])
      expect(read[1]?.headers).toEqual([])
    })

    it('keeps a message without a key, and tells it from one with an empty key', async () => {
      await using log = await open()

      await log.append([
        { key: null, value: bytes('without') },
        { key: bytes(''), value: bytes('empty') },
      ])
      const read = await readCount(log, 2)

      expect(new Map(read.map(({ key, value }) => [text(value), text(key)]))).toEqual(
        new Map([
          ['without', null],
          ['empty', ''],
        ]),
      )
    })

    it('keeps a value of 1 MB', async () => {
      await using log = await open()
      const value = Buffer.alloc(1_000_000, 'lake ')

      await log.append([{ key: bytes('k'), value }])
      const [message] = await readCount(log, 1)

      expect(Buffer.compare(Buffer.from(message?.value ?? []), value)).toBe(0)
    })

    it('sends a key to the partition that Kafka sends it to, in the order appended', async () => {
      await using log = await open()
      const sent = numbered(300)

      await log.append(sent.slice(0, 100))
      await log.append(sent.slice(100))
      const read = await readCount(log, 300)

      for (const partition of [0, 1, 2])
        expect(ofPartition(read, partition).map(({ value }) => text(value))).toEqual(
          sent
            .filter(({ key }) => key && partitionOfKey(key, 3) === partition)
            .map(({ value }) => text(value)),
        )
    })

    it('gives offsets without a gap, and times that never go back, to racing appends', async () => {
      await using log = await open()
      const startMs = Date.now()

      await Promise.all(Array.from({ length: 10 }, (_, n) => log.append(numbered(50, n * 50))))
      const read = await readCount(log, 500)

      expect(new Set(read.map(({ value }) => text(value))).size).toBe(500)
      for (const { partition, start, end } of await log.partitions()) {
        const messages = ofPartition(read, partition)
        expect(start).toBe(0n)
        expect(messages.map((message) => message.offset)).toEqual(
          Array.from({ length: Number(end) }, (_, n) => BigInt(n)),
        )
        const times = messages.map(({ timestampMs }) => timestampMs)
        expect(times).toEqual([...times].sort((a, b) => a - b))
        expect(Math.abs(Math.min(...times) - startMs)).toBeLessThan(60_000)
      }
    })

    it('reads on from the positions of the sink, in the middle of an append too', async () => {
      await using log = await open()
      await log.append(numbered(200))
      const whole = await readCount(log, 200)
      const ranges = await log.partitions()
      const positions = new Map(ranges.map(({ partition, end }) => [partition, offset(end / 2n)]))
      const expected = whole.filter((message) => message.offset >= (positions.get(message.partition) ?? 0n))

      const read = await readCount(log, expected.length, alone(positions))

      for (const { partition } of ranges)
        expect(ofPartition(read, partition)).toEqual(ofPartition(expected, partition))
    })

    it('says in each fetch where to read on', async () => {
      await using log = await open()
      await log.append(numbered(100))
      const next = new Map<number, bigint>()

      for await (const event of log.consume({ ...alone(), signal: AbortSignal.timeout(60_000) })) {
        if (event.kind !== 'fetched') continue
        const { partition, messages, next: after } = event.fetch
        expect(messages[0]?.offset).toBe(next.get(partition) ?? 0n)
        next.set(partition, after)
        if ([...next.values()].reduce((a, b) => a + b, 0n) === 100n) break
      }

      expect(next).toEqual(new Map((await log.partitions()).map(({ partition, end }) => [partition, end])))
    })

    it('asks for positions after the reader has taken the assignment, and before it fetches', async () => {
      await using log = await open()
      await log.append(numbered(30))
      const story: string[] = []

      for await (const event of log.consume({
        ...alone(),
        signal: AbortSignal.timeout(60_000),
        positions: async (partitions) => {
          story.push(`asked for ${[...partitions].sort()}`)
          await new Promise((resolve) => setTimeout(resolve, 20))
          story.push('answered')
          return new Map()
        },
      })) {
        if (event.kind === 'idle') continue
        story.push(event.kind)
        if (event.kind === 'fetched') break
      }

      expect(story).toEqual(['assigned', 'asked for 0,1,2', 'answered', 'fetched'])
    })

    it('hands a waiting reader what is appended, and says when nothing comes', async () => {
      await using log = await open()
      const kinds: ConsumerEvent['kind'][] = []
      let hasAppended = false
      const values: (string | null)[] = []

      for await (const event of log.consume({ ...alone(), signal: AbortSignal.timeout(60_000) })) {
        kinds.push(event.kind)
        if (event.kind === 'idle' && !hasAppended) {
          hasAppended = true
          await log.append([{ key: bytes('k'), value: bytes('news') }])
        }
        if (event.kind !== 'fetched') continue
        values.push(...event.fetch.messages.map(({ value }) => text(value)))
        break
      }

      expect(kinds.slice(0, 2)).toEqual(['assigned', 'idle'])
      expect(values).toEqual(['news'])
    })

    it('throws the abort reason, whether it waits or has messages to give', async () => {
      await using log = await open()
      await log.append(numbered(10))
      const reason = new Error('shutting down')
      const stop = new AbortController()

      const reading = (async () => {
        for await (const event of log.consume({ ...alone(), signal: stop.signal }))
          if (event.kind === 'idle') stop.abort(reason)
      })()

      await expect(reading).rejects.toBe(reason)
      await expect(readCount(log, 1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    })

    it('throws EVENTLOG_GAP, naming partition and offsets, when a position lies before the oldest message', async () => {
      await using log = await open()
      await log.append(numbered(60))
      const before = await log.partitions()
      await expire(log)

      const [first] = await log.partitions()

      expect(first?.start).toBeGreaterThanOrEqual(before[0]?.end ?? 0n)
      await expect(
        readCount(log, 1, alone(new Map([0, 1, 2].map((partition) => [partition, offset(1n)])))),
      ).rejects.toMatchObject({
        code: 'EVENTLOG_GAP',
        message: expect.stringContaining(
          `partition 0: expected offset 1, but the oldest kept is ${first?.start}`,
        ),
        details: { partition: 0, expected: 1n, start: first?.start },
      })
    })

    it('starts a partition without a position at its oldest message', async () => {
      await using log = await open()
      await log.append(numbered(60))
      await expire(log)
      await log.append(numbered(60, 1_000))
      const ranges = await log.partitions()
      const held = ranges.reduce((sum, { start, end }) => sum + Number(end - start), 0)

      const read = await readCount(log, held)

      for (const { partition, start } of ranges) expect(ofPartition(read, partition)[0]?.offset).toBe(start)
    })

    it('throws EVENTLOG_RESET, naming partition and offsets, when a position lies past the end', async () => {
      await using log = await open()
      await log.append(numbered(60))
      const [range] = await log.partitions()

      const reading = readCount(log, 1, alone(new Map([[0, offset(1_000n)]])))

      await expect(reading).rejects.toMatchObject({
        code: 'EVENTLOG_RESET',
        message: expect.stringContaining(
          `partition 0: expected offset 1000 or more, but the log ends at ${range?.end}`,
        ),
        details: { partition: 0, expected: 1000n, end: range?.end },
      })
    })

    it('reads one message at its place, and nothing where there is none', async () => {
      await using log = await open()
      await log.append(numbered(60))
      const [range] = await log.partitions()
      const last = offset((range?.end ?? 0n) - 1n)
      const read = await readCount(log, 60)

      expect(await log.readAt(0, last)).toEqual(ofPartition(read, 0).at(-1))
      expect(await log.readAt(0, offset(last + 1n))).toBeUndefined()

      await expire(log)
      expect(await log.readAt(0, last)).toBeUndefined()
    })

    it('lets a consumer alone read whatever others of the group own', async () => {
      await using log = await open()
      await log.append(numbered(30))
      const owner = follow(log)
      await until(() => owner.seen.messages.length === 30)

      const read = await readCount(log, 30)

      expect(read).toHaveLength(30)
      owner.stop.abort(new Error('done'))
      await expect(owner.done).rejects.toThrow('done')
    })

    it('gives each partition to one of the shared consumers, and to the next when that one leaves', async () => {
      await using log = await open()
      const members: ReturnType<typeof follow>[] = []
      // The sink of all: whoever is assigned a partition reads on behind what any has been given of it.
      const positions = async (): Promise<Positions> =>
        new Map(
          members
            .flatMap(({ seen }) => seen.messages)
            .toSorted((a, b) => Number(a.offset - b.offset))
            .map((message) => [message.partition, offset(message.offset + 1n)]),
        )
      const first = follow(log, { positions })
      members.push(first)
      await until(() => first.seen.owned.length === 3)
      const second = follow(log, { positions })
      members.push(second)
      const owned = () => [...first.seen.owned, ...second.seen.owned].sort()

      await until(() => `${owned()}` === '0,1,2')
      await log.append(numbered(100))
      await until(() => first.seen.messages.length + second.seen.messages.length >= 100)
      first.stop.abort(new Error('left'))
      await expect(first.done).rejects.toThrow('left')
      await until(() => second.seen.owned.length === 3)
      const before = second.seen.messages.length
      await log.append(numbered(50, 100))
      await until(() => second.seen.messages.length >= before + 50)

      second.stop.abort(new Error('left'))
      await expect(second.done).rejects.toThrow('left')
      const places = [...first.seen.messages, ...second.seen.messages].map(
        (m) => `${m.partition}/${m.offset}`,
      )
      expect(new Set(places).size).toBe(150)
      expect(places).toHaveLength(150)
    })

    if (grow !== undefined)
      it('takes up new partitions while consumers share the old ones, and reads each message once', async () => {
        await using log = await open()
        await log.append(numbered(50))
        const members: ReturnType<typeof follow>[] = []
        const positions = async (): Promise<Positions> =>
          new Map(
            members
              .flatMap(({ seen }) => seen.messages)
              .toSorted((a, b) => Number(a.offset - b.offset))
              .map((message) => [message.partition, offset(message.offset + 1n)]),
          )
        members.push(follow(log, { positions }), follow(log, { positions }))
        const read = (): Message[] => members.flatMap(({ seen }) => seen.messages)
        await until(() => read().length >= 50)

        await grow(log, 10)
        const owned = () => members.flatMap(({ seen }) => seen.owned).toSorted((a, b) => a - b)
        await until(() => `${owned()}` === '0,1,2,3,4,5,6,7,8,9')
        expect(await log.partitions()).toHaveLength(10)
        let sent = 50
        while (new Set(read().map(({ partition }) => partition)).size < 10) {
          await log.append(numbered(50, sent))
          sent += 50
          await until(() => read().length >= sent)
        }

        for (const member of members) member.stop.abort(new Error('left'))
        for (const member of members) await expect(member.done).rejects.toThrow('left')
        expect(new Set(read().map((m) => `${m.partition}/${m.offset}`)).size).toBe(sent)
        expect(read()).toHaveLength(sent)
      })

    it('releases the partitions when the reader leaves the loop', async () => {
      await using log = await open()
      await log.append(numbered(10))

      for (const _ of [1, 2]) {
        const read = await readCount(log, 10, { membership: 'shared' })
        expect(read).toHaveLength(10)
      }
    })

    it('takes note of what is durable without ever starting from it', async () => {
      await using log = await open()
      await log.append(numbered(10))

      await log.acknowledge(
        'contract',
        new Map((await log.partitions()).map(({ partition, end }) => [partition, end])),
      )

      expect(await readCount(log, 10, { membership: 'shared' })).toHaveLength(10)
    })

    it('has an identity that stays', async () => {
      await using log = await open()

      const id = await log.clusterId()

      expect(id).not.toBe('')
      expect(await log.clusterId()).toBe(id)
      expect(await log.timestampType()).toBe('append')
    })
  })
}
