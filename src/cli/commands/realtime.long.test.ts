import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { type StallingServer, stallBefore } from '../../lib/clickhouse/stalling.fixture.ts'
import { openEmbeddedClickHouse } from '../../lib/clickhouse-server/embedded.ts'
import { type Home, temporaryHome, until } from '../../lib/clickhouse-server/home.fixture.ts'
import { Collected } from '../cli.fixture.ts'
import { runCli } from '../run-cli.ts'

let home: Home
let clickhouse: ClickHouse
let proxy: StallingServer
let env: Readonly<Record<string, string>>

beforeAll(async () => {
  home = await temporaryHome()
  clickhouse = await openEmbeddedClickHouse({ home: home.path })
  const { url, username, password } = await home.endpoint()
  proxy = await stallBefore(url)
  env = {
    LAKE_HOME: home.path,
    CLICKHOUSE_URL: proxy.url,
    CLICKHOUSE_USERNAME: username,
    CLICKHOUSE_PASSWORD: password,
    REALTIME_TRIGGER_SECONDS: '1',
  }
})
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await clickhouse[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

function start(...argv: readonly string[]) {
  const [stdout, stderr] = [new Collected(), new Collected()]
  const controller = new AbortController()
  const ran = { stdout, stderr, stop: () => controller.abort(new Error('SIGINT')), exitCode: -1 }
  const done = runCli(argv, { env, stdout, stderr, signal: controller.signal }).then((exitCode) =>
    Object.assign(ran, { exitCode }),
  )
  return Object.assign(ran, { done })
}

async function produce(): Promise<void> {
  const { exitCode } = await start('produce', '--count', '40', '--history-days', '1').done
  expect(exitCode).toBe(0)
}

async function counted(): Promise<number> {
  const [row] = await clickhouse.query<{ readonly n: number }>(
    `SELECT sum(event_count) AS n FROM (
       SELECT event_count FROM realtime.events_per_minute UNION ALL SELECT event_count FROM realtime.late_events)`,
  )
  return row?.n ?? 0
}

describe('lake realtime', () => {
  it('ends within 10 s of Ctrl-C where ClickHouse stalls, exits 2, and the next run counts what was open', async () => {
    await produce()
    const running = start('realtime', '--json')
    await until(async () => (await counted().catch(() => 0)) === 40)
    proxy.stall = 'unheard'
    await produce()
    await until(async () => proxy.stalled > 0)

    running.stop()
    await until(async () => running.exitCode >= 0, 10_000)

    expect(running.exitCode).toBe(2)
    expect(running.stderr.text).toMatch(
      /realtime had to end without an answer: partition \d: offset.*the next start/,
    )
    expect(JSON.parse(running.stdout.text)).toMatchObject({
      events: expect.any(Number),
      unconfirmed: expect.arrayContaining([
        { partition: expect.any(Number), from: expect.any(Number), to: expect.any(Number) },
      ]),
    })
    proxy.stall = 'none'
    expect(await start('realtime', '--drain').done).toMatchObject({ exitCode: 0 })
    expect(await counted()).toBe(80)
  })

  it('ends within 10 s of Ctrl-C where ClickHouse stalls from the start', async () => {
    proxy.stall = 'unheard'
    const before = proxy.stalled
    const running = start('realtime')
    await until(async () => proxy.stalled > before)

    running.stop()
    await until(async () => running.exitCode >= 0, 10_000)

    expect(running.exitCode).toBe(0)
  })
})
