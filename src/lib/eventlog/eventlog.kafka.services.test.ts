import { randomUUID } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, describe, expect, it } from 'vitest'
import { describeEventLog, numbered, readCount, text } from './eventlog.contract.ts'
import { openKafkaEventLog } from './eventlog.kafka.ts'
import { type Fetch, offset } from './eventlog.ts'
import { transact } from './transactions.fixture.ts'

const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',')
const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
const topics: string[] = []

async function open() {
  const topic = `eventlog-${randomUUID()}`
  topics.push(topic)
  return openKafkaEventLog({ brokers, topic })
}

afterAll(async () => {
  await admin.connect()
  await admin.deleteTopics({ topics })
  await admin.disconnect()
})

describeEventLog('kafka', {
  open,
  async expire({ topic }) {
    await admin.connect()
    const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({
      partition,
      offset: high,
    }))
    await admin.deleteTopicRecords({ topic, partitions })
  },
  async grow({ topic }, count) {
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic, count }] })
  },
})

describe('openKafkaEventLog(options)', () => {
  it('makes the topic once when several processes open it at once', async () => {
    const topic = `eventlog-${randomUUID()}`
    topics.push(topic)

    const logs = await Promise.all([1, 2, 3].map(() => openKafkaEventLog({ brokers, topic, partitions: 5 })))

    for (const log of logs) {
      expect(await log.partitions()).toHaveLength(5)
      await log[Symbol.asyncDispose]()
    }
  })

  it('reads past the markers of transactions, and says where to read on', async () => {
    await using log = await open()
    await transact({ brokers, topic: log.topic }, ['commit', 'abort', 'commit'])
    await log.append([{ key: null, value: Buffer.from('plain') }])

    const read = await readCount(log, 7)

    expect(read.map(({ value }) => text(value)).sort()).toEqual([...Array(6).fill('commit'), 'plain'])
  })

  it.each([
    ['a commit', ['commit'], 0n],
    ['a commit, whose messages the sink has', ['commit'], 3n],
    ['an abort', ['commit', 'abort'], 0n],
    ['aborts alone', ['abort', 'abort', 'abort'], 0n],
    ['an abort between others', ['commit', 'abort', 'commit'], 5n],
  ] as const)('comes to the end that the log says, where that is %s', async (_, outcomes, from) => {
    await using log = await open()
    await transact({ brokers, topic: log.topic }, outcomes)
    const end = BigInt(4 * outcomes.length)
    // The broker writes the last marker some time after it has answered.
    await expect.poll(async () => (await log.partitions())[0]?.end).toBe(end)
    const fetches: Fetch[] = []

    for await (const event of log.consume({
      group: log.topic,
      membership: 'alone',
      positions: async () => new Map([[0, offset(from)]]),
      signal: AbortSignal.timeout(60_000),
    })) {
      if (event.kind === 'fetched') fetches.push(event.fetch)
      if (fetches.at(-1)?.next === end) break
    }

    const places = outcomes.flatMap((outcome, at) =>
      [0, 1, 2].map((n) => ({ outcome, at: BigInt(4 * at + n) })),
    )
    expect(fetches.flatMap(({ messages }) => messages.map((message) => message.offset))).toEqual(
      places.filter(({ outcome, at }) => outcome === 'commit' && at >= from).map(({ at }) => at),
    )
    const ends = fetches.map(({ next }) => next)
    expect(ends).toEqual([...new Set(ends)].sort((a, b) => Number(a - b)))
  })

  it('flattens headers of one key in their order', async () => {
    await using log = await open()
    const headers = [
      { key: 'a', value: Buffer.from('1') },
      { key: 'a', value: Buffer.from('2') },
      { key: 'b', value: Buffer.alloc(0) },
    ]

    await log.append([{ key: null, value: null, headers }])
    const [message] = await readCount(log, 1)

    expect(message?.headers).toEqual(headers)
  })

  it('refuses a header without a value, which kafkajs cannot write, and works on', async () => {
    await using log = await open()

    const refused = log.append([{ key: null, value: null, headers: [{ key: 'b', value: null }] }])

    await expect(refused).rejects.toMatchObject({ code: 'SOURCE_FAILED' })
    await log.append(numbered(1))
    expect(await readCount(log, 1)).toHaveLength(1)
  })

  it('commits what a member acknowledges, where other tools see it', async () => {
    await using log = await open()
    await log.append(numbered(10))
    const positions = new Map((await log.partitions()).map(({ partition, end }) => [partition, end] as const))

    for await (const event of log.consume({
      group: log.topic,
      membership: 'shared',
      positions: async () => new Map(),
      signal: AbortSignal.timeout(60_000),
    })) {
      if (event.kind !== 'fetched') continue
      await log.acknowledge(log.topic, positions)
      break
    }

    await admin.connect()
    const [committed] = await admin.fetchOffsets({ groupId: log.topic, topics: [log.topic] })
    expect(
      new Map(committed?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)])),
    ).toEqual(positions)
  })

  it('takes a message of 2 MB, and refuses one that is larger than the topic takes', async () => {
    await using log = await open()

    await log.append([{ key: null, value: Buffer.alloc(2_000_000, 1) }])
    const [message] = await readCount(log, 1)

    expect(message?.value).toHaveLength(2_000_000)
    await expect(log.append([{ key: null, value: Buffer.alloc(9 << 20, 1) }])).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      details: { fault: 'message-too-large' },
    })
    await log.append(numbered(1))
  })

  it('says that nothing listens where no broker is', async () => {
    await expect(openKafkaEventLog({ brokers: ['127.0.0.1:1'], topic: 't' })).rejects.toMatchObject({
      code: 'EVENTLOG_UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:1'),
    })
  })
})
