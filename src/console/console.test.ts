import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ManualClock } from '../lib/base/clock.ts'
import { LakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import type { ClickHouse } from '../lib/clickhouse/clickhouse.ts'
import { goldTableNames } from '../pipeline/model/gold.ts'
import { StageMeter } from '../pipeline/streaming/stage-meter.ts'
import {
  healthSchema,
  metricSchema,
  metricsSchema,
  overviewSchema,
  panelAnswerSchema,
  runsSchema,
  tablesSchema,
} from './answers.ts'
import { type ConsoleParts, type ConsolePlace, createConsole, startConsole } from './console.ts'
import { panels as declared } from './panels.ts'
import { unaudited } from './readings/books.ts'
import type { RunReader } from './readings/runs.ts'
import { routes } from './routes/index.ts'
import { errorSchema } from './routes/openapi.ts'

type Answer = () => Promise<readonly object[]>

/** A ClickHouse that answers by a fragment of the SQL, and counts what it was asked. */
class FakeClickHouse {
  readonly asked: string[] = []
  readonly answers = new Map<string, Answer>()
  isDown = false

  query = (async (sql: string) => {
    this.asked.push(sql)
    if (this.isDown) throw new LakeError('CLICKHOUSE_UNAVAILABLE', 'query ClickHouse: connection refused')
    const [, answer] = [...this.answers].find(([fragment]) => sql.includes(fragment)) ?? []
    return answer === undefined ? [] : await answer()
  }) as ClickHouse['query']

  ping = async (): Promise<void> => {
    if (this.isDown) throw new LakeError('CLICKHOUSE_UNAVAILABLE', 'ping ClickHouse: connection refused')
  }
}

const openApiSchema = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(
    z.string(),
    z.object({
      get: z.object({
        responses: z.record(
          z.string(),
          z.object({ content: z.object({ 'application/json': z.object({ schema: z.looseObject({}) }) }) }),
        ),
      }),
    }),
  ),
})

const noRuns: RunReader = {
  list: async () => [],
  show: async (id) => {
    throw new LakeError('RUN_MISSING', `Run ${id}: there is no such run`)
  },
}

const hintOf = (): string => 'Do this.'

const startMs = Date.parse('2026-11-23T08:00:00Z')
const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

function open(parts: Partial<ConsoleParts> = {}, place: Partial<ConsolePlace> = {}) {
  const clickhouse = new FakeClickHouse()
  const clock = new ManualClock(startMs)
  const app = createConsole(
    {
      clickhouse,
      tables: async () => [],
      runs: noRuns,
      books: async () => unaudited,
      hintOf,
      clock,
      ...parts,
    },
    { host: '127.0.0.1', port: 8080, ...place },
  )
  closing.push(() => app.close())
  const get = (url: string, headers: Record<string, string> = {}) =>
    app.inject({ method: 'GET', url, headers: { host: 'localhost:8080', ...headers } })
  return { app, clickhouse, clock, get }
}

const dauRows = [{ time: '2026-11-23 00:00:00', daily_active_users: 110, provisional: true }]
const load = { boundary: '2026-11-23', loaded_at: '2026-11-23 01:00:05.250000' }

describe('GET /metrics', () => {
  const metrics = { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: async () => 'a 1\n' }

  it('gives the metrics of the process to Prometheus', async () => {
    const answer = await open({ metrics }).get('/metrics')

    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-type']).toBe(metrics.contentType)
    expect(answer.body).toBe('a 1\n')
  })

  it('gives them to nobody without the token of the console', async () => {
    const token = 'a token of sixteen'.replaceAll(' ', '-')
    const { get } = open({ metrics }, { token })

    expect((await get('/metrics')).statusCode).toBe(401)
    expect((await get('/metrics', { authorization: `Bearer ${token}` })).statusCode).toBe(200)
  })
})

