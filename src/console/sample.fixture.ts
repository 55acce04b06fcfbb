/** For tests and pictures: two weeks of a small shop, the same figures for the same present. */
import { LakeError } from '../lib/base/errors.ts'
import type { ClickHouse } from '../lib/clickhouse/clickhouse.ts'
import type { RunWithAttempts } from '../lib/runs/run.ts'
import { lakeTableNames } from '../pipeline/model/tables.ts'
import { identityNames } from '../pipeline/reconcile/identity-names.ts'
import type { BooksIdentity, TableSummary } from './answers.ts'
import type { ConsoleParts } from './console.ts'
import type { Books } from './readings/books.ts'
import type { RunReader } from './readings/runs.ts'
import { type Delta, insertDeltas, insertLoad } from './serving.fixture.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

const sql = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')
const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** In [0, 1), the same for the same arguments. */
function noise(seed: number): number {
  const value = Math.sin(seed * 12.9898) * 43_758.5453
  return value - Math.floor(value)
}

const pages = [
  ['/products/kayak', 0.21],
  ['/products/tent', 0.17],
  ['/products/lantern', 0.14],
  ['/checkout', 0.12],
  ['/products/stove', 0.1],
  ['/products/compass', 0.09],
  ['/sale', 0.08],
  ['/products/hammock', 0.05],
  ['/home', 0.04],
] as const

const types = [
  ['click', 62, 'event_type'],
  ['login', 26, 'event_type'],
  ['logout', 11, 'event_type'],
  ['purchase', 7, 'event_type'],
] as const

/** A batch that ran at midnight, and a speed layer that wrote two seconds ago. */
export async function insertSample(clickhouse: ClickHouse, nowMs: number): Promise<void> {
  const todayMs = Math.floor(nowMs / dayMs) * dayMs
  await insertLoad(
    clickhouse,
    Array.from({ length: 14 }, (_, at) => sampleDay(todayMs - (13 - at) * dayMs, at)),
    { loadId: 14, boundary: isoDay(todayMs), loadedAt: sql(Math.max(todayMs, nowMs - 47 * minuteMs)) },
  )
  await insertMinutes(clickhouse, nowMs, 1440)
}

function sampleDay(ms: number, at: number): Parameters<typeof insertLoad>[1][number] {
  const isToday = at === 13
  const users = Math.round((isToday ? 34 : 100 + at * 0.9) + 4 * noise(at))
  const purchases = Math.round((isToday ? 0.06 : 1) * (900 + 70 * Math.sin(at / 2) + 60 * noise(at + 50)))
  const events = Math.round(purchases * (17.5 + noise(at + 90)))
  return {
    day: isoDay(ms),
    users,
    conversionRate: isToday ? 0.412 : 0.58 + 0.07 * Math.sin(at / 1.7) + 0.02 * noise(at),
    events: { web: Math.round(events * 0.58), mobile: Math.round(events * 0.42) },
    purchases: Object.fromEntries(pages.map(([page, share]) => [page, Math.round(purchases * share)])),
  }
}

/** Five events a second, a little more in waves; the newest minute is not over. */
async function insertMinutes(clickhouse: ClickHouse, nowMs: number, minutes: number): Promise<void> {
  const currentMs = Math.floor(nowMs / minuteMs) * minuteMs
  const events: Delta[] = []
  const logins: Delta[] = []
  for (let ago = minutes; ago >= 0; ago--) {
    const ms = currentMs - ago * minuteMs
    const minute = ms / minuteMs
    const elapsed = ago === 0 ? (nowMs - currentMs) / minuteMs : 1
    const wave = elapsed * (2.7 + 0.35 * Math.sin(minute / 9) + 0.2 * Math.sin(minute / 2.3))
    const at = { window: sql(ms).slice(0, 19), partition: 0, newestEvent: sql(nowMs - 2000) }
    for (const [index, [label, weight]] of types.entries()) {
      const count = Math.round(weight * wave * (0.85 + 0.3 * noise(minute * 7 + index)))
      if (count > 0) events.push({ ...at, label, count })
    }
    for (const [index, label] of (['web', 'mobile'] as const).entries()) {
      const count = Math.round((label === 'web' ? 15 : 11) * wave * (0.8 + 0.4 * noise(minute * 3 + index)))
      if (count > 0) logins.push({ ...at, label, count })
    }
  }
  await insertDeltas(clickhouse, 'events_per_minute', events)
  await insertDeltas(clickhouse, 'logins_per_source', logins)
}

