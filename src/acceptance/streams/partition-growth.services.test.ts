/** A topic of three partitions is given ten while the stages run: they take them up by themselves, and nothing is lost. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { expect, it } from 'vitest'
import { openPlatform, type Platform } from '../../pipeline/platform/compose.ts'
import { readConfig } from '../../pipeline/platform/config.ts'
import { runLandingStage, runRealtimeStage } from '../../pipeline/platform/stages.ts'
import { produce } from '../../pipeline/producer/produce.ts'
import { compareWithLog } from './exact.ts'

const brokers = process.env['KAFKA_BROKERS'] ?? ''
const most = 10

async function send(platform: Platform, seed: number): Promise<void> {
  const plan = { kind: 'history', count: 500, days: 2, untilMs: Date.now() } as const
  await produce(await platform.log(), { seed, plan, late: 0.05, duplicate: 0, malformed: 0.02 })
}

/** Whether both sinks have read every partition up to its end, and the new ones hold something. */
async function isReadToTheEnd(platform: Platform): Promise<boolean> {
  const ends = (await (await platform.log()).partitions()).map(({ end }) => end)
  const total = ends.reduce((sum, end) => sum + end, 0n)
  const snapshot = await (await platform.table('bronze/events')).snapshot()
  const landed = Object.values(snapshot.transactions).reduce((sum, next) => sum + BigInt(next), 0n)
  const rows = await (await platform.clickhouse()).query<{ n: number | bigint }>(
    `SELECT max(offset_to) AS n FROM realtime.events_per_minute GROUP BY log_id, kafka_partition`,
  )
  const counted = rows.reduce((sum, { n }) => sum + BigInt(n), 0n)
  return ends.length === most && ends.every((end) => end > 0n) && landed === total && counted === total
}

it('takes up new partitions within a minute in landing and speed layer, exactly', async () => {
  const home = await mkdtemp(join(tmpdir(), 'lakeshore-growth-'))
  const topic = `growth-${randomUUID()}`
  const config = readConfig({
    LAKE_HOME: home,
    KAFKA_BROKERS: brokers,
    KAFKA_TOPIC: topic,
    LANDING_TRIGGER_SECONDS: '1',
    DUCKDB_THREADS: '1',
  })
  const platforms = [openPlatform(config), openPlatform(config)] as const
  const [platform] = platforms
  platform.endClickHouseAtClose()
  const stops: AbortController[] = []
  const admin = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).admin()
  try {
    await send(platform, 1)
    await platform.clickhouse()
    // One signal each, as processes have.
    const stages = platforms.flatMap((each) =>
      [runLandingStage, runRealtimeStage].map((run) => {
        const stop = new AbortController()
        stops.push(stop)
        return run(each, { signal: stop.signal })
      }),
    )
    const ended = Promise.all(stages)
    ended.catch(() => undefined)

    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic, count: most }] })
    const log = await platform.log()
    let seed = 2
    await expect
      .poll(
        async () => {
          // The producer learns of the new partitions while it runs, too.
          if ((await log.partitions()).some(({ end }) => end === 0n)) await send(platform, seed++)
          return await isReadToTheEnd(platform)
        },
        { interval: 500, timeout: 60_000 },
      )
      .toBe(true)
    for (const stop of stops) stop.abort(new Error('seen'))
    await ended

    const { places, onTime, late } = await compareWithLog(platform, join(home, 'tables'))
    expect(new Set(places.log.map((place) => place.split('/')[0])).size).toBe(most)
    expect(places.written).toEqual(places.log)
    expect(onTime.written).toEqual(onTime.log)
    expect(late.written).toEqual(late.log)
  } finally {
    for (const stop of stops) stop.abort(new Error('over'))
    for (const each of platforms) await each[Symbol.asyncDispose]()
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
})
