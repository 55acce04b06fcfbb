/**
 * The batch over 30 days of events: in full, with 100,000 events more of one day, and with nothing new. Beside it, in the
 * same run and over the same files, a script that one would write by hand. Each runs in a process of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endServer } from '../src/lib/clickhouse-server/launch.ts'
import type { Platform } from '../src/pipeline/platform/compose.ts'
import { runLandingStage } from '../src/pipeline/platform/stages.ts'
import { type Case, type Measurement, measurement, onPlatform, sendHistory } from './case.ts'
import { type Usage, usageOf } from './usage.ts'

/** `BENCH_EVENTS=10000000` measures as many. */
const count = Number(process.env['BENCH_EVENTS'] ?? 1_000_000)
const further = 100_000

export const batchCase: Case = {
  name: 'batch',
  run: () =>
    onPlatform(async (platform) => {
      await sendHistory(platform, count, { days: 30 })
      await runLandingStage(platform, { drain: true })
      const batch = (...flags: readonly string[]): Promise<Usage> =>
        usageOf('batch.main.ts', flags, { LAKE_HOME: platform.config.home })
      const script = await scriptOver(platform)
      const delta = await batch('--full', '--delta')
      const whole = await batch('--full')
      await sendHistory(platform, further, { days: 1, seed: 8 })
      await runLandingStage(platform, { drain: true })
      const incremental = await batch()
      const nothing = await batch()
      await endServer(platform.config.home)
      const atRest = await batch()
      return [
        ...measured('batch, silver and gold', delta, count, script),
        ...measured('batch, with load and audits', whole, count, script),
        ...measured(`batch, ${further} events more of one day`, incremental, further),
        ...measured('batch, nothing new', nothing, 0),
        ...measured('batch, nothing new, ClickHouse at rest', atRest, 0),
      ]
    }),
}

async function scriptOver({ config }: Platform): Promise<Usage> {
  const out = await mkdtemp(join(tmpdir(), 'lakeshore-bench-script-'))
  try {
    return await usageOf('batch-script.main.ts', [join(config.lakeUri, 'bronze/events'), out])
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}

function measured(name: string, usage: Usage, rows: number, peer?: Usage): readonly Measurement[] {
  const { cpuSeconds, rssBytes } = usage
  const figures: readonly (readonly [name: string, unit: string, value: (of: Usage) => number])[] = [
    [name, 's', (of) => of.seconds],
    [`${name}: CPU`, 's', (of) => of.cpuSeconds],
    [`${name}: memory`, 'MB', (of) => of.rssBytes / 1e6],
  ]
  return figures.map(([figure, unit, value]) => {
    const beside = peer && { name: 'a script by hand', value: value(peer) }
    return { ...measurement(figure, unit, value(usage), rows, beside), cpuSeconds, rssBytes }
  })
}
