import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { deleteRows, updateRows } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { lakeTableNames } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from './books.fixture.ts'
import { type CheckedDay, type ChecksReport, checkTables } from './check-tables.ts'

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

const check = (
  of: SmallPlatform = platform,
  options: Partial<Parameters<typeof checkTables>[1]> = {},
): Promise<ChecksReport> => checkTables(of.context, { ...store, ...options })

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
    for (const { rows, violations } of broken(report)) expect(rows).toHaveLength(Math.min(violations, 20))
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
    expect(found?.rows).toMatchObject([{ kafka_partition: 0, kafka_offset: 1n }])
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

  it('looks at the days alone that are asked for', async () => {
    const { checks } = await check(platform, { days: { from: '2026-11-21', to: '2026-11-22' } })

    expect(new Set(checks.map(({ date }) => date))).toEqual(new Set(['2026-11-21']))
  })
})
