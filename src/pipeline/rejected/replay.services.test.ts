import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../lib/base/clock.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { DeltaTable } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { openKafkaEventLog } from '../../lib/eventlog/eventlog.kafka.ts'
import { type EventLog, offset } from '../../lib/eventlog/eventlog.ts'
import { openRunStore } from '../../lib/runs/run-store.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { land } from '../landing/landing.ts'
import { replayLetters } from './replay.ts'
import { findReplays } from './replay-header.ts'

const brokers = (process.env['KAFKA_BROKERS'] ?? '').split(',')
const topic = `replay-${randomUUID()}`

let folder: string
let duckdb: DuckDb
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-replay-kafka-'))
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(async () => {
  duckdb[Symbol.dispose]()
  await rm(folder, { recursive: true, force: true })
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
})

const torn = (n: number): string =>
  `{"event_id":"e${n}","user_id":${n + 1},"event_type":"click","page":"/","timestamp":"2026-11-20T10:00:00Z","source":"web"`

describe('replayLetters(context, request) on Kafka', () => {
  it('sends each message once, though one replay dies and its last append arrives late', async () => {
    await using log = await openKafkaEventLog({ brokers, topic })
    await using store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
    const tableAt = (name: string) => new DeltaTable({ store: openLocalStore(join(folder, name)), duckdb })
    const tables = { events: tableAt('events'), rejected: tableAt('rejected') }
    const landAll = () => land({ log, tables, duckdb, triggerMs: 1_000, drain: true })
    await log.append(
      Array.from({ length: 30 }, (_, n) => ({
        key: Buffer.from(`${n}`),
        value: n === 29 ? Buffer.from([0xff]) : Buffer.from(torn(n)),
        headers: [{ key: 'trace', value: Buffer.from(`${n}`) }],
      })),
    )
    await landAll()
    const replay = (over: EventLog) =>
      replayLetters(
        { rejected: tables.rejected, duckdb, log: over, store, clock: systemClock, logger: silentLogger },
        {
          filter: { reason: 'json_invalid' },
          script: { path: 'fix.ts', hash: 'h', fix: ({ text }) => `${text}}` },
          limit: 100,
          // Some appends of ten messages: the second one dies on its way.
          perSecond: 1_000_000,
          actor: 'ann',
          note: '',
        },
      )
    let late: (() => Promise<void>) | undefined
    const dying: EventLog = {
      topic,
      clusterId: (options) => log.clusterId(options),
      partitions: (options) => log.partitions(options),
      timestampType: (options) => log.timestampType(options),
      append: (messages, options) => log.append(messages, options),
      consume: (options) => log.consume(options),
      readAt: (partition, at, options) => log.readAt(partition, at, options),
      acknowledge: (group, positions, options) => log.acknowledge(group, positions, options),
      [Symbol.asyncDispose]: async () => undefined,
      appendAs: async (name: string) => {
        const appender = await log.appendAs?.(name)
        if (appender === undefined) throw new Error('Expected a log with exclusive appenders')
        return {
          append: async (messages: Parameters<EventLog['append']>[0]) => {
            await appender.append(messages.slice(0, 10))
            late = () => appender.append(messages.slice(10))
            throw new Error('killed')
          },
          // A killed process closes nothing.
          [Symbol.asyncDispose]: async () => undefined,
        }
      },
    }

    await expect(replay(dying)).rejects.toThrow('killed')
    const report = await replay(log)
    const arrived = await late?.().then(
      () => 'arrived',
      () => 'refused',
    )
    const landed = await landAll()

    expect(report.settled).toEqual({ confirmed: 10, withdrawn: 19, doubtful: [] })
    expect(report.sent).toHaveLength(19)
    expect(arrived).toBe('refused')
    expect(landed).toMatchObject({ events: 29, rejected: 0 })
    const { found, doubled } = await findReplays(log, new Map())
    expect([found.size, doubled.size]).toEqual([29, 0])
    const [first] = report.sent
    const message = first && (await log.readAt(first.to.partition, offset(first.to.offset)))
    expect(message?.headers.map(({ key }) => key).sort()).toEqual(['lakeshore-replay-of', 'trace'])
  })
})
