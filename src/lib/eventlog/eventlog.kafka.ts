/**
 * The event log on Kafka, with kafkajs.
 *
 * The offsets that a group commits to Kafka are telemetry and are never read: every assignment seeks to the position
 * of the sink. kafkajs has no maintainer, so it decides little by itself: it never restarts a consumer. A member that
 * crashed or stopped answering is replaced by a new one, and so is a producer that failed.
 */
import { randomUUID } from 'node:crypto'
import kafkajs, { type Admin, type Kafka } from 'kafkajs'
import { systemClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import { retry } from '../base/retry.ts'
import {
  type ConsumeOptions,
  type ConsumerEvent,
  type EventLog,
  type ExclusiveAppender,
  type Message,
  type NewMessage,
  type Offset,
  offset,
  type PartitionRange,
  type Positions,
  readAtGroup,
  type TimestampType,
} from './eventlog.ts'
import { KafkaAppender } from './kafka/appender.ts'
import {
  clientConfig,
  disconnect,
  type KafkaConnection,
  metadataMaxAgeMs,
  refusesGroup,
} from './kafka/client.ts'
import { fromKafka, type KafkaOperation, type KafkaRight, rightMissing } from './kafka/errors.ts'
import { openExclusiveAppender } from './kafka/exclusive-appender.ts'
import { KafkaMember } from './kafka/member.ts'
import { gapAt, resetAt, startingPositions } from './positions.ts'

export interface KafkaEventLogOptions extends KafkaConnection {
  readonly topic: string
  /** Of a topic that is made now; one that is there keeps its own settings. */
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly retentionMs?: number
  readonly logger?: Logger
}

const idleMs = 100
const topicAppearsWithinMs = 15_000
const rejoinAfterMs = 1_000
const readWithinMs = 15_000
/** How long the brokers may be away before `consume` gives up. */
const unavailableAfterMs = 60_000

/**
 * Connects, and makes the topic where it is missing, with the time of the append as its messages' time; the
 * caller closes it.
 *
 * @throws LakeError `EVENTLOG_UNAVAILABLE` or `EVENTLOG_REFUSED`.
 */
export async function openKafkaEventLog(options: KafkaEventLogOptions): Promise<EventLog> {
  const log = new KafkaEventLog(options)
  try {
    await log.establish()
    return log
  } catch (error) {
    await log[Symbol.asyncDispose]()
    throw error
  }
}

class KafkaEventLog implements EventLog {
  readonly topic: string
  readonly #options: KafkaEventLogOptions
  readonly #logger: Logger
  readonly #kafka: Kafka
  readonly #members = new Map<string, KafkaMember>()
  #admin: Promise<Admin> | undefined
  readonly #appender: KafkaAppender

  constructor(options: KafkaEventLogOptions) {
    this.topic = options.topic
    this.#options = options
    this.#logger = options.logger ?? silentLogger
    this.#kafka = new kafkajs.Kafka(clientConfig(options, this.#logger))
    this.#appender = new KafkaAppender(this.#kafka, options.topic)
  }

  /** Makes the topic where it is missing. Many processes may do so at once. */
  async establish(): Promise<void> {
    const { partitions = 3, replicationFactor = -1, retentionMs = 86_400_000 } = this.#options
    if (!(await this.#isThere()))
      await this.#ask(`create topic ${this.topic}`, [this.#onTopic('CREATE')], (admin) =>
        admin.createTopics({
          // With several brokers kafkajs fails while it waits for leaders, though the topic was made.
          waitForLeaders: false,
          topics: [
            {
              topic: this.topic,
              numPartitions: partitions,
              replicationFactor,
              configEntries: [
                { name: 'message.timestamp.type', value: 'LogAppendTime' },
                { name: 'max.message.bytes', value: String(8 << 20) },
                { name: 'retention.ms', value: String(retentionMs) },
              ],
            },
          ],
        }),
      )
    const untilMs = performance.now() + topicAppearsWithinMs
    for (;;) {
      try {
        this.#appender.partitionCount = (await this.partitions()).length
        return
      } catch (error) {
        const isNew = error instanceof LakeError && error.code === 'EVENTLOG_UNAVAILABLE'
        if (!isNew || performance.now() > untilMs) throw error
        await systemClock.sleep(100)
      }
    }
  }

  async #isThere(): Promise<boolean> {
    if ((await this.#ask('list the topics', [], (admin) => admin.listTopics())).includes(this.topic))
      return true
    // One that the user may not see is not in the list. Asked for by its name, it is refused.
    try {
      const asked = { topics: [this.topic] }
      const needs = [this.#onTopic('DESCRIBE')]
      await this.#ask(`look up topic ${this.topic}`, needs, (admin) => admin.fetchTopicMetadata(asked))
      return true
    } catch (error) {
      if (error instanceof LakeError && error.code === 'EVENTLOG_REFUSED') throw error
      return false
    }
  }

  #onTopic(operation: KafkaOperation): KafkaRight {
    return { operation, resource: 'topic', name: this.topic }
  }

  async clusterId({ signal }: IoOptions = {}): Promise<string> {
    signal?.throwIfAborted()
    return (await this.#ask('describe the cluster', [], (admin) => admin.describeCluster())).clusterId
  }

  async partitions({ signal }: IoOptions = {}): Promise<readonly PartitionRange[]> {
    signal?.throwIfAborted()
    // A partition has no leader for some seconds when it is new, and when its broker went away.
    const offsets = await retry(
      () =>
        this.#ask(`read the offsets of ${this.topic}`, [this.#onTopic('DESCRIBE')], (admin) =>
          admin.fetchTopicOffsets(this.topic),
        ),
      {
        signal,
        maxAttempts: 8,
        firstDelayMs: 100,
        maxDelayMs: 2_000,
        isRetryable: (error) => error instanceof LakeError && error.details['fault'] === 'leader-moves',
      },
    )
    return offsets
      .map(({ partition, low, high }) => ({
        partition,
        start: offset(BigInt(low)),
        end: offset(BigInt(high)),
      }))
      .sort((a, b) => a.partition - b.partition)
  }

  async timestampType({ signal }: IoOptions = {}): Promise<TimestampType> {
    signal?.throwIfAborted()
    const name = 'message.timestamp.type'
    const needs = [this.#onTopic('DESCRIBE_CONFIGS')]
    try {
      const { resources } = await this.#ask(`read the settings of ${this.topic}`, needs, (admin) =>
        admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: this.topic, configNames: [name] }],
        }),
      )
      const setting = resources[0]?.configEntries.find(({ configName }) => configName === name)
      return setting ? (setting.configValue === 'LogAppendTime' ? 'append' : 'create') : 'unknown'
    } catch (error) {
      if (error instanceof LakeError && error.code === 'EVENTLOG_REFUSED') return 'unknown'
      throw error
    }
  }

  append(messages: readonly NewMessage[], options: IoOptions = {}): Promise<void> {
    return this.#appender.append(messages, options)
  }

  async appendAs(name: string, { signal }: IoOptions = {}): Promise<ExclusiveAppender> {
    signal?.throwIfAborted()
    return openExclusiveAppender(this.#options, {
      topic: this.topic,
      name,
      partitionCount: this.#appender.partitionCount,
    })
  }

  async *consume({ group, membership, positions, signal }: ConsumeOptions): AsyncIterable<ConsumerEvent> {
    signal?.throwIfAborted()
    const groupId = membership === 'shared' ? group : `${group}-alone-${randomUUID()}`
    const reading: KafkaRight = { operation: 'READ', resource: 'group', name: group, isPrefix: true }
    let lastSignMs = performance.now()
    try {
      for (let epoch = 0; ; ) {
        const member = this.#newMember(groupId, epoch, [this.#onTopic('READ'), reading])
        if (membership === 'shared') this.#members.set(group, member)
        let crash: LakeError | undefined
        try {
          await member.join()
          for (let quietSinceMs = performance.now(); ; ) {
            signal?.throwIfAborted()
            crash = member.crash
            if (crash) break
            const event = member.take()
            if (event) {
              yield event
              if (event.kind === 'assigned') crash = await this.#startMember(member, event, positions)
              if (crash) break
              quietSinceMs = performance.now()
              continue
            }
            if (member.epoch > epoch && performance.now() - quietSinceMs >= idleMs) {
              yield { kind: 'idle', epoch: member.epoch }
              quietSinceMs = performance.now()
            }
            await member.news(idleMs, { signal })
          }
        } finally {
          if (this.#members.get(group) === member) this.#members.delete(group)
          await member.leave()
        }
        if (member.epoch > epoch) lastSignMs = performance.now() - member.silentMs
        epoch = member.epoch
        const hasCoordinator = crash.details['fault'] !== 'no-group-coordinator'
        if (!hasCoordinator && (await refusesGroup(this.#options, groupId)))
          throw rightMissing(`consume ${this.topic}`, reading, crash)
        if (!crash.retryable || performance.now() - lastSignMs > unavailableAfterMs) throw crash
        this.#logger.warn({ group, topic: this.topic, err: crash }, 'the consumer crashed: joining again')
        await systemClock.sleep(rejoinAfterMs, { signal })
      }
    } finally {
      if (membership === 'alone') await this.#deleteGroup(groupId)
    }
  }

  async readAt(partition: number, at: Offset, { signal }: IoOptions = {}): Promise<Message | undefined> {
    const ranges = await this.partitions({ signal })
    const range = ranges.find((candidate) => candidate.partition === partition)
    if (!range || at < range.start || at >= range.end) return undefined
    const positions = new Map(ranges.map(({ partition: number, end }) => [number, end]))
    positions.set(partition, at)
    const giveUp = AbortSignal.timeout(readWithinMs)
    const either = signal ? AbortSignal.any([signal, giveUp]) : giveUp
    try {
      for await (const event of this.consume({
        group: readAtGroup,
        membership: 'alone',
        positions: async () => positions,
        signal: either,
      })) {
        if (event.kind !== 'fetched' || event.fetch.partition !== partition) continue
        const [message] = event.fetch.messages
        return message?.offset === at ? message : undefined
      }
    } catch (error) {
      if (error === giveUp.reason)
        throw new LakeError(
          'EVENTLOG_UNAVAILABLE',
          `read ${this.topic} partition ${partition} offset ${at}: nothing came within ${readWithinMs / 1_000} s`,
          { details: { topic: this.topic, partition, offset: at }, cause: error },
        )
      throw error
    }
    return undefined
  }

  /** Only for a group that this log is a member of: kafkajs would have to join it for the purpose. */
  async acknowledge(group: string, positions: Positions): Promise<void> {
    try {
      await this.#members.get(group)?.commit(positions)
    } catch (error) {
      // Telemetry: no start reads it, so a failure must not stop the sink that is already durable.
      this.#logger.debug({ group, err: error }, 'offsets were not committed')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#appender[Symbol.asyncDispose]()
    await disconnect(this.#admin)
    this.#admin = undefined
  }

  #newMember(groupId: string, epoch: number, needs: readonly KafkaRight[]): KafkaMember {
    const consumer = this.#kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      metadataMaxAge: metadataMaxAgeMs,
      sessionTimeout: 10_000,
      heartbeatInterval: 1_000,
      rebalanceTimeout: 15_000,
      maxWaitTimeInMs: idleMs,
      maxBytesPerPartition: 1 << 20,
      retry: { retries: 5, restartOnFailure: async () => false },
    })
    return new KafkaMember({
      consumer,
      topic: this.topic,
      needs,
      epoch,
      checkSkip: async (partition, expected) => {
        const range = (await this.partitions()).find((candidate) => candidate.partition === partition)
        if (range && expected < range.start) throw gapAt(this.topic, range, expected)
        if (range && expected > range.end) throw resetAt(this, range, expected)
      },
    })
  }

  /** Seeks to where the sink is; returns the failure where the brokers went away meanwhile. */
  async #startMember(
    member: KafkaMember,
    { epoch, partitions }: Extract<ConsumerEvent, { kind: 'assigned' }>,
    positions: ConsumeOptions['positions'],
  ): Promise<LakeError | undefined> {
    const stored = await positions(partitions)
    try {
      const ranges = (await this.partitions()).filter(({ partition }) => partitions.includes(partition))
      const unknown = partitions.filter((each) => !ranges.some(({ partition }) => partition === each))
      // A broker may not have heard of new partitions yet. Without a start they would not be read in this epoch.
      if (unknown.length > 0) return notKnownYet(this.topic, unknown)
      member.startAt(epoch, startingPositions(this, ranges, stored))
    } catch (error) {
      return fromKafka(error, `consume ${this.topic}`)
    }
    return undefined
  }

  async #ask<T>(
    operation: string,
    needs: readonly KafkaRight[],
    call: (admin: Admin) => Promise<T>,
  ): Promise<T> {
    this.#admin ??= this.#newAdmin()
    const connecting = this.#admin
    let hasAnswered = false
    try {
      const admin = await connecting
      hasAnswered = true
      return await call(admin)
    } catch (error) {
      if (this.#admin === connecting) this.#admin = undefined
      await disconnect(connecting)
      const failure = fromKafka(error, `${operation} at ${this.#options.brokers.join(',')}`, needs)
      throw hasAnswered && hasBrokenOff(error) ? brokerAway(failure) : failure
    }
  }

  async #newAdmin(): Promise<Admin> {
    const admin = this.#kafka.admin()
    await admin.connect()
    return admin
  }

  async #deleteGroup(groupId: string): Promise<void> {
    try {
      await this.#ask('delete a group', [], (admin) => admin.deleteGroups([groupId]))
    } catch (error) {
      // Kafka forgets a group without members and offsets by itself.
      this.#logger.debug({ groupId, err: error }, 'the group was not deleted')
    }
  }
}

/** Some broker answers, and the one that leads the partition does not: another takes over. */
const hasBrokenOff = (error: unknown): boolean =>
  error instanceof Error &&
  /^KafkaJS(Connection|NumberOfRetriesExceeded|BrokerNotFound|RequestTimeout)/.test(error.name)

function brokerAway(failure: LakeError): LakeError {
  if (failure.code !== 'EVENTLOG_UNAVAILABLE') return failure
  const { message, cause, details } = failure
  return new LakeError(failure.code, message, { cause, details: { ...details, fault: 'leader-moves' } })
}

function notKnownYet(topic: string, partitions: readonly number[]): LakeError {
  return new LakeError(
    'EVENTLOG_UNAVAILABLE',
    `consume ${topic}: expected the offsets of partition ${partitions.join(', ')}, got none: a broker does not know the partition yet`,
    { details: { topic, partitions } },
  )
}
