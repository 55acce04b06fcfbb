/**
 * The streams: landing, the speed layer, both in one process, and the producer, on the embedded log, and on Kafka where
 * `KAFKA_BROKERS` is set. Each runs in a process of its own over the same events, beside the log's own floor in the same run:
 * the client that reads, or appends, the same bytes and does nothing else.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endServer } from '../src/lib/clickhouse-server/launch.ts'
import { type Case, type Measurement, measurement } from './case.ts'
import { type Usage, usageOf } from './usage.ts'

/** `BENCH_EVENTS=2000000` measures as many. */
const count = Number(process.env['BENCH_EVENTS'] ?? 300_000)

interface Floor {
  readonly name: string
  readonly usage: Usage
}

export const streamCase: Case = {
  name: 'stream',
  run: async () => [
    ...(await measureOn('embedded log', { KAFKA_BROKERS: undefined })),
    ...(process.env['KAFKA_BROKERS'] === undefined ? [] : await measureOn('Kafka', {})),
  ],
}

async function measureOn(
  log: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<readonly Measurement[]> {
  const home = await mkdtemp(join(tmpdir(), 'lakeshore-bench-'))
  const topic = (name: string): string => `bench-${process.pid}-${Date.now()}-${name}`
  const read = topic('read')
  const run = (work: string, on: string): Promise<Usage> =>
    usageOf('stream.main.ts', [work, String(count)], { ...environment, LAKE_HOME: home, KAFKA_TOPIC: on })
  try {
    const appending = { name: 'appending alone', usage: await run('append-bare', topic('bare')) }
    const producing = await run('produce', read)
    const reading = { name: 'reading alone', usage: await run('read-bare', read) }
    const landing = await run('landing', read)
    const realtime = await run('realtime', read)
    // Another folder of tables and of ClickHouse would need another log: the same events, in a topic of their own.
    const both = topic('both')
    await run('produce', both)
    return [
      ...measured(`${log}, landing`, landing, reading),
      ...measured(`${log}, speed layer`, realtime, reading),
      ...measured(`${log}, both in one process`, await run('both', both), reading),
      ...measured(`${log}, producer`, producing, appending),
    ]
  } finally {
    await endServer(home)
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

function measured(name: string, usage: Usage, floor: Floor): readonly Measurement[] {
  const cpuSeconds = cpuSecondsOf(usage)
  const figures: readonly (readonly [name: string, unit: string, value: (of: Usage) => number])[] = [
    [name, 'events/s', (of) => count / of.seconds],
    [`${name}: CPU`, 's per million', (of) => (cpuSecondsOf(of) / count) * 1e6],
    [`${name}: memory`, 'MB', (of) => of.rssBytes / 1e6],
  ]
  return figures.map(([figure, unit, value]) => ({
    ...measurement(figure, unit, value(usage), count, { name: floor.name, value: value(floor.usage) }),
    cpuSeconds,
    rssBytes: usage.rssBytes,
  }))
}

/** ClickHouse's own work is part of the speed layer's. */
function cpuSecondsOf({ cpuSeconds, serverCpuSeconds = 0 }: Usage): number {
  return cpuSeconds + serverCpuSeconds
}
