/**
 * Chaos: a Kafka cluster of three nodes, and the platform's processes, two of each stage, killed and stopped at random
 * while messages flow. At the end everything is read to its end, and the books must balance.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildLake } from '../../src/cli/built.fixture.ts'
import { readEndpoint } from '../../src/lib/clickhouse-server/endpoint.ts'
import { openPlatform } from '../../src/pipeline/platform/compose.ts'
import { readConfig } from '../../src/pipeline/platform/config.ts'
import { runLandingStage, runRealtimeStage } from '../../src/pipeline/platform/stages.ts'
import { seededRandom } from '../../src/pipeline/producer/random.ts'
import { installKafka } from '../services/kafka-node.ts'
import type { Place } from '../services/service.ts'
import { KafkaCluster } from './cluster.ts'
import { judge, type Verdict } from './verdict.ts'
import { Witness } from './witness.ts'
import { Workers } from './workers.ts'

export interface ChaosOptions {
  readonly kills: number
  readonly seed: number
  readonly place: Place
  /** Where the lake stays after the run. */
  readonly home: string
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

export interface ChaosReport extends Verdict {
  readonly seed: number
  /** By what was killed or stopped. */
  readonly kills: Readonly<Record<string, number>>
  readonly rebalances: number
  readonly fenced: number
  readonly acknowledged: number
  /** Appends of the witness that failed, of which each message may be there or not. */
  readonly failedAppends: number
  readonly endedAlone: readonly string[]
}

/** Longer than the session of a consumer: others take its partitions over, and it comes back as a zombie. */
const stopMs = 13_000
/** Until all stages have begun, and until the last of them is up again. */
const startMs = 5_000
const settleMs = 2_000
const drainMs = 240_000

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { place, home, say, signal, seed } = options
  await installKafka(place)
  const main = await buildLake()
  mkdirSync(home, { recursive: true })
  say('Starting three nodes of Kafka')
  await using cluster = await KafkaCluster.start(place)
  const environment = environmentOf(home, cluster.brokers)
  const platform = openPlatform(readConfig(environment))
  platform.endClickHouseAtClose()
  try {
    const log = await platform.log()
    await platform.clickhouse()
    const workers = new Workers(main, environment)
    const witness = new Witness(log)
    const kills = new Map<string, number>()
    try {
      startAll(workers)
      await sleep(startMs, undefined, { signal })
      await killAtRandom(options, { cluster, workers, kills })
      await sleep(settleMs, undefined, { signal })
    } finally {
      await witness.stop()
      await workers.stopAll()
    }
    say('Reading everything to its end')
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(drainMs)])
    await runLandingStage(platform, { drain: true, signal: deadline })
    await runRealtimeStage(platform, { drain: true, signal: deadline })
    deadline.throwIfAborted()
    return {
      seed,
      kills: Object.fromEntries([...kills].sort()),
      rebalances: cluster.rebalances(),
      fenced: workers.fenced,
      acknowledged: witness.acknowledged.length,
      failedAppends: witness.failedAppends,
      endedAlone: workers.endedAlone,
      ...(await judge(platform, join(home, 'tables'), witness.acknowledged)),
    }
  } finally {
    await platform[Symbol.asyncDispose]()
  }
}

/** Short waits and small batches: a kill then meets every step of a stage. */
const environmentOf = (home: string, brokers: string): Readonly<Record<string, string>> => ({
  LAKE_HOME: home,
  KAFKA_BROKERS: brokers,
  KAFKA_TOPIC: 'chaos',
  DUCKDB_THREADS: '1',
  LANDING_TRIGGER_SECONDS: '1',
  LANDING_MAX_ROWS: '500',
  REALTIME_TRIGGER_SECONDS: '0.5',
  // Malformed messages are part of it, and must not pause landing.
  LANDING_REJECT_LIMIT: '1',
  LOG_LEVEL: 'info',
})

function startAll(workers: Workers): void {
  const stages = ['land', 'land', 'realtime', 'realtime']
  for (const [at, stage] of stages.entries()) workers.start({ name: `${stage} ${at % 2}`, words: [stage] })
  const sending = ['produce', '--eps', '200', '--late', '0.05', '--malformed', '0.02', '--duplicate', '0.02']
  workers.start({ name: 'produce', words: sending })
}

interface Targets {
  readonly cluster: KafkaCluster
  readonly workers: Workers
  readonly kills: Map<string, number>
}

async function killAtRandom({ kills: count, seed, say, signal, home }: ChaosOptions, targets: Targets) {
  const random = seededRandom(seed).below
  const { cluster, workers, kills } = targets
  /** Stopped processes that go on later, and nodes on their way back: not more than one node is down at a time. */
  const later = new Set<Promise<void>>()
  let isNodeDown = false
  const soon = (work: () => Promise<void>): void => {
    const done = work().finally(() => later.delete(done))
    later.add(done)
  }
  const kinds = ['worker', 'worker', 'stop', 'node', 'node', 'clickhouse'] as const
  for (let done = 0; done < count; ) {
    const kind = kinds[random(kinds.length)] ?? 'worker'
    const name = workers.names[random(workers.names.length)] ?? ''
    const node = cluster.ids[random(cluster.ids.length)] ?? 1
    const pauseMs = 300 + random(2_500)
    let victim: string | undefined
    if (kind === 'worker') {
      victim = `SIGKILL ${name.split(' ')[0]}`
      workers.kill(name)
    } else if (kind === 'stop' && later.size < 3) {
      victim = `SIGSTOP ${name.split(' ')[0]}`
      const pid = workers.pidOf(name)
      if (pid !== undefined && send(pid, 'SIGSTOP')) soon(async () => void (await goOn(pid, signal)))
    } else if (kind === 'node' && !isNodeDown) {
      victim = `SIGKILL broker`
      isNodeDown = true
      soon(async () => {
        await killNode(cluster, node, random(4_000))
        isNodeDown = false
      })
    } else if (kind === 'clickhouse') {
      const server = await readEndpoint(home)
      if (server !== undefined && send(server.pid, 'SIGKILL')) victim = 'SIGKILL clickhouse'
    }
    if (victim !== undefined) {
      done += 1
      kills.set(victim, (kills.get(victim) ?? 0) + 1)
      say(`${done}/${count} ${victim}`)
    }
    await sleep(pauseMs, undefined, { signal })
  }
  await Promise.all(later)
}

async function goOn(pid: number, signal: AbortSignal): Promise<void> {
  await sleep(stopMs, undefined, { signal }).catch(() => undefined)
  send(pid, 'SIGCONT')
}

async function killNode(cluster: KafkaCluster, node: number, awayMs: number): Promise<void> {
  const pid = cluster.pidOf(node)
  if (pid !== undefined) send(pid, 'SIGKILL')
  await sleep(awayMs)
  await cluster.begin(node)
  await cluster.untilUp(node)
}

/** @returns whether there was such a process. */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}
