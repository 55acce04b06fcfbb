/** Every panel's SQL, macros expanded, on the embedded ClickHouse: exact figures from known rows. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../lib/clickhouse/clickhouse.ts'
import { openEmbeddedClickHouse } from '../lib/clickhouse-server/embedded.ts'
import type { Home } from '../lib/clickhouse-server/home.fixture.ts'
import { sharedHome } from '../lib/clickhouse-server/shared.fixture.ts'
import { ownTestedPanels } from '../pipeline/model/own-test.fixture.ts'
import { ensureServingSchema } from '../pipeline/serving/schema.ts'
import { type Figures, metricSchema } from './answers.ts'
import { createConsole } from './console.ts'
import { figuresOf } from './figures.ts'
import { readFreshness } from './freshness.ts'
import { expandMacros } from './macros.ts'
import { findPanel, panels } from './panels.ts'
import { unaudited } from './readings/books.ts'
import { insertDeltas, insertLoad } from './serving.fixture.ts'

const range = {
  fromMs: Date.parse('2026-11-23T07:00:00Z'),
  toMs: Date.parse('2026-11-23T08:00:00Z'),
  stepMs: 60_000,
}

let home: Home
let clickhouse: ClickHouse

async function rowsOf(id: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return clickhouse.query(expandMacros(findPanel(id)?.sql ?? '', range))
}

async function figures(id: string): Promise<Figures | undefined> {
  const panel = findPanel(id)
  return panel && figuresOf(panel, await rowsOf(id), range)
}

beforeAll(async () => {
  home = await sharedHome()
  clickhouse = await openEmbeddedClickHouse({ home: home.path, deadlineMs: 60_000 })
  await ensureServingSchema(clickhouse)
})

afterAll(async () => {
  await clickhouse[Symbol.asyncDispose]()
})

describe('the panels, before the first event', () => {
  it.each(panels)('$id answers with nothing', async ({ id }) => {
    expect(await rowsOf(id)).toEqual([])
  })

  it('have no age', async () => {
    const nothing = { asOf: null, provisionalFrom: null, newestEvent: null, oldestWindow: null }

    expect(await readFreshness(clickhouse, 'batch')).toEqual({ layer: 'batch', ...nothing })
    expect(await readFreshness(clickhouse, 'realtime')).toEqual({ layer: 'realtime', ...nothing })
  })
})

describe('the panels, with data', () => {
  beforeAll(async () => {
    const older = {
      day: '2026-11-21',
      users: 999,
      conversionRate: 0.9,
      events: { web: 999 },
      purchases: { '/old': 999 },
    }
    await insertLoad(clickhouse, [older], {
      loadId: 1,
      boundary: '2026-11-22',
      loadedAt: '2026-11-22 01:00:00',
    })
    await insertLoad(
      clickhouse,
      [
        {
          day: '2026-11-01',
          users: 7,
          conversionRate: 1,
          events: { web: 8 },
          purchases: { '/before-the-week': 500 },
        },
        {
          day: '2026-11-21',
          users: 100,
          conversionRate: 0.25,
          events: { web: 600, mobile: 400 },
          purchases: { '/products': 30, '/checkout': 12 },
        },
        {
          day: '2026-11-22',
          users: 110,
          conversionRate: 0.1,
          events: { web: 700, mobile: 411 },
          purchases: { '/checkout': 20, '/home': 1 },
        },
        {
          day: '2026-11-23',
          users: 40,
          conversionRate: 0.05,
          events: { mobile: 90 },
          purchases: { '/home': 2 },
        },
      ],
      { loadId: 2, boundary: '2026-11-23', loadedAt: '2026-11-23 01:00:05.250000' },
    )
    const at = { partition: 0, newestEvent: '2026-11-23 07:34:10.000000' }
    await insertDeltas(clickhouse, 'events_per_minute', [
      { ...at, window: '2026-11-23 06:59:00', label: 'click', count: 77 },
      { ...at, window: '2026-11-23 07:00:00', label: 'click', count: 5 },
      { ...at, window: '2026-11-23 07:30:00', label: 'click', count: 3 },
      { ...at, window: '2026-11-23 07:30:00', label: 'login', count: 2 },
      { ...at, window: '2026-11-23 08:01:00', label: 'click', count: 77 },
    ])
    await insertDeltas(clickhouse, 'events_per_minute', [
      { ...at, window: '2026-11-23 07:30:00', label: 'click', count: 4 },
      {
        ...at,
        window: '2026-11-23 07:33:00',
        label: 'purchase',
        count: 1,
        newestEvent: '2026-11-23 07:35:59.5',
      },
      {
        ...at,
        window: '1970-01-01 00:00:00',
        label: '',
        count: 0,
        partition: 1,
        newestEvent: '1970-01-01 00:00:00',
      },
      {
        ...at,
        window: '2026-11-23 07:31:00',
        label: '',
        count: 0,
        partition: 2,
        newestEvent: '2026-11-23 07:32:20',
      },
    ])
    await insertDeltas(clickhouse, 'purchases_per_minute', [
      { ...at, window: '2026-11-22 23:59:00', label: '', count: 90 },
      { ...at, window: '2026-11-23 07:33:00', label: '', count: 3 },
    ])
    await insertDeltas(clickhouse, 'logins_per_source', [
      { ...at, window: '2026-11-23 07:30:00', label: 'mobile', count: 6 },
      { ...at, window: '2026-11-23 07:30:00', label: 'web', count: 2 },
      { ...at, window: '2026-11-23 07:31:00', label: 'web', count: 3 },
      { ...at, window: '2026-11-23 07:31:00', label: '', count: 0 },
    ])
  })

  it.each(panels.filter(({ id }) => !ownTestedPanels.has(id)))('$id answers with its columns', async ({
    id,
    value,
  }) => {
    const rows = await rowsOf(id)

    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(row).toHaveProperty(value)
  })

  it.each([
    ['daily-active-users', [7, 100, 110, 40]],
    ['conversion-rate', [1, 0.25, 0.1, 0.05]],
    ['total-purchases', [500, 42, 21, 3]],
    ['total-events', [8, 1000, 1111, 169]],
  ])('%s shows closed days of the current load, and the open day as provisional', async (id, values) => {
    const days = ['2026-11-01', '2026-11-21', '2026-11-22', '2026-11-23']

    expect(await figures(id)).toEqual({
      kind: 'stat',
      days: days.map((day, at) => ({ day, value: values[at], isProvisional: day === '2026-11-23' })),
    })
  })

  it('event-stream sums the deltas of each window, type by type, and leaves out what counts nothing', async () => {
    expect(await figures('event-stream')).toEqual({
      kind: 'timeseries',
      from: '2026-11-23T07:00:00.000Z',
      to: '2026-11-23T08:00:00.000Z',
      stepSeconds: 60,
      series: [
        {
          label: 'click',
          points: [
            { time: '2026-11-23T07:00:00.000Z', value: 5 },
            { time: '2026-11-23T07:30:00.000Z', value: 7 },
          ],
        },
        { label: 'login', points: [{ time: '2026-11-23T07:30:00.000Z', value: 2 }] },
        { label: 'purchase', points: [{ time: '2026-11-23T07:33:00.000Z', value: 1 }] },
      ],
    })
  })

  it('event-stream sums bins of several windows', async () => {
    const panel = findPanel('event-stream')
    const bins = { ...range, stepMs: 15 * 60_000 }
    const rows = await clickhouse.query(expandMacros(panel?.sql ?? '', bins))

    expect(rows).toEqual([
      { time: '2026-11-23 07:00:00', event_type: 'click', events: 5 },
      { time: '2026-11-23 07:30:00', event_type: 'click', events: 7 },
      { time: '2026-11-23 07:30:00', event_type: 'login', events: 2 },
      { time: '2026-11-23 07:30:00', event_type: 'purchase', events: 1 },
    ])
  })

  it('logins-per-source sums logins by source', async () => {
    expect(await figures('logins-per-source')).toMatchObject({
      series: [
        {
          label: 'web',
          points: [
            { time: '2026-11-23T07:30:00.000Z', value: 2 },
            { time: '2026-11-23T07:31:00.000Z', value: 3 },
          ],
        },
        { label: 'mobile', points: [{ time: '2026-11-23T07:30:00.000Z', value: 6 }] },
      ],
    })
  })

  it('top-pages-by-purchases sums the last seven days, the greatest first', async () => {
    expect(await figures('top-pages-by-purchases')).toEqual({
      kind: 'bars',
      bars: [
        { label: '/checkout', value: 32, provisional: 0 },
        { label: '/products', value: 30, provisional: 0 },
        { label: '/home', value: 3, provisional: 2 },
      ],
    })
  })

  it('rows of a metric are asked for by days, newest first', async () => {
    const app = createConsole(
      {
        clickhouse,
        tables: async () => [],
        runs: { list: async () => [], show: () => Promise.reject() },
        books: async () => unaudited,
        hintOf: () => 'Do this.',
      },
      { host: '127.0.0.1', port: 8080 },
    )

    const response = await app.inject({
      url: '/api/metrics/daily_active_users?from=2026-11-22',
      headers: { host: 'localhost:8080' },
    })
    await app.close()

    expect(metricSchema.parse(response.json()).rows).toMatchObject([
      { event_date: '2026-11-23', provisional: true },
      { event_date: '2026-11-22', provisional: false },
    ])
  })

  it('are as new as the current load, and as the last write of the speed layer', async () => {
    expect(await readFreshness(clickhouse, 'batch')).toEqual({
      layer: 'batch',
      asOf: '2026-11-23T01:00:05.250Z',
      provisionalFrom: '2026-11-23T00:00:00.000Z',
      newestEvent: null,
      oldestWindow: null,
    })
    expect(await readFreshness(clickhouse, 'realtime')).toEqual({
      layer: 'realtime',
      asOf: '2026-11-23T07:35:59.500Z',
      // The slowest partition has read up to 07:32:20: windows that ended by 07:30:20 are closed.
      provisionalFrom: '2026-11-23T07:30:00.000Z',
      newestEvent: '2026-11-23T07:35:59.500Z',
      oldestWindow: '2026-11-23T06:59:00.000Z',
    })
  })

  it('have no window held open by a partition that has been silent for a day', async () => {
    const before = await readFreshness(clickhouse, 'realtime')
    await insertDeltas(clickhouse, 'events_per_minute', [
      {
        window: '2026-11-22 07:33:00',
        partition: 7,
        label: 'click',
        count: 1,
        newestEvent: '2026-11-22 07:33:30',
      },
    ])

    expect(await readFreshness(clickhouse, 'realtime')).toEqual({
      ...before,
      oldestWindow: '2026-11-22T07:33:00.000Z',
    })
  })
})
