import { randomUUID } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, describe, expect, it } from 'vitest'
import { describeEventLog, numbered, readCount, text } from './eventlog.contract.ts'
import { openKafkaEventLog } from './eventlog.kafka.ts'

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
    const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer({
      transactionalId: log.topic,
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    for (const outcome of ['commit', 'abort', 'commit'] as const) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: log.topic, messages: [{ key: 'k', value: outcome, partition: 0 }] })
      await transaction[outcome]()
    }
    await producer.disconnect()
    await log.append([{ key: null, value: Buffer.from('plain') }])

    const read = await readCount(log, 3)

    expect(read.map(({ value }) => text(value)).sort()).toEqual(['commit', 'commit', 'plain'])
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
      signal: AbortSignal.timeout(20_000),
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
      hint: expect.stringContaining('max.message.bytes'),
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
