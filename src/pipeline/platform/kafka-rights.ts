/**
 * The rights at the brokers that each stage and command needs, and no others. The tests take them away one by one; the
 * script of ACLs and the table in the guide are made of this list.
 */
import { readAtGroup } from '../../lib/eventlog/eventlog.ts'
import type { KafkaOperation, KafkaRight } from '../../lib/eventlog/kafka/errors.ts'
import { consumerGroups, replayWriter } from '../streaming/consumer-groups.ts'

export const kafkaUsers = ['producer', 'landing', 'realtime', 'books', 'console', 'replay', 'doctor'] as const
export type KafkaUser = (typeof kafkaUsers)[number]

/** What each user stands for. */
export const usersMean: Readonly<Record<KafkaUser, string>> = {
  producer: '`lake produce`',
  landing: '`lake land`',
  realtime: '`lake realtime`',
  books: '`lake schedule`, `lake batch`, `lake ledger`, `lake reconcile`, `lake trace`',
  console: '`lake console`, `lake stream`, `lake alerts`',
  replay: '`lake rejected replay`',
  doctor: '`lake doctor`',
}

/** @returns in the order in which they are missed. READ and WRITE include DESCRIBE. */
export function kafkaRights(user: KafkaUser, topic: string): readonly KafkaRight[] {
  const onTopic = (operation: KafkaOperation): KafkaRight => ({ operation, resource: 'topic', name: topic })
  const onGroup = (name: string): KafkaRight => ({
    operation: 'READ',
    resource: 'group',
    name,
    isPrefix: true,
  })
  switch (user) {
    case 'producer':
      return [onTopic('WRITE')]
    case 'landing':
      return [onTopic('READ'), onGroup(consumerGroups.landing), onGroup(readAtGroup)]
    case 'realtime':
      return [onTopic('READ'), onGroup(consumerGroups.realtime), onGroup(readAtGroup)]
    case 'books':
      return [onTopic('READ'), onGroup(consumerGroups.ledger), onGroup(readAtGroup)]
    case 'console':
      return [onTopic('READ'), onGroup(readAtGroup)]
    case 'replay':
      return [
        onTopic('WRITE'),
        { operation: 'WRITE', resource: 'transactional-id', name: replayWriter(topic) },
        onTopic('READ'),
        onGroup(consumerGroups.replay),
      ]
    case 'doctor':
      return [onTopic('DESCRIBE'), onTopic('DESCRIBE_CONFIGS')]
  }
}
