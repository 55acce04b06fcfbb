/** From the append of an event to the moment that a query of `realtime.*` sees it, at 1,000 and at 20,000 events a second. */
import { systemClock } from '../src/lib/base/clock.ts'
import { offset } from '../src/lib/eventlog/eventlog.ts'
import { runRealtimeStage } from '../src/pipeline/platform/stages.ts'
import { produce } from '../src/pipeline/producer/produce.ts'
import { type Case, type Measurement, measurement, onPlatform } from './case.ts'

const rates = [1_000, 20_000]
const seconds = 20
/** Of each partition every so many-th event is looked at. */
const looksAt = 20n

export const latencyCase: Case = {
  name: 'latency',
  run: async () => {
    const measurements: Measurement[] = []
    for (const rate of rates) measurements.push(...(await measureAt(rate)))
    return measurements
  },
}

function measureAt(eventsPerSecond: number): Promise<readonly Measurement[]> {
  return onPlatform(async (platform) => {
    const [log, clickhouse] = [await platform.log(), await platform.clickhouse()]
    const stop = new AbortController()
    const realtime = runRealtimeStage(platform, { signal: stop.signal })
    let sentPerSecond = Number.NaN
    const startedMs = performance.now()
    const producing = produce(log, {
      seed: 7,
      plan: { kind: 'live', eventsPerSecond, count: eventsPerSecond * seconds },
    }).then(() => {
      sentPerSecond = (eventsPerSecond * seconds * 1000) / (performance.now() - startedMs)
    })
    /** Partition → when each offset was seen first, as steps: up to `to` at `atMs`. */
    const seen = new Map<number, { readonly to: bigint; readonly atMs: number }[]>()
    let total = 0n
    while (total < BigInt(eventsPerSecond * seconds)) {
      await systemClock.sleep(50)
      const rows = await clickhouse
        .query<{ p: number; to: number | bigint }>(
          'SELECT kafka_partition AS p, max(offset_to) AS to FROM realtime.events_per_minute GROUP BY p',
        )
        .catch(() => [])
      for (const { p, to } of rows) {
        const steps = seen.get(p) ?? []
        if (BigInt(to) > (steps.at(-1)?.to ?? 0n)) steps.push({ to: BigInt(to), atMs: Date.now() })
        seen.set(p, steps)
      }
      total = [...seen.values()].reduce((sum, steps) => sum + (steps.at(-1)?.to ?? 0n), 0n)
    }
    await producing
    stop.abort(new Error('measured'))
    await realtime
    const latencies: number[] = []
    for (const [partition, steps] of seen) {
      let at = 0n
      for (const { to, atMs } of steps) {
        for (; at < to; at += looksAt) {
          const message = await log.readAt(partition, offset(at))
          if (message !== undefined) latencies.push(atMs - message.timestampMs)
        }
      }
    }
    latencies.sort((a, b) => a - b)
    const quantile = (q: number): number => latencies[Math.floor(latencies.length * q)] ?? Number.NaN
    return [
      measurement(`latency p50 at ${eventsPerSecond} events/s`, 'ms', quantile(0.5), latencies.length),
      measurement(`latency p99 at ${eventsPerSecond} events/s`, 'ms', quantile(0.99), latencies.length),
      measurement(
        `sent at ${eventsPerSecond} events/s`,
        'events/s',
        sentPerSecond,
        eventsPerSecond * seconds,
      ),
    ]
  })
}