describe('GET /api/overview', () => {
  it('gives each panel with figures, date and provisional marks', async () => {
    const { clickhouse, get } = open()
    clickhouse.answers.set('serving.daily_active_users', async () => dauRows)
    clickhouse.answers.set('serving.loads', async () => [load])

    const { panels } = overviewSchema.parse((await get('/api/overview')).json())

    expect(panels.map(({ id }) => id)).toEqual(declared.map(({ id }) => id))
    expect(panels[0]).toMatchObject({
      id: 'daily-active-users',
      asOf: '2026-11-23T01:00:05.250Z',
      provisionalFrom: '2026-11-23T00:00:00.000Z',
      figures: { kind: 'stat', days: [{ day: '2026-11-23', value: 110, isProvisional: true }] },
      isStale: false,
      problem: null,
    })
  })

  it('asks once for all who look on at the same time, and again when the answer is old', async () => {
    const { clickhouse, clock, get } = open()
    const sharedBySix = 9

    await Promise.all(Array.from({ length: 6 }, () => get('/api/overview')))
    expect(clickhouse.asked).toHaveLength(sharedBySix)

    clock.advance(10_000)
    await get('/api/overview')
    expect(clickhouse.asked).toHaveLength(2 * sharedBySix)
  })

  it('shows the failure of one panel there alone', async () => {
    const { clickhouse, get } = open()
    clickhouse.answers.set('serving.daily_active_users', async () => dauRows)
    clickhouse.answers.set('serving.purchases_per_page_daily', async () => {
      throw new LakeError('CLICKHOUSE_FAILED', 'query ClickHouse: UNKNOWN_TABLE')
    })

    const { panels } = overviewSchema.parse((await get('/api/overview')).json())

    expect(panels.filter(({ problem }) => problem !== null)).toMatchObject([
      { id: 'top-pages-by-purchases', figures: null, problem: { code: 'CLICKHOUSE_FAILED' } },
    ])
  })

  it('keeps the last figures with their date when ClickHouse is gone', async () => {
    const { clickhouse, clock, get } = open()
    clickhouse.answers.set('serving.daily_active_users', async () => dauRows)
    await get('/api/overview')

    clickhouse.isDown = true
    clock.advance(10_000)
    const { panels } = overviewSchema.parse((await get('/api/overview')).json())

    expect(panels[0]).toMatchObject({
      figures: { days: [{ value: 110 }] },
      readAt: '2026-11-23T08:00:00.000Z',
      isStale: true,
      problem: { code: 'CLICKHOUSE_UNAVAILABLE' },
    })
  })

  it('does not wait for a slow ClickHouse, and takes its answer when it comes', async () => {
    const { clickhouse, clock, get } = open()
    clickhouse.answers.set('serving.daily_active_users', async () => dauRows)
    await get('/api/panels/daily-active-users')
    let answer = (_rows: readonly object[]): void => undefined
    const slow = new Promise<readonly object[]>((resolve) => {
      answer = resolve
    })
    clickhouse.answers.set('serving.daily_active_users', () => slow)
    clock.advance(10_000)

    const waiting = get('/api/panels/daily-active-users')
    await expect.poll(() => clock.sleeping).toBe(2)
    clock.advance(3_000)
    const late = panelAnswerSchema.parse((await waiting).json())
    answer([{ ...dauRows[0], daily_active_users: 120 }])
    const later = panelAnswerSchema.parse((await get('/api/panels/daily-active-users')).json())

    expect(late).toMatchObject({ isStale: true, figures: { days: [{ value: 110 }] } })
    expect(late.problem?.message).toContain('no answer within 3 s')
    expect(later).toMatchObject({ isStale: false, problem: null, figures: { days: [{ value: 120 }] } })
  })

  it.each(['minutes=7', 'minutes=x', 'minutes=-60'])('refuses %s', async (query) => {
    const response = await open().get(`/api/overview?${query}`)

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ error: { code: 'USAGE' } })
    expect(response.body).toContain('minutes')
  })
})

