/** What a benchmark is, and the platform of its own that it runs on. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPlatform, type Platform } from '../src/pipeline/platform/compose.ts'
import { type Environment, readConfig } from '../src/pipeline/platform/config.ts'

export interface Measurement {
  readonly name: string
  readonly unit: string
  readonly value: number
  /** What it is measured beside, in the same run. */
  readonly peer: string | null
  readonly peerValue: number | null
  readonly ratio: number | null
  /** Of the process that did the work, where it was one of its own. */
  readonly cpuSeconds: number | null
  readonly rssBytes: number
  readonly rows: number
}

export interface Case {
  readonly name: string
  readonly run: () => Promise<readonly Measurement[]>
}

export function measurement(
  name: string,
  unit: string,
  value: number,
  rows: number,
  peer?: { readonly name: string; readonly value: number },
): Measurement {
  return {
    name,
    unit,
    value: rounded(value),
    peer: peer?.name ?? null,
    peerValue: peer === undefined ? null : rounded(peer.value),
    ratio: peer === undefined ? null : rounded(value / peer.value),
    cpuSeconds: null,
    rssBytes: process.memoryUsage().rss,
    rows,
  }
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

/** Runs `work` on an embedded platform in a folder that is removed afterwards. */
export async function onPlatform<T>(
  work: (platform: Platform) => Promise<T>,
  environment: Environment = {},
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'lakeshore-bench-'))
  const platform = openPlatform(readConfig({ LAKE_HOME: home, ...environment }))
  try {
    return await work(platform)
  } finally {
    await platform[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return (performance.now() - startedMs) / 1000
}

const dayMs = 86_400_000

/** Sends a history of `count` events over three days, or others, with the usual faults among them. */
export async function sendHistory(
  platform: Platform,
  count: number,
  { days = 3, seed = 7 }: { readonly days?: number; readonly seed?: number } = {},
): Promise<void> {
  const { produce } = await import('../src/pipeline/producer/produce.ts')
  await produce(await platform.log(), {
    seed,
    plan: { kind: 'history', count, days, untilMs: Math.floor(Date.now() / dayMs) * dayMs },
    late: 0.03,
    duplicate: 0.01,
    malformed: 0.005,
  })
}
