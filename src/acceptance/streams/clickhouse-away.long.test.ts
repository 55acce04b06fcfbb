/** ClickHouse goes away while the stages run: `lake stream status` says so, landing lands on, and nothing is missing after. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readEndpoint } from '../../lib/clickhouse-server/endpoint.ts'
import { openPlatform, type Platform } from '../../pipeline/platform/compose.ts'
import { readConfig } from '../../pipeline/platform/config.ts'
import { withRecording } from '../../pipeline/platform/stage-recorder.ts'
import { runLandingStage, runRealtimeStage } from '../../pipeline/platform/stages.ts'
import { readStreamStatus } from '../../pipeline/platform/stream-status.ts'
import { produce } from '../../pipeline/producer/produce.ts'
import { compareWithLog } from './exact.ts'

/** Passes requests on to a server of this machine, or hangs up on everybody while it is away. */
class Way {
  isAway = false
  readonly #server: Server

  constructor(to: number) {
    this.#server = createServer((asked, answer) => {
      if (this.isAway) {
        asked.socket.destroy()
        return
      }
      const { method, url: path, headers } = asked
      // The server serves its own name alone.
      const host = `127.0.0.1:${to}`
      const passed = request({ host: '127.0.0.1', port: to, method, path, headers: { ...headers, host } })
      passed.on('response', (found) => {
        answer.writeHead(found.statusCode ?? 502, found.headers)
        found.pipe(answer)
      })
      passed.on('error', () => asked.socket.destroy())
      answer.on('close', () => passed.destroy())
      asked.pipe(passed)
    })
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  goAway(): void {
    this.isAway = true
    this.#server.closeAllConnections()
  }

  close(): void {
    this.goAway()
    this.#server.close()
  }
}

let folder = ''
let behind: Platform
let platform: Platform
let way: Way
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-away-'))
  const servers = join(folder, 'servers')
  behind = openPlatform(readConfig({ LAKE_HOME: servers }))
  behind.endClickHouseAtClose()
  await behind.clickhouse()
  const endpoint = await readEndpoint(servers)
  if (endpoint === undefined) throw new Error('Expected an embedded ClickHouse, got none')
  way = new Way(Number(new URL(endpoint.url).port))
  platform = openPlatform(
    readConfig({
      LAKE_HOME: join(folder, 'home'),
      CLICKHOUSE_URL: await way.open(),
      CLICKHOUSE_USERNAME: endpoint.username,
      CLICKHOUSE_PASSWORD: endpoint.password,
      LANDING_TRIGGER_SECONDS: '0.2',
      REALTIME_TRIGGER_SECONDS: '0.2',
      DUCKDB_THREADS: '1',
    }),
  )
})
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]()
  way?.close()
  await behind?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

async function send(seed: number): Promise<void> {
  const plan = { kind: 'history', count: 200, days: 1, untilMs: Date.now() } as const
  await produce(await platform.log(), { seed, plan, late: 0.05, duplicate: 0, malformed: 0.02 })
}

/** State, problem and messages of a stage, as anybody sees them who shares the run store. */
async function seen(name: string) {
  const { stages } = await readStreamStatus(await platform.runs())
  const found = stages.find(({ stage }) => stage === name)
  return { state: found?.state, problem: found?.reading?.problem?.code, messages: found?.reading?.messages }
}

it('is shown as retrying with the reason, while landing goes on; when it is back, nothing is missing', async () => {
  const stops = [new AbortController(), new AbortController()] as const
  await send(1)
  const recorded = { everyMs: 100 }
  const ended = Promise.all([
    withRecording(
      platform,
      'landing',
      (each) => runLandingStage(platform, { ...each, signal: stops[0].signal }),
      recorded,
    ),
    withRecording(
      platform,
      'realtime',
      (each) => runRealtimeStage(platform, { ...each, signal: stops[1].signal }),
      recorded,
    ),
  ])
  ended.catch(() => undefined)
  const poll = { timeout: 60_000, interval: 100 }
  await expect.poll(() => seen('realtime'), poll).toMatchObject({ state: 'running', messages: 200 })

  way.goAway()
  await send(2)
  await expect
    .poll(() => seen('realtime'), poll)
    .toMatchObject({ state: 'retrying', problem: 'CLICKHOUSE_UNAVAILABLE' })
  await expect.poll(() => seen('landing'), poll).toMatchObject({ state: 'running', messages: 400 })

  way.isAway = false
  await expect
    .poll(() => seen('realtime'), poll)
    .toMatchObject({ state: 'running', problem: undefined, messages: 400 })
  for (const stop of stops) stop.abort(new Error('seen'))
  await ended
  const { places, onTime, late } = await compareWithLog(platform, join(folder, 'home', 'tables'))
  expect(places.written).toEqual(places.log)
  expect(onTime.written).toEqual(onTime.log)
  expect(late.written).toEqual(late.log)
}, 180_000)