describe('the rest of the API', () => {
  it('names the panels there are when it knows none of that id', async () => {
    const response = await open().get('/api/panels/nonsense')

    expect(response.statusCode).toBe(404)
    expect(response.body).toContain('daily-active-users')
  })

  it('lists tables', async () => {
    const table = {
      name: 'bronze/events',
      version: 3,
      rows: 10,
      files: 2,
      sizeBytes: 4096,
      committedAt: '2026-11-23T07:59:00.000Z',
      operation: 'WRITE',
      problem: null,
    }

    const answer = tablesSchema.parse((await open({ tables: async () => [table] }).get('/api/tables')).json())

    expect(answer).toMatchObject({ tables: [table], isStale: false, problem: null })
  })

  it('is not healthy while one table cannot be read, and names it', async () => {
    const table = { version: 3, rows: 10, files: 2, sizeBytes: 4096, committedAt: null, operation: null }
    const problem = { code: 'LOG_CORRUPT', message: '12.json is torn', hint: 'Bring it back.' }
    const tables = [
      { ...table, name: 'bronze/events', problem: null },
      { ...table, name: 'silver/events', problem },
    ]
    const { get } = open({ tables: async () => tables })

    const answer = tablesSchema.parse((await get('/api/tables')).json())
    const health = await get('/api/health')

    expect(answer).toMatchObject({ tables, isStale: false, problem: null })
    expect(health.statusCode).toBe(503)
    expect(healthSchema.parse(health.json()).parts).toContainEqual({
      name: 'tables',
      isHealthy: false,
      problem: { ...problem, message: 'Table silver/events: 12.json is torn' },
    })
  })

  it('lists runs of the batch with their tasks', async () => {
    const run = {
      id: 4,
      dag: 'lakehouse_batch',
      trigger: 'manual',
      state: 'failed',
      parameters: {},
      startedMs: startMs,
      endedMs: startMs + 1500,
      error: { code: 'TASK_FAILED', message: 'bronze_to_silver failed' },
      owner: 'host:1:x',
      attempts: [{ node: 'bronze_to_silver', attempt: 1, state: 'failed' }],
    } as const
    const { startedMs: _, endedMs: __, error: ___, ...unstarted } = run
    const queued = { ...unstarted, id: 6, state: 'queued', queuedMs: startMs, attempts: [] } as const
    const { get } = open({
      runs: {
        list: async ({ dag } = {}) =>
          [queued, { ...run, id: 5, dag: 'notebook/churn' }, run].filter((each) => each.dag === dag),
        show: async () => run,
      },
    })

    const { runs } = runsSchema.parse((await get('/api/runs')).json())

    expect(runs).toMatchObject([
      { id: 6, state: 'queued', queuedAt: '2026-11-23T08:00:00.000Z', startedAt: null, endedAt: null },
      {
        id: 4,
        state: 'failed',
        startedAt: '2026-11-23T08:00:00.000Z',
        endedAt: '2026-11-23T08:00:01.500Z',
        error: { code: 'TASK_FAILED', hint: 'Do this.' },
        tasks: [{ node: 'bronze_to_silver', state: 'failed', startedAt: null }],
      },
    ])
  })

  it('says that a run is not there', async () => {
    const response = await open().get('/api/runs/12')

    expect(response.statusCode).toBe(404)
    expect(response.json()).toMatchObject({ error: { code: 'RUN_MISSING' } })
  })

  it('says which stages beside it have stopped, and is not healthy then', async () => {
    const problem = { code: 'EVENTLOG_GAP', message: 'partition 1: offsets 5 to 9 are gone', hint: 'Accept.' }
    const stoppedStages = [{ stage: 'landing', stoppedAt: '2026-11-23T07:59:00.000Z', problem }]
    const { get } = open({ stoppedStages: () => stoppedStages })

    const overview = await get('/api/overview')
    const health = await get('/api/health')

    expect(overviewSchema.parse(overview.json()).stoppedStages).toEqual(stoppedStages)
    expect(health.statusCode).toBe(503)
    expect(healthSchema.parse(health.json()).parts).toContainEqual({
      name: 'stages',
      isHealthy: false,
      problem,
    })
  })

  it('tells of stages of any machine that are in trouble or paused, with what to do', async () => {
    const stage = { stage: 'landing', host: 'far', pid: 7, heardMs: startMs - 90_000, silentMs: 90_000 }
    const reading = new StageMeter({ clock: new ManualClock() }).reading()
    const problem = { code: 'STAGE_PAUSED', message: 'the bucket moves' }
    const { get } = open({
      stages: async () => [
        { ...stage, state: 'stuck', isHealthy: false, reading: undefined },
        { ...stage, state: 'running', isHealthy: true, reading },
        { ...stage, state: 'paused', isHealthy: true, reading: { ...reading, problem } },
      ],
    })

    const { stageTroubles } = overviewSchema.parse((await get('/api/overview')).json())

    const heardAt = '2026-11-23T07:58:30.000Z'
    expect(stageTroubles).toEqual([
      { stage: 'landing', state: 'stuck', host: 'far', heardAt, problem: null },
      { stage: 'landing', state: 'paused', host: 'far', heardAt, problem: { ...problem, hint: 'Do this.' } },
    ])
    expect((await get('/api/health')).statusCode).toBe(200)
  })

  it('shows the panels though the run store does not say how the stages are', async () => {
    const { get } = open({ stages: () => Promise.reject(new LakeError('RUNSTORE_UNAVAILABLE', 'gone')) })

    const answer = overviewSchema.parse((await get('/api/overview')).json())

    expect(answer.stageTroubles).toEqual([])
    expect(answer.panels.length).toBeGreaterThan(0)
  })

  it('is healthy when each part answers, and else says which does not', async () => {
    const { clickhouse, clock, get } = open()
    const well = await get('/api/health')
    clickhouse.isDown = true
    clock.advance(10_000)
    const ill = await get('/api/health')

    expect(well.statusCode).toBe(200)
    expect(ill.statusCode).toBe(503)
    expect(healthSchema.parse(ill.json())).toMatchObject({
      isHealthy: false,
      parts: [{ name: 'clickhouse', isHealthy: false }, ...Array(3).fill({ isHealthy: true })],
    })
  })

  it('describes each route that it serves, with its answer', async () => {
    const document = openApiSchema.parse((await open().get('/api/openapi.json')).json())

    expect(Object.keys(document.paths)).toEqual(routes.map(({ path }) => path))
    for (const { get } of Object.values(document.paths)) {
      expect(get.responses['200']?.content['application/json'].schema).toMatchObject({ type: 'object' })
    }
  })
})

