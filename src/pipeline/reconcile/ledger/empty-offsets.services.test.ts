import { randomUUID } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, describe, expect, it } from 'vitest'
import { openKafkaEventLog } from '../../../lib/eventlog/eventlog.kafka.ts'
import { offset } from '../../../lib/eventlog/eventlog.ts'
import { transact } from '../../../lib/eventlog/transactions.fixture.ts'
import { emptyOffsets } from './empty-offsets.ts'

const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',')
const topic = `empty-offsets-${randomUUID()}`

afterAll(async () => {
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
})

describe('emptyOffsets(log, range)', () => {
  it('are the markers of transactions and the messages of aborted ones, of the range alone', async () => {
    await using log = await openKafkaEventLog({ brokers, topic })
    await transact({ brokers, topic }, ['commit', 'abort', 'commit'])
    // The broker writes the last marker some time after it has answered.
    await expect.poll(async () => (await log.partitions())[0]?.end).toBe(12n)
    const empty = async (from: bigint, to: bigint): Promise<readonly string[]> =>
      (await emptyOffsets(log, { partition: 0, from: offset(from), to: offset(to) })).map(
        (range) => `${range.from}-${range.to}`,
      )

    expect(await empty(0n, 12n)).toEqual(['3-8', '11-12'])
    expect(await empty(0n, 3n)).toEqual([])
    expect(await empty(4n, 6n)).toEqual(['4-6'])
    expect(await empty(2n, 9n)).toEqual(['3-8'])
  })
})
