/** For tests: a producer of transactions, each of which leaves a marker at an offset of its own. */
import { Kafka, logLevel } from 'kafkajs'

/** Transactions of three messages each in partition 0, and so a marker after them. */
export async function transact(
  { brokers, topic }: { readonly brokers: readonly string[]; readonly topic: string },
  outcomes: readonly ('commit' | 'abort')[],
): Promise<void> {
  const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer({
    transactionalId: topic,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  for (const outcome of outcomes) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [1, 2, 3].map(() => ({ value: outcome, partition: 0 })) })
    await transaction[outcome]()
  }
  await producer.disconnect()
}
