/**
 * Sends that are answered only when every message was sent.
 *
 * kafkajs 2.2.4 sends to each leader by itself, and after a failure only to leaders that have not answered yet. If a
 * partition has moved meanwhile to a leader that has answered, its messages are never sent, and the send is reported as
 * done. The report names the partitions that took something: what went to no other is sent again, with the same
 * sequence numbers, by which the broker recognises what it has.
 */
import kafkajs, { type ICustomPartitioner, type Message, type RecordMetadata } from 'kafkajs'
import { LakeError } from '../../base/errors.ts'

const mostSends = 5

export class WholeSend {
  readonly #topic: string
  /** Where each message of the send in progress goes. */
  readonly #partitions = new WeakMap<Message, number>()

  constructor(topic: string) {
    this.#topic = topic
  }

  /** Kafka's own partitioning; the producer must be made with it. */
  readonly createPartitioner: ICustomPartitioner = () => {
    const partitionOf = kafkajs.Partitioners.DefaultPartitioner()
    return (args) => {
      const partition = partitionOf(args)
      this.#partitions.set(args.message, partition)
      return partition
    }
  }

  /**
   * @param send of the producer, to the topic; called with all messages, and again with those that were passed over.
   * @throws what `send` throws, and LakeError `EVENTLOG_UNAVAILABLE` if some are passed over each time.
   */
  async send(
    messages: readonly Message[],
    send: (messages: Message[]) => Promise<readonly RecordMetadata[]>,
  ): Promise<void> {
    let left = messages
    for (let sends = 0; sends < mostSends; sends++) {
      const answered = new Set((await send([...left])).map(({ partition }) => partition))
      left = left.filter((message) => !answered.has(this.#partitions.get(message) ?? -1))
      if (left.length === 0) return
    }
    throw new LakeError(
      'EVENTLOG_UNAVAILABLE',
      `${this.#topic}: ${left.length} messages were passed over ${mostSends} times while their partition moved between brokers`,
      { details: { topic: this.#topic, fault: 'leader-moves' } },
    )
  }
}
