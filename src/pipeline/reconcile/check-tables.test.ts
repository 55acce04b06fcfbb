import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { DeltaTable, deleteRows, updateRows } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { HookedStore } from '../../lib/storage/store.hooked.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import type { TableCheck } from '../model/checks.ts'
import { lakeTableNames } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from './books.fixture.ts'
import { type CheckedDay, type ChecksReport, checkTables } from './check-tables.ts'
import { violationsName } from './violating-rows.ts'

let duckdb: DuckDb
let platform: SmallPlatform
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  const log = createMemoryEventLog({ topic: 'user-events' })
  // The last task fails for want of a ClickHouse; silver and gold are made before it.
  platform = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse, { log })
  await platform.send([...someMessages(150, 1), ...someMessages(60, 2, '2026-11-21')])
  await platform.land()
  await platform.batch().catch(() => undefined)
})
afterAll(async () => {
  await platform[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

let store: RunStore
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-checks-'))
  store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}`, clock: new ManualClock(0) })
  return async () => {
    await store[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
    await rm(join(platform.folder, violationsName), { recursive: true, force: true })
  }
})

const violationsOf = ({ folder: root }: SmallPlatform): DeltaTable =>
  new DeltaTable({ store: openLocalStore(join(root, violationsName)), duckdb })

const check = (
  of: SmallPlatform = platform,
  options: Partial<Parameters<typeof checkTables>[1]> = {},
  nowMs = Date.now(),
): Promise<ChecksReport> =>
  checkTables(
    { ...of.context, clock: new ManualClock(nowMs) },
    { ...store, violations: violationsOf(of), ...options },
  )

/** All that is kept of the rows that break checks. */
const keptRows = (of: SmallPlatform, sql = 'from violations order by all'): Promise<readonly Row[]> =>
  duckdb.use(async (session) => {
    const violations = violationsOf(of)
    const scan = await violations.scan(session, await violations.snapshot())
    await session.run(`create temporary view violations as ${scan}`)
    return await session.rows(sql)
  })

const broken = ({ checks }: ChecksReport): readonly CheckedDay[] =>
  checks.filter(({ state }) => state === 'failed' || state === 'warned')

describe('checkTables(context, options)', () => {
  it('asks the checks of every table and day, and says how many events will be quarantined', async () => {
    const report = await check()

    expect(report.state).toBe('warned')
    expect([...new Set(report.checks.map(({ table }) => table))]).toEqual(
      lakeTableNames.filter((name) => name !== 'bronze/rejected'),
    )
    expect(
      broken(report).map(({ table, check: name, severity, date }) => [table, name, severity, date]),
    ).toEqual([
      ['bronze/events', 'the event is valid', 'quarantine', '2026-11-20'],
      ['bronze/events', 'the event is valid', 'quarantine', '2026-11-21'],
    ])
    const quarantine = await platform.context.table('silver/quarantine').snapshot()
    expect(broken(report).reduce((sum, { violations }) => sum + violations, 0)).toBe(quarantine.numRecords)
    for (const { rows, violations, counts } of broken(report)) {
      expect(rows).toHaveLength(Math.min(violations, 20))
      expect(counts).toEqual({ new: violations, still: 0, fixed: 0 })
    }
  })

  it('fails where published rows break a check, by day and place, and says since when', async () => {
    await using harmed = await platform.copy()
    const silver = harmed.context.table('silver/events')
    const tables = ['silver/events'] as const
    const where = 'kafka_partition = 0 and kafka_offset = 1'
    await check(harmed, { tables })
    await duckdb.use((session) => updateRows(silver, session, { set: { user_id: '-5' }, where }))

    const first = await check(harmed, { tables })
    const second = await check(harmed, { tables })
    await duckdb.use((session) => deleteRows(silver, session, { where: 'user_id = -5' }))
    const third = await check(harmed, { tables })

    expect(first.state).toBe('failed')
    const [found] = broken(first)
    expect(found).toMatchObject({
      check: 'the event is valid',
      date: '2026-11-20',
      violations: 1,
      since: 'new',
    })
    expect(found?.rows).toEqual([{ since: 'new', partition: 0, offset: 1 }])
    expect(broken(second).map(({ since }) => since)).toEqual(['still'])
    expect(third.state).toBe('passed')
    expect(third.checks.filter(({ since }) => since !== null)).toMatchObject([
      { check: 'the event is valid', since: 'fixed' },
    ])
    const kept = await store.checks.list({
      table: 'silver/events',
      check: 'the event is valid',
      date: '2026-11-20',
    })
    expect(kept.slice(0, 3).map(({ state }) => state)).toEqual(['passed', 'failed', 'failed'])
  })

  it('says of every row whether it is new, still there or fixed, and never forgets one', async () => {
    await using harmed = await platform.copy()
    const tables = ['silver/events'] as const
    const silver = harmed.context.table('silver/events')
    const set = (user: number, where: string): Promise<unknown> =>
      duckdb.use((session) => updateRows(silver, session, { set: { user_id: String(user) }, where }))
    const rowsOf = async (): Promise<unknown> =>
      broken(await check(harmed, { tables })).map(({ date, ask, counts, rows }) => [
        date,
        ask,
        Object.values(counts),
        rows.map((row) => ('offset' in row ? `${row.since} ${row.partition}/${row.offset}` : row)),
      ])
    const of = (partition: number, ...offsets: readonly number[]): string =>
      `kafka_partition = ${partition} and kafka_offset in (${offsets.join(', ')})`

    const asks = [await rowsOf()]
    await set(-1, of(0, 1, 9))
    asks.push(await rowsOf())
    asks.push(await rowsOf())
    await set(-1, of(1, 8))
    await set(7, of(0, 9))
    asks.push(await rowsOf())
    const last = await (async () => {
      await set(7, 'user_id < 0')
      return check(harmed, { tables })
    })()

    expect(asks).toEqual([
      [],
      [['2026-11-20', 1, [2, 0, 0], ['new 0/1', 'new 0/9']]],
      [['2026-11-20', 2, [0, 2, 0], ['still 0/1', 'still 0/9']]],
      [['2026-11-20', 3, [1, 1, 1], ['new 1/8', 'still 0/1', 'fixed 0/9']]],
    ])
    expect(last.checks.filter(({ since }) => since === 'fixed')).toMatchObject([
      {
        state: 'passed',
        ask: 4,
        counts: { new: 0, still: 0, fixed: 2 },
        rows: [
          { since: 'fixed', partition: 0, offset: 1 },
          { since: 'fixed', partition: 1, offset: 8 },
        ],
      },
    ])
    expect(
      await keptRows(
        harmed,
        'select ask, kafka_partition as p, kafka_offset as o, state from violations order by all',
      ),
    ).toEqual([
      { ask: 1n, p: 0, o: 1n, state: 'new' },
      { ask: 1n, p: 0, o: 9n, state: 'new' },
      { ask: 3n, p: 0, o: 9n, state: 'fixed' },
      { ask: 3n, p: 1, o: 8n, state: 'new' },
      { ask: 4n, p: 0, o: 1n, state: 'fixed' },
      { ask: 4n, p: 1, o: 8n, state: 'fixed' },
    ])
    expect(await check(harmed, { tables })).toMatchObject({ state: 'passed' })
    expect((await violationsOf(harmed).snapshot()).version).toBe(4)
  })

  it('names rows of gold by their grain, and a day that is gone has nothing that breaks a check', async () => {
    await using harmed = await platform.copy()
    const name = 'gold/events_per_source_daily'
    const gold = harmed.context.table(name)
    const where = "event_date = date '2026-11-21' and source = 'web'"
    await duckdb.use((session) => updateRows(gold, session, { set: { event_count: '0' }, where }))

    const [found] = broken(await check(harmed, { tables: [name] }))
    const others = [
      await check(harmed, { tables: [name], days: { from: '2026-11-20', to: '2026-11-21' } }),
      await check(harmed, { tables: [name], days: { from: '2026-11-22', to: '2026-11-23' } }),
    ].flatMap(broken)
    await duckdb.use((session) => deleteRows(gold, session, { where: "event_date = date '2026-11-21'" }))
    const gone = await check(harmed, { tables: [name] })
    const after = await check(harmed, { tables: [name] })

    const key = { event_date: '2026-11-21', source: 'web' }
    expect(found?.rows).toEqual([{ since: 'new', key }])
    expect(others).toEqual([])
    expect(gone.checks.filter(({ date }) => date === '2026-11-21')).toMatchObject([
      { state: 'passed', checked: 0, violations: 0, since: 'fixed', rows: [{ since: 'fixed', key }] },
    ])
    expect(after.checks.filter(({ date }) => date === '2026-11-21')).toEqual([])
  })

  it('counts each row once if another asks in the midst', async () => {
    await using harmed = await platform.copy()
    const tables = ['bronze/events'] as const
    const hooked = new HookedStore(openLocalStore(join(harmed.folder, violationsName)))
    let other: ChecksReport | undefined
    hooked.hooks.before = async (call, key) => {
      if (call !== 'putIfAbsent' || !key.endsWith('00001.json')) return
      delete hooked.hooks.before
      other = await check(harmed, { tables })
    }

    const one = await check(harmed, { tables, violations: new DeltaTable({ store: hooked, duckdb }) })

    const counts = (report: ChecksReport | undefined): unknown =>
      report && broken(report).map(({ ask, counts: { new: added, still } }) => [ask, added > 0, still > 0])
    expect(counts(other)).toEqual([
      [1, true, false],
      [1, true, false],
    ])
    expect(counts(one)).toEqual([
      [2, false, true],
      [2, false, true],
    ])
    const [rows] = await keptRows(
      harmed,
      'select count(*) as n, count(distinct (kafka_partition, kafka_offset)) as d from violations',
    )
    expect(rows?.['n']).toBe(rows?.['d'])
  })

  it('looks at the days alone that are asked for', async () => {
    const { checks } = await check(platform, { days: { from: '2026-11-21', to: '2026-11-22' } })

    expect(new Set(checks.map(({ date }) => date))).toEqual(new Set(['2026-11-21']))
  })

  const hourMs = 3_600_000
  const only =
    (...declared: readonly TableCheck[]) =>
    (): readonly TableCheck[] =>
      declared

  it('warns if the newest message of bronze is too old by the clock', async () => {
    const tables = ['bronze/events'] as const
    const fresh = (nowMs: number): Promise<readonly CheckedDay[]> =>
      check(platform, { tables }, nowMs).then(({ checks }) =>
        checks.filter((each) => each.check === 'the newest kafka_timestamp is at most 24 hours old'),
      )

    expect(await fresh(Date.now() + 23 * hourMs)).toMatchObject([
      { state: 'passed', date: null, since: null },
    ])
    expect(await fresh(Date.now() + 25 * hourMs)).toMatchObject([
      {
        state: 'warned',
        severity: 'warn',
        date: null,
        since: 'new',
        problem: expect.stringMatching(/25 hours ago$/),
      },
    ])
  })

  it('compares the rows of a day with what was kept of its weekday, and says so if too little is', async () => {
    await using other = await platform.copy()
    const name = 'bronze/events'
    const words = 'the number of rows is within 50 % of its weekday'
    const nowMs = Date.parse('2026-11-21T12:00:00Z')
    const drift = async (): Promise<readonly CheckedDay[]> =>
      (await check(other, { tables: [name] }, nowMs)).checks.filter((each) => each.check === words)
    const keep = (days: Readonly<Record<string, number>>): Promise<void> =>
      store.checks.append(
        Object.entries(days).map(([date, checked]) => {
          return { table: name, check: 'any', date, state: 'passed', content: { checked } }
        }),
      )

    const first = await drift()
    await keep({ '2026-11-13': 150, '2026-11-06': 900, '2026-10-30': 800 })
    const second = await drift()
    await keep({ '2026-11-06': 150, '2026-10-30': 140 })
    const third = await drift()

    expect(first).toMatchObject([
      { date: '2026-11-20', state: 'unknown', problem: expect.stringMatching(/^too little history: 0 days/) },
      { date: '2026-11-21', state: 'unknown', problem: 'the day is not over' },
    ])
    expect(second[0]).toMatchObject({ state: 'warned', since: 'new', violations: 0 })
    expect(third[0]).toMatchObject({ state: 'passed', since: 'fixed' })
    expect(await store.checks.list({ table: name, check: words, date: '2026-11-20' })).toMatchObject([
      { state: 'passed' },
      { state: 'warned' },
      { state: 'unknown' },
    ])
  })

  it('goes on from what was the case before a check could not be decided', async () => {
    const declared: TableCheck = { severity: 'warn', expectation: { kind: 'drift', within: 0.1, atLeast: 1 } }
    const tables = ['silver/events'] as const
    const nowMs = Date.parse('2026-11-22')
    const of = async (weeks: number): Promise<unknown> => {
      const expectation = { ...declared.expectation, weeks } as const
      const { checks } = await check(
        platform,
        { tables, checksOf: only({ ...declared, expectation }) },
        nowMs,
      )
      return checks.flatMap(({ date, state, since }) => (date === '2026-11-20' ? [[state, since]] : []))
    }
    await store.checks.append([
      { table: 'silver/events', check: 'any', date: '2026-11-13', state: 'passed', content: { checked: 5 } },
    ])

    expect([await of(1), await of(0), await of(0), await of(1)]).toEqual([
      [['warned', 'new']],
      [['unknown', null]],
      [['unknown', null]],
      [['warned', 'still']],
    ])
  })

  it('finds a day of gold that silver has not', async () => {
    await using harmed = await platform.copy()
    const name = 'gold/daily_active_users'
    const gold = harmed.context.table(name)
    const { files } = await gold.snapshot()
    expect(files.length).toBeGreaterThan(0)
    const where = "event_date = date '2026-11-21'"
    await duckdb.use((session) =>
      updateRows(gold, session, { set: { event_date: "date '2026-12-24'" }, where }),
    )

    const report = await check(harmed, { tables: [name] })

    expect(broken(report)).toMatchObject([
      {
        check: 'event_date is in silver_events',
        date: '2026-12-24',
        state: 'failed',
        rows: [{ since: 'new', key: { event_date: '2026-12-24' } }],
      },
    ])
  })

  it('reports an id that stands on two days, and not if it looks at one of them', async () => {
    await using other = await platform.copy()
    const silver = other.context.table('silver/events')
    const where = 'kafka_partition = 0 and kafka_offset = 1'
    await duckdb.use(async (session) => {
      const scan = await silver.scan(session, await silver.snapshot())
      const [row] = await session.rows(
        `select event_id from (${scan}) where event_date = date '2026-11-21' limit 1`,
      )
      await updateRows(silver, session, { set: { event_id: text(String(row?.['event_id'])) }, where })
    })
    const tables = ['silver/events'] as const

    const [found, ...others] = broken(await check(other, { tables }))
    const days = { from: '2026-11-20', to: '2026-11-21' }

    expect(others).toEqual([])
    expect(found).toMatchObject({
      check: 'event_id is on one day',
      severity: 'warn',
      date: null,
      violations: 2,
    })
    expect(found?.rows).toContainEqual({ since: 'new', partition: 0, offset: 1 })
    const part = await check(other, { tables, days })
    expect(part.checks.map(({ date }) => date)).not.toContain(null)
    expect(broken(part)).toEqual([])
  })
})
