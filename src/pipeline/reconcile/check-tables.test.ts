import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { DeltaTable, deleteRows, updateRows } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { lakeTableNames } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from './books.fixture.ts'
import { type CheckedDay, type ChecksReport, checkTables } from './check-tables.ts'
import { violationsName } from './violating-rows.ts'

let duckdb: DuckDb
let platform: SmallPlatform
let folder = ''
let store: RunStore
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-checks-'))
  store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}`, clock: new ManualClock(0) })
  const log = createMemoryEventLog({ topic: 'user-events' })
  // The last task fails for want of a ClickHouse; silver and gold are made before it.
  platform = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse, { log })
  await platform.send([...someMessages(150, 1), ...someMessages(60, 2, '2026-11-21')])
  await platform.land()
  await platform.batch().catch(() => undefined)
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  await platform[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
  duckdb[Symbol.dispose]()
})

const violationsOf = ({ folder: root }: SmallPlatform): DeltaTable =>
  new DeltaTable({ store: openLocalStore(join(root, violationsName)), duckdb })

const check = (
  of: SmallPlatform = platform,
  options: Partial<Parameters<typeof checkTables>[1]> = {},
): Promise<ChecksReport> => checkTables(of.context, { ...store, violations: violationsOf(of), ...options })

/** All that is kept of the rows that break checks. */
const keptRows = (of: SmallPlatform, sql = 'from violations order by all'): Promise<readonly Row[]> =>
  duckdb.use(async (session) => {
    const violations = violationsOf(of)
    const scan = await violations.scan(session, await violations.snapshot())
    await session.run(`create temporary view violations as ${scan}`)
    return await session.rows(sql)
  })

const broken = ({ checks }: ChecksReport): readonly CheckedDay[] =>
  checks.filter(({ state }) => state !== 'passed')

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
    await rm(join(harmed.folder, violationsName), { recursive: true, force: true })
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
    await rm(join(harmed.folder, violationsName), { recursive: true, force: true })
    const name = 'gold/events_per_source_daily'
    const gold = harmed.context.table(name)
    const where = "event_date = date '2026-11-21' and source = 'web'"
    await duckdb.use((session) => updateRows(gold, session, { set: { event_count: '0' }, where }))

    const [found] = broken(await check(harmed, { tables: [name] }))
    const [other] = broken(
      await check(harmed, { tables: [name], days: { from: '2026-11-20', to: '2026-11-21' } }),
    )
    await duckdb.use((session) => deleteRows(gold, session, { where: "event_date = date '2026-11-21'" }))
    const gone = await check(harmed, { tables: [name] })
    const after = await check(harmed, { tables: [name] })

    const key = { event_date: '2026-11-21', source: 'web' }
    expect(found?.rows).toEqual([{ since: 'new', key }])
    expect(other).toBeUndefined()
    expect(gone.checks.filter(({ date }) => date === '2026-11-21')).toMatchObject([
      { state: 'passed', checked: 0, violations: 0, since: 'fixed', rows: [{ since: 'fixed', key }] },
    ])
    expect(after.checks.filter(({ date }) => date === '2026-11-21')).toEqual([])
  })

  it('counts each row once if two ask at the same time', async () => {
    await using harmed = await platform.copy()
    await rm(join(harmed.folder, violationsName), { recursive: true, force: true })
    const tables = ['bronze/events'] as const

    const both = await Promise.all([check(harmed, { tables }), check(harmed, { tables })])

    const [states] = [both.map((report) => broken(report).map(({ counts }) => counts.new > 0))]
    expect(states.toSorted()).toEqual([
      [false, false],
      [true, true],
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
})