/** Tables, runs and books to go with it. */
export function sampleParts(nowMs: number): Pick<ConsoleParts, 'tables' | 'runs' | 'books'> {
  return {
    tables: async () => sampleTables(nowMs),
    runs: sampleRuns(nowMs),
    books: async () => sampleBooks(nowMs),
  }
}

function sampleTables(nowMs: number): readonly TableSummary[] {
  const rows = [231_480, 212, 230_904, 391, 14, 14, 28, 126]
  return lakeTableNames.map((name, at) => ({
    name,
    version: name === 'bronze/events' ? 1184 : name === 'bronze/rejected' ? 97 : 14,
    rows: rows[at] ?? 0,
    files: name === 'bronze/events' ? 322 : 14,
    sizeBytes: (rows[at] ?? 0) * 38 + 2048,
    committedAt: new Date(nowMs - (name === 'bronze/events' ? 12_000 : (49 - at) * minuteMs)).toISOString(),
    operation: name.startsWith('bronze') ? 'STREAMING UPDATE' : 'WRITE',
    problem: null,
  }))
}

function sampleBooks(nowMs: number): Books {
  const messages = 231_692
  const equal = (name: string, audited: number, count: number): BooksIdentity => ({
    name,
    audited,
    left: count,
    right: count,
    wrong: 0,
    accepted: 0,
  })
  return {
    isBalanced: true,
    audit: { run: 4, endedAt: new Date(nowMs - 47 * minuteMs).toISOString() },
    release: { id: 14, run: 4, releasedAt: new Date(nowMs - 47 * minuteMs).toISOString() },
    identities: [
      equal(identityNames.landed, 3, messages),
      equal(identityNames.counted, 12, 4 * messages),
      equal(identityNames.silver, 14, 231_480),
      equal(identityNames.gold, 56, 182),
      equal(identityNames.loaded, 56, 182),
      equal(identityNames.served, 56, 182),
      equal(identityNames.released, 4, 56),
      equal(identityNames.windows, 14, 230_904),
      equal(identityNames.entries, 1, 164),
    ],
    problems: [],
  }
}

const nodes = [
  ['bronze_to_silver', 16_240, 1900],
  ['silver_to_gold_dau', 1, 310],
  ['silver_to_gold_conversion', 1, 340],
  ['silver_to_gold_events_source', 2, 290],
  ['silver_to_gold_purchases_page', 9, 330],
  ['gold_to_clickhouse', 168, 620],
] as const

function sampleRuns(nowMs: number): RunReader {
  const ends = [47, 1487, 2920, 2927].map((minutes) => nowMs - minutes * minuteMs)
  const runs = ends.map((endedMs, at) => sampleRun(4 - at, endedMs, at === 3))
  return {
    list: async () => runs,
    show: async (id) => {
      const found = runs.find((run) => run.id === id)
      if (found === undefined) throw new LakeError('RUN_MISSING', `Run ${id}: there is no such run`)
      return found
    },
  }
}

function sampleRun(id: number, endedMs: number, isFailed: boolean): RunWithAttempts {
  const startedMs = endedMs - 3800
  let atMs = startedMs
  return {
    id,
    dag: 'lakehouse_batch',
    trigger: id % 2 === 0 ? 'schedule' : 'manual',
    state: isFailed ? 'failed' : 'succeeded',
    parameters: {},
    startedMs,
    endedMs,
    ...(isFailed && {
      error: { code: 'TASK_FAILED', message: 'gold_to_clickhouse: ClickHouse closed the connection' },
    }),
    owner: 'laptop:4242:1',
    attempts: nodes.map(([node, rowsOut, tookMs], at) => {
      const attempt = {
        node,
        attempt: 1,
        state: isFailed && at === 5 ? 'failed' : 'succeeded',
        startedMs: atMs,
        endedMs: atMs + tookMs,
        rowsIn: 16_302,
        rowsOut,
      } as const
      atMs += tookMs
      return attempt
    }),
  }
}
