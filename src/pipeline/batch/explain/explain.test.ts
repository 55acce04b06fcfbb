import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../../lib/clickhouse/clickhouse.ts'
import { MemoryRecorder } from '../../../lib/dag/recorder.memory.ts'
import { type DuckDb, openDuckDb } from '../../../lib/duckdb/duckdb.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../../reconcile/books.fixture.ts'
import { type BatchContext, runBatch } from '../batch.ts'
import type { DayReason, Scope } from '../days.ts'
import { declaredSelect, tablesMade } from '../tasks.ts'
import { planBatch } from './explain.ts'

const makingTasks = [...tablesMade.keys()]
const tables = [...tablesMade.values()].flat()

let duckdb: DuckDb
let made: SmallPlatform
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  // No test of this file loads anything.
  made = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
  for (const day of ['2026-11-20', '2026-11-21', '2026-11-22']) await made.send(someMessages(40, 1, day))
  await made.land()
  await made.batch({ kind: 'changed' }, makingTasks)
})
afterAll(async () => {
  await made[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

let platform: SmallPlatform
beforeEach(async () => {
  platform = await made.copy()
  return () => platform[Symbol.asyncDispose]()
})

type Reasons = Readonly<Record<string, Readonly<Record<string, DayReason>>>>

/** Table → day → why it would be made; tables of which no day would be are left out. */
async function reasons(context: BatchContext, scope?: Scope, tasks?: readonly string[]): Promise<Reasons> {
  const plan = await planBatch(context, { ...(scope && { scope }), ...(tasks && { tasks }) })
  const found = plan.tasks.flatMap((task) => task.tables).filter(({ days }) => days.length > 0)
  return Object.fromEntries(
    found.map(({ table, days }) => [table, Object.fromEntries(days.map(({ day, reason }) => [day, reason]))]),
  )
}

const ofEachTable = (days: Readonly<Record<string, DayReason>>): Reasons =>
  Object.fromEntries(tables.map((table) => [table, days]))

/** As the code of a later release: one of the metrics is counted otherwise. */
const withCode = (context: BatchContext, of: string, change: (select: string) => string): BatchContext => ({
  ...context,
  selectOf: (table) => (table === of ? change(declaredSelect(table)) : declaredSelect(table)),
})

const doubled = (select: string): string => `SELECT event_date, dau_count * 2 AS dau_count FROM (${select})`

/** @returns the days that each task has made. */
async function batch(context: BatchContext, scope: Scope = { kind: 'changed' }): Promise<object> {
  const { nodes } = await runBatch(context, { scope, tasks: makingTasks, recorder: new MemoryRecorder() })
  for (const node of nodes) if (node.kind === 'failed') throw node.error
  return Object.fromEntries(
    nodes.flatMap(({ node, kind, details }) => (kind === 'succeeded' ? [[node, details]] : [])),
  )
}

const rows = async (context: BatchContext, name: (typeof tables)[number]): Promise<readonly Row[]> =>
  duckdb.use(async (session) => {
    const scan = await context.table(name).scan(session, await context.table(name).snapshot())
    return session.rows(`select * from (${scan}) order by all`)
  })

const allRows = (context: BatchContext): Promise<readonly (readonly Row[])[]> =>
  Promise.all(tables.map((table) => rows(context, table)))

describe('planBatch(context, options)', () => {
  it('says that nothing is to be made where nothing has changed', async () => {
    const { days, tasks, lines } = await planBatch(platform.context)

    expect(days).toEqual([])
    expect(tasks.map(({ kind }) => kind)).not.toContain('skip')
    expect(lines.at(-1)).toMatch(/^bronze\/events at version \d+: no day has changed$/)
  })

  it('tells a late event from new data, in every table that they reach', async () => {
    await platform.send(someMessages(10, 2, '2026-11-21'))
    await platform.send(someMessages(10, 2, '2026-11-23'))
    await platform.land()

    expect(await reasons(platform.context)).toEqual(
      ofEachTable({ '2026-11-21': 'late-event', '2026-11-23': 'new-data' }),
    )
  })

  it('gives the days of a range as asked for, unless they have changed', async () => {
    await platform.send(someMessages(10, 2, '2026-11-21'))
    await platform.land()

    expect(await reasons(platform.context, { kind: 'range', from: '2026-11-20', to: '2026-11-22' })).toEqual(
      ofEachTable({ '2026-11-20': 'asked', '2026-11-21': 'late-event' }),
    )
  })

  it('leaves out what tasks that do not run would make', async () => {
    const scope = { kind: 'range', from: '2026-11-20', to: '2026-11-21' } as const

    expect(await reasons(platform.context, scope, ['silver_to_gold_dau'])).toEqual({
      'gold/daily_active_users': { '2026-11-20': 'asked' },
    })
  })

  it('says before the first run that nothing is made yet, and changes nothing', async () => {
    await using fresh = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
    expect((await planBatch(fresh.context)).lines).toEqual([
      'bronze/events is not there yet: nothing to make',
    ])
    await fresh.send(someMessages(10, 1))
    await fresh.land()

    expect(await reasons(fresh.context)).toEqual(ofEachTable({ '2026-11-20': 'not-made-yet' }))
    expect(await fresh.context.table('silver/events').exists()).toBe(false)
  })

  it('makes a plan that the batch then keeps to', async () => {
    await platform.send(someMessages(10, 2, '2026-11-21'))
    await platform.land()
    const { days } = await planBatch(platform.context)

    const byTask = await batch(platform.context)

    expect(Object.values(byTask)).toEqual(makingTasks.map(() => ({ days })))
  })
})

describe('a metric whose SQL has changed', () => {
  it('is made again for every day, and no other table is', async () => {
    const changed = withCode(platform.context, 'gold/daily_active_users', doubled)
    const before = await rows(changed, 'gold/daily_active_users')
    const days = ['2026-11-20', '2026-11-21', '2026-11-22']

    expect(await reasons(changed)).toEqual({
      'gold/daily_active_users': Object.fromEntries(days.map((day) => [day, 'code-changed'])),
    })
    expect(await batch(changed)).toEqual({ silver_to_gold_dau: { days } })
    expect(await rows(changed, 'gold/daily_active_users')).toEqual(
      before.map((row) => ({ ...row, dau_count: BigInt(String(row['dau_count'])) * 2n })),
    )
    expect(await batch(changed)).toEqual({})
  })

  it('gives incrementally the rows of a full rebuild, whatever part of the days was made before', async () => {
    const changed = withCode(platform.context, 'silver/events', (select) => `${select} AND user_id <> 3`)
    await batch(changed, { kind: 'days', days: ['2026-11-21'] })
    await platform.send(someMessages(10, 2, '2026-11-23'))
    await platform.land()

    await batch(changed)
    const incremental = await allRows(changed)

    await batch(changed, { kind: 'full' })
    expect(await allRows(changed)).toEqual(incremental)
    expect(await reasons(changed)).toEqual({})
  })

  it('has each day made once, in parts, also beside new data and in the wrong order', async () => {
    const changed = withCode(platform.context, 'gold/daily_active_users', doubled)
    const stale = async (): Promise<readonly string[]> =>
      Object.keys((await reasons(changed))['gold/daily_active_users'] ?? {})

    await batch(changed, { kind: 'days', days: ['2026-11-22'] })
    expect(await stale()).toEqual(['2026-11-20', '2026-11-21'])
    await batch(changed, { kind: 'days', days: ['2026-11-20'] })
    expect(await stale()).toEqual(['2026-11-21'])
    await batch(changed, { kind: 'days', days: ['2026-11-21'] })
    expect(await stale()).toEqual([])
    expect(await reasons(platform.context)).toEqual({
      'gold/daily_active_users': {
        '2026-11-20': 'code-changed',
        '2026-11-21': 'code-changed',
        '2026-11-22': 'code-changed',
      },
    })
  })
})

describe('a gold table that is declared later', () => {
  it('is made for all days by the next run, and nothing else is', async () => {
    const name = 'gold/purchases_per_page_daily' as const
    const before = await rows(platform.context, name)
    await using later = await platform.copy()
    await later.context.table(name).store.delete(await filesIn(later, name))
    const days = ['2026-11-20', '2026-11-21', '2026-11-22']
    expect(await reasons(later.context)).toEqual({
      [name]: Object.fromEntries(days.map((day) => [day, 'not-made-yet'])),
    })

    expect(await batch(later.context)).toEqual({ silver_to_gold_purchases_page: { days } })

    expect(await rows(later.context, name)).toEqual(before)
  })
})

async function filesIn(
  { context }: SmallPlatform,
  name: (typeof tables)[number],
): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of context.table(name).store.list('')) keys.push(key)
  return keys
}
