import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { StageStatus } from '../platform/stream-status.ts'
import { StageMeter } from '../streaming/stage-meter.ts'
import type { StageReading } from '../streaming/stage-reading.ts'
import { parseExposition } from './exposition.fixture.ts'
import { createExposition } from './exposition.ts'
import { serveMetrics } from './metrics-server.ts'
import { platformMetrics, stageMetrics } from './stage-metrics.ts'

const reading: StageReading = {
  ...new StageMeter({ clock: new ManualClock() }).reading(),
  state: 'retrying',
  messages: 100,
  events: 90,
  rejected: 10,
  late: null,
  failures: 2,
  partitions: [
    { partition: 0, next: 5, end: 8, lagMessages: 3, lagMs: 1_500, watermarkMs: 1_000_500 },
    { partition: 1, next: null, end: null, lagMessages: null, lagMs: null, watermarkMs: null },
  ],
  lastCommit: { atMs: 2_000_500, version: 7 },
  inFlight: { messages: 4, bytes: 400 },
  quietMs: 250,
  problem: { code: 'CLICKHOUSE_UNAVAILABLE', message: 'a "quoted" \\ line\nand another' },
}

const status = (of: Partial<StageStatus>): StageStatus => ({
  stage: 'landing',
  state: 'running',
  isHealthy: true,
  host: 'h',
  pid: 1,
  heardMs: 0,
  silentMs: 0,
  reading: undefined,
  ...of,
})

const samplesOf = async (text: string, name: string): Promise<Readonly<Record<string, number>>> =>
  Object.fromEntries(parseExposition(text).get(name)?.samples ?? [])

describe('createExposition(sources)', () => {
  it('writes what Prometheus reads, each metric as the table declares it', async () => {
    const { text, contentType } = createExposition({
      stages: () => [{ stage: 'landing', reading }],
      platform: async () => [status({})],
    })

    const families = parseExposition(await text())

    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    for (const { name, type, help } of [...stageMetrics, ...platformMetrics]) {
      expect(families.get(name)).toMatchObject({ type, help })
    }
    expect([...families.keys()]).toEqual(
      expect.arrayContaining([
        'process_resident_memory_bytes',
        'process_cpu_seconds_total',
        'lakeshore_build_info',
      ]),
    )
  })

  it('says what is known of a stage in base units, and nothing of what is not known', async () => {
    const text = await createExposition({ stages: () => [{ stage: 'landing', reading }] }).text()

    expect(await samplesOf(text, 'lakeshore_stage_messages_total')).toEqual({
      'lakeshore_stage_messages_total{stage="landing"}': 100,
    })
    expect(await samplesOf(text, 'lakeshore_stage_lag_seconds')).toEqual({
      'lakeshore_stage_lag_seconds{partition="0",stage="landing"}': 1.5,
    })
    expect(await samplesOf(text, 'lakeshore_stage_watermark_timestamp_seconds')).toEqual({
      'lakeshore_stage_watermark_timestamp_seconds{partition="0",stage="landing"}': 1_000.5,
    })
    expect(await samplesOf(text, 'lakeshore_stage_last_commit_timestamp_seconds')).toEqual({
      'lakeshore_stage_last_commit_timestamp_seconds{stage="landing"}': 2_000.5,
    })
    expect(await samplesOf(text, 'lakeshore_stage_late_total')).toEqual({})
    expect(await samplesOf(text, 'lakeshore_stage_retrying')).toEqual({
      'lakeshore_stage_retrying{stage="landing"}': 1,
    })
    expect(text).not.toContain('lakeshore_stage_processes')
  })

  it('counts up from one scrape to the next, and forgets a stage that has ended', async () => {
    let stages = [{ stage: 'landing', reading }]
    const exposition = createExposition({ stages: () => stages })
    await exposition.text()
    stages = [{ stage: 'landing', reading: { ...reading, messages: 150 } }]
    const second = await exposition.text()
    stages = []

    expect(await samplesOf(second, 'lakeshore_stage_messages_total')).toEqual({
      'lakeshore_stage_messages_total{stage="landing"}': 150,
    })
    expect(await samplesOf(await exposition.text(), 'lakeshore_stage_messages_total')).toEqual({})
  })

  it('counts the processes of the platform by state and by the reason of their trouble', async () => {
    const stages = [
      status({}),
      status({}),
      status({ stage: 'realtime', state: 'retrying', reading }),
      status({ stage: 'realtime', state: 'gone' }),
    ]
    const text = await createExposition({ stages: () => [], platform: async () => stages }).text()

    expect(await samplesOf(text, 'lakeshore_stage_processes')).toEqual({
      'lakeshore_stage_processes{stage="landing",state="running"}': 2,
      'lakeshore_stage_processes{stage="realtime",state="retrying"}': 1,
      'lakeshore_stage_processes{stage="realtime",state="gone"}': 1,
    })
    expect(await samplesOf(text, 'lakeshore_stage_problems')).toEqual({
      'lakeshore_stage_problems{code="CLICKHOUSE_UNAVAILABLE",stage="realtime"}': 1,
    })
  })

  it('tells of this process though the run store does not answer', async () => {
    const text = await createExposition({
      stages: () => [{ stage: 'landing', reading }],
      platform: () => Promise.reject(new LakeError('RUNSTORE_UNAVAILABLE', 'gone')),
    }).text()

    expect(await samplesOf(text, 'lakeshore_stage_messages_total')).not.toEqual({})
    expect(await samplesOf(text, 'lakeshore_stage_processes')).toEqual({})
  })

  it('names metrics by the conventions of Prometheus', () => {
    const all = [...stageMetrics, ...platformMetrics]

    expect(all.filter(({ type, name }) => (type === 'counter') !== name.endsWith('_total'))).toEqual([])
    expect(all.filter(({ name }) => /milli|_ms\b|_minutes|_kb/.test(name))).toEqual([])
    expect(all.filter(({ help }) => !/^[A-Z0-9].*\.$/.test(help))).toEqual([])
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
  })
})

describe('serveMetrics(exposition, place)', () => {
  const exposition = createExposition({ stages: () => [{ stage: 'landing', reading }] })

  it('serves /metrics, and nothing else', async () => {
    await using server = await serveMetrics(exposition, { host: '127.0.0.1', port: 0 })
    const found = await fetch(server.url)
    const other = await fetch(server.url.replace('/metrics', '/'))
    const posted = await fetch(server.url, { method: 'POST' })

    expect([found.status, other.status, posted.status]).toEqual([200, 404, 404])
    expect(parseExposition(await found.text()).has('lakeshore_stage_messages_total')).toBe(true)
  })

  it('names the port that is taken', async () => {
    await using server = await serveMetrics(exposition, { host: '127.0.0.1', port: 0 })
    const port = Number(new URL(server.url).port)

    await expect(serveMetrics(exposition, { host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(`127.0.0.1:${port}`),
      details: { fault: 'metrics' },
    })
  })
})
