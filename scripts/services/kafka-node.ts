/** A node of Kafka in KRaft mode, broker and controller in one, run from Maven's artifacts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { run, type Server, startServer, untilReady } from './command.ts'
import { installJars } from './maven.ts'
import type { Place } from './service.ts'

const version = '3.9.1'
const dependencies = [
  `org.apache.kafka:kafka_2.13:${version}`,
  'ch.qos.reload4j:reload4j:1.2.25',
  'org.slf4j:slf4j-reload4j:1.7.36',
]
/** Any UUID in Kafka's own spelling: base64url of 16 bytes. */
const clusterId = 'bGFrZXNob3JlLXRlc3RzIQ'

/** @returns the folder of the jars. */
export const installKafka = (place: Place): Promise<string> =>
  installJars(`kafka-${version}`, dependencies, place)

export interface NodeOptions {
  /** Of its own: settings, log and data. */
  readonly dir: string
  readonly id: number
  readonly port: number
  /** All nodes of the cluster; each is a controller too. */
  readonly controllers: readonly { readonly id: number; readonly port: number }[]
  readonly protocol?: 'PLAINTEXT' | 'SASL_PLAINTEXT'
  readonly settings?: Readonly<Record<string, string>>
  /** As Java takes it. Default 512m. */
  readonly memory?: string
}

/** Formats the folder if it is new, starts the node, and waits until it takes connections. */
export async function startNode(place: Place, options: NodeOptions): Promise<Server> {
  const server = await beginNode(place, options)
  // The broker opens its port only when it is up.
  await untilReady(`kafka node ${options.id}`, server, () => isListening(options.port))
  return server
}

/** Does not wait: the first node of a cluster is up only when a second one has begun. */
export async function beginNode(place: Place, options: NodeOptions): Promise<Server> {
  const { dir, memory = '512m' } = options
  mkdirSync(dir, { recursive: true })
  const settings = join(dir, 'server.properties')
  writeFileSync(settings, settingsOf(options))
  const logging = join(dir, 'log4j.properties')
  writeFileSync(
    logging,
    [
      'log4j.rootLogger=INFO, out',
      'log4j.appender.out=org.apache.log4j.ConsoleAppender',
      'log4j.appender.out.layout=org.apache.log4j.PatternLayout',
      'log4j.appender.out.layout.ConversionPattern=%d %p %m%n',
      '',
    ].join('\n'),
  )
  const logFile = join(dir, 'kafka.log')
  const classPath = ['-cp', join(await installKafka(place), '*')]
  const format = ['format', '--ignore-formatted', '-t', clusterId, '-c', settings]
  await run('java', [...classPath, 'kafka.tools.StorageTool', ...format], { logFile })
  return startServer(
    'java',
    [
      `-Xmx${memory}`,
      '-Xms256m',
      `-Dlog4j.configuration=file:${logging}`,
      ...classPath,
      'kafka.Kafka',
      settings,
    ],
    { logFile },
  )
}

function settingsOf({ dir, id, port, controllers, protocol = 'PLAINTEXT', settings }: NodeOptions): string {
  const own = controllers.find((controller) => controller.id === id)
  const all = {
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': controllers.map((each) => `${each.id}@127.0.0.1:${each.port}`).join(','),
    listeners: `${protocol}://127.0.0.1:${port},CONTROLLER://127.0.0.1:${own?.port ?? 0}`,
    'advertised.listeners': `${protocol}://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': `${protocol}:${protocol},CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': protocol,
    'log.dirs': join(dir, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': controllers.length,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': controllers.length,
    'transaction.state.log.min.isr': Math.min(2, controllers.length),
    'transaction.state.log.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    'broker.session.timeout.ms': 18_000,
    'broker.heartbeat.interval.ms': 500,
    ...settings,
  }
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
