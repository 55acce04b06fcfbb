import type { Message, RecordMetadata } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { WholeSend } from './whole-send.ts'

const metadata = [0, 1, 2].map((partitionId) => ({
  partitionErrorCode: 0,
  partitionId,
  leader: partitionId,
  replicas: [0],
  isr: [0],
}))

/** A producer that answers for these partitions of each send, one set a send, as kafkajs does when a leader moves. */
function producer(whole: WholeSend, answers: readonly (readonly number[])[]) {
  const partitionOf = whole.createPartitioner()
  const log: string[][] = []
  const send = async (messages: Message[]): Promise<RecordMetadata[]> => {
    const answered = answers[log.length] ?? []
    const sent = messages.map((message) => ({
      message,
      partition: partitionOf({ topic: 't', partitionMetadata: metadata, message }),
    }))
    log.push(sent.map(({ message }) => String(message.value)))
    return [...new Set(sent.map(({ partition }) => partition))]
      .filter((partition) => answered.includes(partition))
      .map((partition) => ({ topicName: 't', partition, errorCode: 0 }))
  }
  return { send, log }
}

const messages: Message[] = [0, 1, 2].map((partition) => ({ value: `to ${partition}`, partition }))

describe('send(messages, send)', () => {
  it('sends once where every partition answers', async () => {
    const whole = new WholeSend('t')
    const { send, log } = producer(whole, [[0, 1, 2]])

    await whole.send(messages, send)

    expect(log).toEqual([['to 0', 'to 1', 'to 2']])
  })

  it('sends again what no partition answered for, and only that', async () => {
    const whole = new WholeSend('t')
    const { send, log } = producer(whole, [[0, 2], [], [1]])

    await whole.send(messages, send)

    expect(log).toEqual([['to 0', 'to 1', 'to 2'], ['to 1'], ['to 1']])
  })

  it('does not pass for done while a partition never answers', async () => {
    const whole = new WholeSend('t')
    const { send } = producer(
      whole,
      Array.from({ length: 9 }, () => [0, 1]),
    )

    await expect(whole.send(messages, send)).rejects.toMatchObject({
      code: 'EVENTLOG_UNAVAILABLE',
      message: expect.stringContaining('1 messages were passed over'),
    })
  })
})