describe('GET /api/metrics', () => {
  it('tells of each metric what it says, by column', async () => {
    const { metrics } = metricsSchema.parse((await open().get('/api/metrics')).json())

    expect(metrics.map(({ name }) => name)).toEqual(goldTableNames)
    expect(metrics[0]).toMatchObject({
      name: 'daily_active_users',
      grain: ['event_date'],
      columns: [{ name: 'event_date', type: 'date' }, { name: 'dau_count' }],
    })
  })

  it('gives the rows of a metric, every digit of them', async () => {
    const { clickhouse, get } = open()
    const row = { event_date: '2026-11-23', dau_count: 9_007_199_254_740_993n, provisional: true }
    clickhouse.answers.set('FROM serving.daily_active_users', async () => [row])

    const response = await get('/api/metrics/daily_active_users?from=2026-11-01&to=2026-12-01')

    expect(response.body).toContain('"dau_count":9007199254740993')
    expect(metricSchema.parse(response.json())).toMatchObject({ name: 'daily_active_users', rows: [{}] })
  })

  it.each([
    ['/api/metrics/nonsense', 404, /no such metric/],
    ['/api/metrics/daily_active_users?from=yesterday', 400, /from: expected a day as 2026-01-31/],
    ['/api/metrics/daily_active_users?limit=0', 400, /limit: expected 1 or more/],
  ])('%s answers %i', async (url, status, message) => {
    const response = await open().get(url)

    expect(response.statusCode).toBe(status)
    expect(errorSchema.parse(response.json()).error.message).toMatch(message)
  })
})

