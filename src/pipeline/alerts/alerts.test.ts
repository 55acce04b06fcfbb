import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, ManualClock, systemClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { batchDag } from '../batch/dag-name.ts'
import { openPlatform, type Platform } from '../platform/compose.ts'
import { readConfig } from '../platform/config.ts'
import { runLandingStage } from '../platform/stages.ts'
import { StageMeter } from '../streaming/stage-meter.ts'
import { type LookOptions, lookForAlerts } from './look.ts'

interface Received {
  readonly text: string
  readonly blocks: readonly { readonly text: { readonly text: string } }[]
}

let home: string
let server: Server
let received: Received[]
let answer: (response: ServerResponse) => void
let requests: number
let clock: ManualClock
let store: RunStore
const opened: AsyncDisposable[] = []

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const piece of request) text += String(piece)
  return text
}

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-alerts-'))
  received = []
  requests = 0
  answer = (response) => response.end('ok')
  clock = new ManualClock(Date.parse('2026-11-23T10:00:00Z'))
  server = createServer((request, response) => {
    requests++
    void bodyOf(request).then((body) => {
      answer(response)
      if (response.statusCode === 200 && response.writableEnded) received.push(JSON.parse(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  store = await openRunStore({ url: `sqlite:${join(home, 'runs.db')}`, clock })
})
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(home, { recursive: true, force: true })
})

/** Waits between attempts, which take no time here. */
const quick: Clock = { now: () => clock.now(), sleep: (_, options) => systemClock.sleep(1, options) }

/** As a process has it: each its own, over one home. */
function platformOf(settings: Readonly<Record<string, string>> = {}): Platform {
  const { port } = server.address() as AddressInfo
  const config = readConfig({
    LAKE_HOME: home,
    DUCKDB_THREADS: '1',
    ALERT_WEBHOOK_URL: `http://127.0.0.1:${port}/services/T0/S3CRET`,
    ...settings,
  })
  const platform: Platform = { ...openPlatform(config, { clock: quick }), runs: async () => store }
  opened.push(platform)
  return platform
}

const hintOf: LookOptions['hintOf'] = () => '`lake batch` runs it again.'
const look = (platform: Platform, options: Partial<LookOptions> = {}): Promise<void> =>
  lookForAlerts(platform, { hintOf, at: 'store', ...options })

async function runEnds(state: 'failed' | 'succeeded', message = 'no'): Promise<number> {
  const outcome = await store.leases.acquire(batchDag)
  if (outcome.kind !== 'acquired') throw new Error('the lease is held')
  const recorder = store.runs.recorder({ dag: batchDag, trigger: 'manual', lease: outcome.lease })
  const id = await recorder.runStarted({ nodes: [], startedMs: clock.now() })
  const error = state === 'failed' ? { error: { code: 'TASK_FAILED' as const, message } } : {}
  await recorder.runEnded({ state, endedMs: clock.now(), ...error })
  await store.leases.release(outcome.lease)
  return id
}

const titles = (): readonly string[] => received.map(({ text }) => text.split('\n')[0] ?? '')

describe('lookForAlerts(platform, options)', () => {
  it('tells of a failed run once, with the command to run next, and once that it is over', async () => {
    const platform = platformOf()
    const id = await runEnds('failed', 'bronze <!channel> & co are gone')

    await look(platform)
    await look(platform)
    // Another process, and another failure of the same.
    await runEnds('failed')
    await look(platformOf())
    await runEnds('succeeded')
    await look(platform)
    await look(platform)

    expect(titles()).toEqual([
      `🔴 Run ${id} of ${batchDag} failed`,
      `🟢 Over: Run ${id + 1} of ${batchDag} failed`,
    ])
    expect(received[0]?.text).toContain('bronze &lt;!channel&gt; &amp; co are gone')
    expect(received[0]?.blocks.map(({ text }) => text.text)).toContain(
      `Next: \`lake runs show ${id}\`. \`lake batch\` runs it again.`,
    )
    expect(await store.alerts.open()).toEqual([])
  })

  it('tries again a receiver that fails for a moment', async () => {
    await runEnds('failed')
    answer = (response) => {
      response.statusCode = requests === 1 ? 503 : 200
      response.end()
    }

    await look(platformOf())

    expect(requests).toBe(2)
    expect(received.length).toBe(1)
  })

  it('holds up nothing while the webhook is down, and tells it later, after a restart too', async () => {
    await runEnds('failed')
    answer = (response) => response.socket?.destroy()
    await look(platformOf())
    const failed = requests
    // Not due yet.
    await look(platformOf())

    answer = (response) => response.end('ok')
    clock.advance(60_000)
    await look(platformOf())

    expect(failed).toBe(3)
    expect(requests).toBe(4)
    expect(received.length).toBe(1)
    expect(await store.alerts.open()).toMatchObject([{ isTold: true, failures: 0 }])
  })

  it('asks a receiver that refuses once, follows no redirect, and says no address', async () => {
    await runEnds('failed')
    const logged: unknown[] = []
    const platform = {
      ...platformOf(),
      logger: { ...silentLogger, warn: (...line: unknown[]) => void logged.push(line) },
    }
    answer = (response) => {
      response.writeHead(302, { location: 'http://127.0.0.1:1/elsewhere' })
      response.end()
    }

    await look(platform)

    expect(requests).toBe(1)
    expect(
      JSON.stringify(logged, (_, value) =>
        value instanceof Error ? `${value.stack} ${value.cause}` : value,
      ),
    ).not.toMatch(/S3CRET|elsewhere/)
    expect(logged.length).toBe(1)
  })

  it('tells of what came and went while the webhook was down that it is over', async () => {
    await runEnds('failed')
    answer = (response) => response.socket?.destroy()
    await look(platformOf())
    await runEnds('succeeded')
    answer = (response) => response.end('ok')
    clock.advance(60_000)

    await look(platformOf())

    expect(titles()).toEqual([expect.stringContaining('Over: Run 1')])
  })

  it('is told without a webhook by the log alone; one that is set later learns what is open then', async () => {
    const logged: string[] = []
    const logger = { ...silentLogger, error: (_: object, line: string) => void logged.push(line) }
    await runEnds('failed')

    await look({ ...platformOf({ ALERT_WEBHOOK_URL: '' }), logger })
    await look({ ...platformOf({ ALERT_WEBHOOK_URL: '' }), logger })
    await look(platformOf())

    expect(logged).toEqual([`Run 1 of ${batchDag} failed`])
    expect(received.length).toBe(1)
  })

  it('leaves an alert open while its rule cannot look', async () => {
    const platform = platformOf()
    await runEnds('failed')
    await look(platform)
    const broken = {
      ...store,
      runs: { ...store.runs, list: () => Promise.reject(new LakeError('RUNSTORE_UNAVAILABLE', 'gone')) },
    }

    await look({ ...platform, runs: async () => broken })

    expect((await store.alerts.open()).length).toBe(1)
    expect(received.length).toBe(1)
  })

  it('tells of red checks by check, and that one is green again', async () => {
    const platform = platformOf()
    const result = { table: 'silver/events', check: 'unique_event_id', content: {} }
    await store.checks.append([
      { ...result, date: '2026-11-20', state: 'failed' },
      { ...result, date: '2026-11-21', state: 'failed' },
    ])
    await look(platform)
    await store.checks.append([
      { ...result, date: '2026-11-20', state: 'passed' },
      { ...result, date: '2026-11-21', state: 'passed' },
    ])
    await look(platform)

    expect(titles()).toEqual([
      '🔴 Check unique_event_id of silver/events is red',
      '🟢 Over: Check unique_event_id of silver/events is red',
    ])
    expect(received[0]?.text).toMatch(/2026-11-20.*2026-11-21[\s\S]*lake check silver\/events/)
  })

  it('tells of books that do not balance', async () => {
    await store.ledger.append([
      {
        subject: 's',
        content: {
          name: 'log = bronze + rejected',
          table: 'bronze/events',
          left: 3,
          right: 2,
          problem: '1 is missing',
        },
      },
    ])

    await look(platformOf())

    expect(received[0]?.text).toMatch(
      /books do not balance: log = bronze \+ rejected[\s\S]*1 is missing[\s\S]*lake ledger/,
    )
  })

  it('tells that silver and gold are stale when two ticks have come without a batch that succeeded', async () => {
    const platform = platformOf({ BATCH_CRON: '0 * * * *' })
    await store.ticks.baseline(batchDag, clock.now())
    await runEnds('succeeded')
    clock.advance(90 * 60_000)
    await look(platform)
    const before = titles()
    clock.advance(60 * 60_000)
    await look(platform)

    expect(before).toEqual([])
    expect(titles()).toEqual(['🔴 Silver and gold are stale'])
  })

  it('tells of a stage of any machine that is stuck or gone, and that another took its place', async () => {
    const platform = platformOf()
    const content = { ...new StageMeter({ clock }).reading(), quietMs: 0 }
    const report = (stage: string, owner: string): Promise<unknown> =>
      store.stages.report({ owner, stage, content, hasEnded: false })
    await report('landing', 'far:1:m.1.a')
    await report('realtime', 'far:2:m.1.b')
    await report('producer', 'far:3:m.1.c')
    clock.advance(61_000)
    await report('landing', 'far:4:m.1.d')
    await report('producer', 'far:3:m.1.c')

    await look(platform, { at: 'all' })
    await report('realtime', 'far:5:m.1.e')
    await look(platform, { at: 'all' })

    expect(titles()).toEqual([
      '🔴 The stage realtime has stopped or hangs',
      '🟢 Over: The stage realtime has stopped or hangs',
    ])
    expect(received[0]?.text).toContain('Process 2 on far')
    expect(received[0]?.text).toContain('Next: `lake realtime` goes on')
  })

  it('tells why a stage of another process has failed, with its hint', async () => {
    const problem = { code: 'EVENTLOG_GAP', message: 'partition 0 lost offsets 3 to 7' }
    const content = { ...new StageMeter({ clock }).reading(), state: 'failed', problem }
    await store.stages.report({ owner: 'far:1:m.1.a', stage: 'landing', content, hasEnded: true })

    await look(platformOf(), {
      at: 'all',
      hintOf: (of) =>
        JSON.stringify(of).includes('EVENTLOG_GAP') ? '`lake land --accept-gap` goes on.' : '',
    })

    expect(received[0]?.text).toMatch(
      /stage landing has stopped[\s\S]*lost offsets 3 to 7[\s\S]*--accept-gap/,
    )
  })

  it('tells of a scheduler that hangs, unless another gets on', async () => {
    const platform = platformOf()
    const folder = join(home, 'heartbeat')
    await mkdir(folder)
    const touch = async (name: string, ago: number): Promise<void> => {
      await writeFile(join(folder, name), '')
      const seconds = (clock.now() - ago) / 1000
      await utimes(join(folder, name), seconds, seconds)
    }
    await touch('landing.a', 3_600_000)
    await touch('scheduler.a', 3_600_000)

    await look(platform, { at: 'all' })
    await touch('scheduler.b', 1_000)
    await look(platform, { at: 'all' })

    expect(titles()).toEqual([
      '🔴 The stage scheduler has stopped or hangs',
      '🟢 Over: The stage scheduler has stopped or hangs',
    ])
  })

  it('tells of messages that wait for landing longer than is allowed, and that they have landed', async () => {
    const platform = platformOf({ ALERT_LAG_SECONDS: '60' })
    const log = await platform.log()
    await log.append([{ key: null, value: Buffer.from('{') }])
    await runLandingStage(platform, { drain: true })
    await log.append([
      { key: null, value: Buffer.from('{') },
      { key: null, value: Buffer.from('{') },
    ])
    clock.advance(59_000)
    await look(platform, { at: 'all' })
    const before = titles()

    clock.advance(31_000)
    await look(platform, { at: 'all' })
    await runLandingStage(platform, { drain: true })
    await look(platform, { at: 'all' })

    expect(before).toEqual([])
    expect(titles()).toEqual([
      '🔴 The stage landing is 90 s behind',
      '🟢 Over: The stage landing is 90 s behind',
    ])
  })

  it('tells of a bronze that gets no newer, if it was declared', async () => {
    const platform = platformOf({ ALERT_STALE_SECONDS: '3600' })
    await (await platform.log()).append([{ key: null, value: Buffer.from('{') }])
    await runLandingStage(platform, { drain: true })

    await look(platform, { at: 'all' })
    clock.advance(3_601_000)
    await look(platform, { at: 'all' })

    expect(titles()).toEqual(['🔴 bronze/events is stale'])
  })

  it('tells of a stage of this process that has stopped, with its hint', async () => {
    const error = new LakeError('EVENTLOG_GAP', 'partition 0 lost offsets 3 to 7')

    const clickhouse = (): Promise<never> => Promise.reject(new LakeError('CLICKHOUSE_UNAVAILABLE', 'gone'))
    await look(
      { ...platformOf(), clickhouse },
      {
        at: 'all',
        failedStages: [{ stage: 'landing', stoppedMs: clock.now(), error }],
        hintOf: (of) => (of === error ? '`lake land --accept-gap` goes on.' : ''),
      },
    )

    expect(received[0]?.text).toMatch(
      /stage landing has stopped[\s\S]*lost offsets 3 to 7[\s\S]*--accept-gap/,
    )
  })
})
