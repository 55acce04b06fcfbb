/**
 * Appends to a Kafka topic in transactions under one transactional id. The broker lets the newest producer of an id write
 * and no older one: when a new one has connected, the open transaction of the one before is aborted.
 */
import type { Producer } from 'kafkajs'
import { LakeError } from '../../base/errors.ts'
import type { ExclusiveAppender } from '../eventlog.ts'
import { requestsOf, toKafka, writing } from './appender.ts'
import { disconnect, type KafkaConnection, metadataMaxAgeMs, watchedClient } from './client.ts'
import { fromKafka, type KafkaRight, rightMissing } from './errors.ts'
import { WholeSend } from './whole-send.ts'

/** The caller closes it. @throws LakeError `EVENTLOG_UNAVAILABLE` or `EVENTLOG_REFUSED`. */
export async function openExclusiveAppender(
  connection: KafkaConnection,
  {
    topic,
    name,
    partitionCount,
  }: { readonly topic: string; readonly name: string; readonly partitionCount: number },
): Promise<ExclusiveAppender> {
  const { kafka, isRefused } = watchedClient(connection)
  const onName: KafkaRight = { operation: 'WRITE', resource: 'transactional-id', name }
  const failed = (error: unknown, subject: string): LakeError => {
    const failure = fromKafka(error, subject, [...writing(topic), onName])
    const hasCoordinator = failure.details['fault'] !== 'no-group-coordinator'
    return hasCoordinator || !isRefused('transactional-id') ? failure : rightMissing(subject, onName, failure)
  }
  const whole = new WholeSend(topic)
  const producer = kafka.producer({
    transactionalId: name,
    allowAutoTopicCreation: false,
    createPartitioner: whole.createPartitioner,
    metadataMaxAge: metadataMaxAgeMs,
    idempotent: true,
    maxInFlightRequests: 1,
    retry: { retries: 5 },
  })
  try {
    await producer.connect()
  } catch (error) {
    await disconnect(Promise.resolve(producer))
    throw failed(error, `become the transactional producer ${name} of ${topic}`)
  }
  let turn = 0
  let hasFailed = false
  return {
    append: async (messages, { signal } = {}) => {
      // Another process may have the name by now: a new producer of that name would end its writing.
      if (hasFailed) throw new LakeError('BUG', `append to ${topic} as ${name}: an append before has failed`)
      for (const request of requestsOf(messages)) {
        signal?.throwIfAborted()
        try {
          await send(
            { producer, whole, topic },
            request.map((message) => toKafka(message, () => turn++ % partitionCount)),
          )
        } catch (error) {
          hasFailed = true
          throw failed(error, `append ${request.length} messages to ${topic} as ${name}`)
        }
      }
    },
    [Symbol.asyncDispose]: () => disconnect(Promise.resolve(producer)),
  }
}

async function send(
  {
    producer,
    whole,
    topic,
  }: { readonly producer: Producer; readonly whole: WholeSend; readonly topic: string },
  messages: readonly ReturnType<typeof toKafka>[],
): Promise<void> {
  const transaction = await producer.transaction()
  try {
    await whole.send(messages, (left) =>
      transaction.send({ topic, acks: -1, timeout: 10_000, messages: left }),
    )
    await transaction.commit()
  } catch (error) {
    // Best effort: the broker aborts it when its time is over, or when the next producer of the name connects.
    if (transaction.isActive()) await transaction.abort().catch(() => undefined)
    throw error
  }
}