describe('a request that cannot be answered', () => {
  it.each([
    [{ method: 'GET', url: '/%ff' }, 400, /not a valid url component/],
    [{ method: 'GET', url: '//api/tables' }, 403, /Forbidden/],
    [{ method: 'POST', url: '/api/tables', payload: '{' }, 400, /not valid JSON/],
    [{ method: 'GET', url: '/api/overview?minutes=an+hour' }, 400, /minutes: expected one of 60, 360, 1440/],
    [{ method: 'GET', url: '/api/runs/last' }, 400, /id: expected a whole number of 1 or more/],
  ] as const)('calls %j a wrong request, not a fault of its own', async (request, status, message) => {
    const { app } = open({}, { webRoot: import.meta.dirname })
    const headers = { host: 'localhost:8080', 'content-type': 'application/json' }
    const answer = await app.inject({ ...request, headers })
    const { error } = errorSchema.parse(answer.json())

    expect(answer.statusCode).toBe(status)
    expect(error).toMatchObject({ code: 'USAGE', message: expect.stringMatching(message) })
    expect(answer.headers['x-content-type-options']).toBe('nosniff')
  })
})

describe('who may ask', () => {
  it.each(['localhost:8080', '127.0.0.1:8080', '[::1]:8080', 'LOCALHOST:8080'])('%s may', async (host) => {
    expect((await open().get('/api/health', { host })).statusCode).toBe(200)
  })

  it.each([
    'evil.example',
    'evil.example:8080',
    'localhost:9999',
    'localhost',
    'localhost.evil.example:8080',
    '',
  ])('%s may not', async (host) => {
    const { clickhouse, get } = open()

    expect((await get('/api/overview', { host })).statusCode).toBe(403)
    expect(clickhouse.asked).toEqual([])
  })

  it.each([
    ['lake.example:8080', { host: 'lake.example' }, 200],
    ['10.1.2.3:80', { host: '0.0.0.0' }, 200],
    ['rebound.example:8080', { host: '0.0.0.0' }, 403],
    ['console:8080', { host: '0.0.0.0', allowedHosts: ['console'] }, 200],
  ])('%s on %j gets %d', async (host, place, status) => {
    expect((await open({}, place).get('/api/health', { host })).statusCode).toBe(status)
  })

  it('refuses what is not read, from another origin', async () => {
    const { app } = open()
    const post = (origin: string) =>
      app.inject({ method: 'POST', url: '/api/runs', headers: { host: 'localhost:8080', origin } })

    expect((await post('http://evil.example')).statusCode).toBe(403)
    expect((await post('http://localhost:8080')).statusCode).toBe(404)
  })

  it('sends headers that forbid foreign scripts, framing and guessing of types', async () => {
    const { headers } = await open().get('/api/health')

    expect(headers['content-security-policy']).toContain("script-src 'self';")
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' })
  })
})

