/** What a process says at `/metrics`, in the text format of Prometheus: of itself, and of the stages that run in it. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { packageVersion } from '../../lib/base/package-version.ts'
import type { StageStatus } from '../platform/stream-status.ts'
import {
  type PlatformMetric,
  platformMetrics,
  type Sample,
  type StageMetric,
  type StageOfProcess,
  stageMetrics,
} from './stage-metrics.ts'

export interface Exposition {
  readonly contentType: string
  /** Never fails: a part that does not answer has no samples. */
  text(): Promise<string>
}

export interface ExpositionSources {
  /** Those of this process. */
  readonly stages: () => readonly StageOfProcess[]
  /** Those of all processes: for one process of a platform, lest each of them tells the same. */
  readonly platform?: () => Promise<readonly StageStatus[]>
}

export function createExposition({ stages, platform }: ExpositionSources): Exposition {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  new Gauge({
    name: 'lakeshore_build_info',
    help: 'Always 1; the version is a label.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: packageVersion() }, 1)
  for (const metric of stageMetrics) {
    define(registry, metric, () => stages().flatMap((stage) => metric.samples(stage)))
  }
  if (platform !== undefined) {
    for (const metric of platformMetrics) {
      define(registry, metric, async () => metric.samples(await platform().catch(() => [])))
    }
  }
  return { contentType: registry.contentType, text: () => registry.metrics() }
}

function define(
  registry: Registry,
  { name, type, help, labels }: StageMetric | PlatformMetric,
  samples: () => readonly Sample[] | Promise<readonly Sample[]>,
): void {
  const options = { name, help, labelNames: [...labels], registers: [registry] }
  if (type === 'counter') {
    const counter = new Counter({
      ...options,
      collect: async () => {
        counter.reset()
        for (const sample of await samples()) counter.inc(sample.labels, sample.value)
      },
    })
    return
  }
  const gauge = new Gauge({
    ...options,
    collect: async () => {
      const found = await samples()
      gauge.reset()
      for (const sample of found) gauge.set(sample.labels, sample.value)
    },
  })
}
