/** Apache Kafka, one broker in KRaft mode, run from Maven's artifacts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort, run, startServer, untilReady } from './command.ts'
import { installJars } from './maven.ts'
import type { Place, RunningService, Service } from './service.ts'

const version = '3.9.1'
const dependencies = [
  `org.apache.kafka:kafka_2.13:${version}`,
  'ch.qos.reload4j:reload4j:1.2.25',
  'org.slf4j:slf4j-reload4j:1.7.36',
]
/** Any UUID in Kafka's own spelling: base64url of 16 bytes. */
const clusterId = 'bGFrZXNob3JlLXRlc3RzIQ'

const install = (place: Place): Promise<string> => installJars(`kafka-${version}`, dependencies, place)

export const kafka: Service = {
  name: 'kafka',

  install: async (place) => void (await install(place)),

  async start(place: Place): Promise<RunningService> {
    const dir = join(place.scratchDir, 'kafka')
    mkdirSync(dir, { recursive: true })
    const [port, controllerPort] = [await freePort(), await freePort()]
    const settings = join(dir, 'server.properties')
    writeFileSync(settings, settingsOf(port, controllerPort, join(dir, 'data')))
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
    const classPath = ['-cp', join(await install(place), '*')]
    await run('java', [...classPath, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', settings], {
      logFile,
    })
    const server = startServer(
      'java',
      [
        '-Xmx512m',
        '-Xms256m',
        `-Dlog4j.configuration=file:${logging}`,
        ...classPath,
        'kafka.Kafka',
        settings,
      ],
      { logFile },
    )
    // The broker opens its port only when it is up.
    await untilReady('kafka', server, () => isListening(port))
    return {
      env: { KAFKA_BROKERS: `127.0.0.1:${port}` },
      stop: () => server.stop(),
    }
  },
}

function settingsOf(port: number, controllerPort: number, dataDir: string): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=${dataDir}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=18000
broker.heartbeat.interval.ms=500
`
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