describe('startConsole(parts, place)', () => {
  const parts: ConsoleParts = {
    clickhouse: new FakeClickHouse(),
    tables: async () => [],
    runs: noRuns,
    books: async () => unaudited,
    hintOf,
  }

  it('listens until it is disposed of', async () => {
    const running = await startConsole(parts, { host: '127.0.0.1', port: 0 })
    const { status } = await fetch(`${running.url}/api/health`)
    await running[Symbol.asyncDispose]()

    expect(status).toBe(200)
    await expect(fetch(`${running.url}/api/health`)).rejects.toThrow('fetch failed')
  })

  it.each([
    '/api/overview',
    '/api/panels/daily-active-users',
    '/api/metrics/daily_active_users',
  ])('ends the queries of %s when its client is gone, and answers the next', async (path) => {
    const reasons: unknown[] = []
    let asked = 0
    const clickhouse = new FakeClickHouse()
    clickhouse.query = ((_sql: string, { signal }: IoOptions = {}) =>
      new Promise((resolve, reject) => {
        asked++
        if (reasons.length > 0) resolve([])
        signal?.addEventListener('abort', () => {
          reasons.push(signal.reason)
          reject(signal.reason)
        })
      })) as ClickHouse['query']
    await using running = await startConsole({ ...parts, clickhouse }, { host: '127.0.0.1', port: 0 })
    const browser = new AbortController()
    const left = fetch(`${running.url}${path}`, { signal: browser.signal }).catch(() => 'left')
    await expect.poll(() => asked).toBeGreaterThan(0)
    const before = asked

    browser.abort()

    expect(await left).toBe('left')
    await expect.poll(() => reasons).toHaveLength(before)
    expect((await fetch(`${running.url}${path}`)).status).toBe(200)
  })

  it('ends when it is aborted', async () => {
    const stop = new AbortController()
    const running = await startConsole(parts, { host: '127.0.0.1', port: 0 }, { signal: stop.signal })

    stop.abort()
    await running[Symbol.asyncDispose]()

    await expect(fetch(`${running.url}/api/health`)).rejects.toThrow('fetch failed')
  })

  it('names host and port when something else listens there', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    closing.push(async () => other.close())
    await new Promise((resolve) => other.once('listening', resolve))
    const address = other.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0

    await expect(startConsole(parts, { host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(`127.0.0.1:${port}`),
      details: expect.objectContaining({ fault: 'console', port }),
    })
  })
})

describe('a console with a token', () => {
  const token = 'a-token-of-some-length'

  it('describes its API with the token, and 401 on every route; without a token neither', async () => {
    const authorization = `Bearer ${token}`
    const response = await open({}, { token }).get('/api/openapi.json', { authorization })
    const free = await open().get('/api/openapi.json')

    expect(response.json()).toMatchObject({
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    })
    const statuses = Object.values(openApiSchema.parse(response.json()).paths).map(({ get }) =>
      Object.keys(get.responses),
    )
    expect(statuses.length).toBeGreaterThan(5)
    for (const each of statuses) expect(each).toEqual(expect.arrayContaining(['200', '401', '403']))
    expect(free.body).not.toContain('"401"')
    expect(free.json()).not.toHaveProperty('security')
  })

  it.each([
    ['/', {}],
    ['/api/overview', {}],
    ['/api/overview', { authorization: 'Bearer another-token-of-it' }],
    ['/api/overview', { authorization: `Basic ${token}` }],
    ['/api/overview?token=another', {}],
    ['/api/overview', { cookie: `lakeshore_console=${token}` }],
  ])('answers 401 to who does not know it: %s %j', async (url, headers) => {
    const { get, clickhouse } = open({}, { token })

    const answer = await get(url, headers)

    expect(answer.statusCode).toBe(401)
    expect(errorSchema.parse(answer.json()).error.hint).toContain('CONSOLE_TOKEN')
    expect(clickhouse.asked).toEqual([])
  })

  it('answers a program that sends it', async () => {
    const { get } = open({}, { token })

    expect((await get('/api/runs', { authorization: `Bearer ${token}` })).statusCode).toBe(200)
  })

  it('gives a browser a cookie for it once, and takes it out of the address', async () => {
    const { get } = open({}, { token })

    const first = await get(`//evil.example/?minutes=60&token=${token}`)
    const cookie = String(first.headers['set-cookie'])
    const next = await get('/api/runs', { cookie: `theme=dark; ${cookie.split(';')[0]}` })

    expect(first.statusCode).toBe(303)
    expect(first.headers.location).toBe('/evil.example/?minutes=60')
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(token)
    expect(next.statusCode).toBe(200)
  })
})
