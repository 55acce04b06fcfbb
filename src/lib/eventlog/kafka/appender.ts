/**
 * Appends to a Kafka topic so that an acknowledged message is there once.
 *
 * The broker recognises a repetition by the sequence numbers of the producer. If a request fails, kafkajs uses its
 * numbers again for other messages. So requests go one at a time, and after a failure a producer with new numbers
 * takes over.
 */
import type { IHeaders, Kafka, Producer, Message as ProducerMessage } from 'kafkajs'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { Header, NewMessage } from '../eventlog.ts'
import { disconnect, metadataMaxAgeMs } from './client.ts'
import { fromKafka, type KafkaRight } from './errors.ts'
import { WholeSend } from './whole-send.ts'

/** The rights that appending needs. */
export const writing = (topic: string): readonly KafkaRight[] => [
  { operation: 'WRITE', resource: 'topic', name: topic },
]

const requestBytes = 900_000

export class KafkaAppender implements AsyncDisposable {
  /** Of the topic; messages without a key take turns over so many. */
  partitionCount = 1
  readonly #kafka: Kafka
  readonly #topic: string
  readonly #whole: WholeSend
  #producer: Promise<Producer> | undefined
  #appending: Promise<void> = Promise.resolve()
  #turn = Math.floor(Math.random() * 1_000)

  constructor(kafka: Kafka, topic: string) {
    this.#kafka = kafka
    this.#topic = topic
    this.#whole = new WholeSend(topic)
  }

  /** See `EventLog.append`. */
  append(messages: readonly NewMessage[], { signal }: IoOptions): Promise<void> {
    const appended = this.#appending.then(async () => {
      for (const request of requestsOf(messages)) {
        signal?.throwIfAborted()
        await this.#send(request)
      }
    })
    this.#appending = appended.catch(() => undefined)
    return appended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#appending
    await disconnect(this.#producer)
    this.#producer = undefined
  }

  async #send(messages: readonly NewMessage[]): Promise<void> {
    this.#producer ??= this.#newProducer()
    const connecting = this.#producer
    try {
      const producer = await connecting
      await this.#whole.send(
        messages.map((message) => toKafka(message, () => this.#turn++ % this.partitionCount)),
        (left) => producer.send({ topic: this.#topic, acks: -1, timeout: 10_000, messages: left }),
      )
    } catch (error) {
      // Its numbering of messages is in doubt: a next request could pass for a repetition of this one.
      this.#producer = undefined
      await disconnect(connecting)
      throw fromKafka(error, `append ${messages.length} messages to ${this.#topic}`, writing(this.#topic))
    }
  }

  async #newProducer(): Promise<Producer> {
    const producer = this.#kafka.producer({
      allowAutoTopicCreation: false,
      createPartitioner: this.#whole.createPartitioner,
      metadataMaxAge: metadataMaxAgeMs,
      idempotent: true,
      maxInFlightRequests: 1,
      retry: { retries: 5 },
    })
    await producer.connect()
    return producer
  }
}

/** @param turn of a message without a key: it goes to the partition of this number, also when it is sent again. */
export function toKafka({ key, value, headers }: NewMessage, turn: () => number): ProducerMessage {
  return {
    key: key && bufferOf(key),
    value: value && bufferOf(value),
    ...(headers && headers.length > 0 ? { headers: toKafkaHeaders(headers) } : {}),
    // Named, so that a repetition goes where the first attempt went.
    ...(key === null ? { partition: turn() } : {}),
  }
}

/** Pieces that stay below what a broker takes in one request by default; a larger message goes alone. */
export function* requestsOf(messages: readonly NewMessage[]): Generator<readonly NewMessage[]> {
  let from = 0
  let bytes = 0
  for (const [index, { key, value }] of messages.entries()) {
    const size = 100 + (key?.length ?? 0) + (value?.length ?? 0)
    if (index > from && bytes + size > requestBytes) {
      yield messages.slice(from, index)
      from = index
      bytes = 0
    }
    bytes += size
  }
  if (from < messages.length) yield messages.slice(from)
}

function toKafkaHeaders(headers: readonly Header[]): IHeaders {
  const byKey = new Map<string, Header[]>()
  for (const header of headers) byKey.set(header.key, [...(byKey.get(header.key) ?? []), header])
  return Object.fromEntries(
    [...byKey].map(([key, same]) => [
      key,
      same.map(({ value }) => {
        if (value !== null) return bufferOf(value)
        throw new LakeError(
          'SOURCE_FAILED',
          `header ${key}: expected a value, kafkajs cannot send a header without one`,
        )
      }),
    ]),
  )
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
