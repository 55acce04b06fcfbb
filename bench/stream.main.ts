/**
 * One work of the streams, in a process of its own: `stream.main.ts WORK COUNT`. Prints what it took of this process, and of
 * the embedded ClickHouse where that has a part. Which log and which folder: the usual variables.
 */
import { readFile } from 'node:fs/promises'
import kafkajs from 'kafkajs'
import { readEndpoint } from '../src/lib/clickhouse-server/endpoint.ts'
import { type NewMessage, offset } from '../src/lib/eventlog/eventlog.ts'
import { spread } from '../src/lib/eventlog/partitioner.ts'
import { openPlatform, type Platform } from '../src/pipeline/platform/compose.ts'
import { readConfig } from '../src/pipeline/platform/config.ts'
import { runLandingStage, runRealtimeStage } from '../src/pipeline/platform/stages.ts'
import { produce } from '../src/pipeline/producer/produce.ts'
import { printUsage } from './usage.ts'

/** A clock that does not wait, so that events of a steady rate are made as fast as they can be sent. */
function hurriedClock(fromMs: number) {
  let nowMs = fromMs
  return {
    now: () => nowMs,
    sleep: async (ms: number): Promise<void> => {
      nowMs += ms
    },
  }
}

const eventsPerSecond = 5_000
const dials = { late: 0.03, duplicate: 0.01, malformed: 0.005 }

function events(sink: Parameters<typeof produce>[0], count: number): Promise<unknown> {
  const clock = hurriedClock(Date.now() - (count / eventsPerSecond) * 1000)
  return produce(sink, { seed: 7, plan: { kind: 'live', eventsPerSecond, count }, ...dials }, { clock })
}

async function collected(count: number): Promise<readonly NewMessage[]> {
  const messages: NewMessage[] = []
  await events({ append: async (some) => void messages.push(...some) }, count)
  return messages
}

/** The log's own reader, or on Kafka the client without ours; nothing is done with what comes. */
async function readBare(platform: Platform, count: number): Promise<void> {
  const { kafka, topic } = platform.config
  if (kafka !== undefined) return readBareKafka(kafka.brokers, topic, count)
  let read = 0
  const stream = (await platform.log()).consume({
    group: 'bench',
    membership: 'alone',
    positions: async (partitions) => new Map(partitions.map((partition) => [partition, offset(0n)])),
  })
  for await (const event of stream) {
    if (event.kind === 'fetched') read += event.fetch.messages.length
    if (read >= count) break
  }
}

async function readBareKafka(brokers: readonly string[], topic: string, count: number): Promise<void> {
  const client = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const consumer = client.consumer({ groupId: `bench-${process.pid}`, maxWaitTimeInMs: 100 })
  let read = 0
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    const eachBatch = async ({ batch }: { readonly batch: { readonly messages: readonly unknown[] } }) => {
      read += batch.messages.length
      if (read >= count) resolve()
    }
    consumer.run({ autoCommit: false, eachBatch }).catch(reject)
  })
  await consumer.disconnect()
}

const appendedAtOnce = 1_000

async function appendBare(platform: Platform, messages: readonly NewMessage[]): Promise<void> {
  const { kafka, topic } = platform.config
  if (kafka === undefined) {
    const log = await platform.log()
    for (let at = 0; at < messages.length; at += appendedAtOnce) {
      await log.append(messages.slice(at, at + appendedAtOnce))
    }
    return
  }
  const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING })
  const producer = client.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  // Partitions are given, so that the client does not compute them.
  const spreadOut = spread(messages, 3, 0).flatMap((own, partition) =>
    own.map(({ key, value }) => ({
      key: key && Buffer.from(key.buffer, key.byteOffset, key.byteLength),
      value: value && Buffer.from(value.buffer, value.byteOffset, value.byteLength),
      partition,
    })),
  )
  for (let at = 0; at < spreadOut.length; at += appendedAtOnce) {
    await producer.send({ topic, messages: spreadOut.slice(at, at + appendedAtOnce) })
  }
  await producer.disconnect()
}

async function serverCpuSeconds(home: string): Promise<number> {
  const endpoint = await readEndpoint(home)
  if (endpoint === undefined) return 0
  const stat = await readFile(`/proc/${endpoint.pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return 0
  // Fields 14 and 15, counted behind the name, which may hold blanks; in hundredths of a second.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const [work = '', words = '0'] = process.argv.slice(2)
const count = Number(words)
const platform = openPlatform(readConfig(process.env))
const log = await platform.log()
const works: Readonly<Record<string, () => Promise<() => Promise<unknown>>>> = {
  produce: async () => () => events(log, count),
  'append-bare': async () => {
    const messages = await collected(count)
    return () => appendBare(platform, messages)
  },
  'read-bare': async () => () => readBare(platform, count),
  landing: async () => {
    await platform.streamingDuckdb()
    return () => runLandingStage(platform, { drain: true })
  },
  realtime: async () => {
    await Promise.all([platform.streamingDuckdb(), platform.clickhouse()])
    return () => runRealtimeStage(platform, { drain: true })
  },
  both: async () => {
    await Promise.all([platform.streamingDuckdb(), platform.clickhouse()])
    return () =>
      Promise.all([runLandingStage(platform, { drain: true }), runRealtimeStage(platform, { drain: true })])
  },
}
try {
  const prepare = works[work]
  if (prepare === undefined)
    throw new Error(`There is no work ${work}; there are ${Object.keys(works).join(', ')}`)
  const run = await prepare()
  const { home } = platform.config
  const before = await serverCpuSeconds(home)
  await printUsage(
    async () => void (await run()),
    async () => ({
      serverCpuSeconds: (await serverCpuSeconds(home)) - before,
    }),
  )
} finally {
  await platform[Symbol.asyncDispose]()
}
