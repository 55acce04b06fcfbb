/** Configures kafkajs: brokers, encryption, credentials, timeouts and retries, and its logger. */
import kafkajs, { type Kafka, type KafkaConfig } from 'kafkajs'
import { type Logger, silentLogger } from '../../base/log.ts'
import { type KafkaResource, resourceRefused } from './errors.ts'

export type KafkaMechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512'

export type KafkaSasl = {
  [M in KafkaMechanism]: { readonly mechanism: M; readonly username: string; readonly password: string }
}[KafkaMechanism]

export interface KafkaTls {
  /** PEM of the authorities to trust instead of the system's, and of a certificate of our own. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface KafkaConnection {
  /** `host:port` of some brokers; the others are found through them. */
  readonly brokers: readonly string[]
  readonly ssl?: boolean | KafkaTls
  readonly sasl?: KafkaSasl
}

/**
 * How old the list of a topic's partitions may get. A topic that grows is noticed within this time: kafkajs would take
 * five minutes. The admin client asks each time.
 */
export const metadataMaxAgeMs = 15_000

export function clientConfig(options: KafkaConnection, logger: Logger): KafkaConfig {
  const { brokers, ssl, sasl } = options
  return {
    brokers: [...brokers],
    clientId: 'lakeshore',
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: 3_000,
    authenticationTimeout: 5_000,
    requestTimeout: 10_000,
    retry: { retries: 5, initialRetryTime: 200 },
    logLevel: kafkajs.logLevel.INFO,
    // kafkajs reports each attempt at each broker as an error; the final failure is thrown, and reported by the caller.
    logCreator:
      () =>
      ({ level, namespace, log: { message, timestamp: _, logger: __, ...details } }) => {
        const text = `kafkajs ${namespace}: ${message}`
        const isAttempt = namespace === 'Connection' || namespace === 'BrokerPool'
        if (level === kafkajs.logLevel.ERROR && !isAttempt) logger.warn(details, text)
        else logger.debug(details, text)
      },
  }
}

/** Closes what was, or is being, connected. Never fails: what is not closed politely the broker closes. */
export async function disconnect(
  connecting: Promise<{ disconnect(): Promise<void> }> | undefined,
): Promise<void> {
  try {
    await (await connecting)?.disconnect()
  } catch {
    // The failure that matters was thrown where the connection was used.
  }
}

/**
 * A client that notes which coordinators the brokers refuse. kafkajs reports only that it found none, whatever the
 * brokers said; their answer is in a message that it logs for debugging, which costs time at each request.
 */
export function watchedClient(connection: KafkaConnection): {
  readonly kafka: Kafka
  /** Whether a coordinator was refused for want of a right on this kind of resource. */
  readonly isRefused: (resource: KafkaResource) => boolean
} {
  const refused = new Set<KafkaResource | undefined>()
  const kafka = new kafkajs.Kafka({
    ...clientConfig(connection, silentLogger),
    logLevel: kafkajs.logLevel.DEBUG,
    logCreator:
      () =>
      ({ log }) =>
        void refused.add(resourceRefused(log['error'])),
  })
  return { kafka, isRefused: (resource) => refused.has(resource) }
}

/** Whether the brokers refuse the group. */
export async function refusesGroup(connection: KafkaConnection, groupId: string): Promise<boolean> {
  const { kafka, isRefused } = watchedClient(connection)
  const admin = kafka.admin()
  try {
    await admin.connect()
    await admin.describeGroups([groupId])
  } catch {
    // Whatever it is, the brokers were asked; the caller reports the failure that it met itself.
  }
  await disconnect(Promise.resolve(admin))
  return isRefused('group')
}
