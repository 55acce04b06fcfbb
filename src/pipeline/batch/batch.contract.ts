import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { createDuckDbCompute } from '../../lib/compute/compute.duckdb.ts'
import type { NodeOutcome } from '../../lib/dag/node.ts'
import { MemoryRecorder } from '../../lib/dag/recorder.memory.ts'
import { addColumns, DeltaTable } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { createMemoryEventLog, type MemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { land } from '../landing/landing.ts'
import { goldMetrics } from '../model/gold.ts'
import { type LakeTable, lakeTableNames } from '../model/tables.ts'
import { type Engines, openEngines } from '../serving/engines.fixture.ts'
import { emptyServing } from '../serving/serving.fixture.ts'
import { type BatchContext, runBatch } from './batch.ts'
import type { Scope } from './days.ts'
import { planBatch } from './explain/explain.ts'

let duckdb: DuckDb
let engines: Engines
let clickhouse: ClickHouse
let made = ''
beforeAll(async () => {
  engines = await openEngines()
  ;({ duckdb, clickhouse } = engines)
  made = await mkdtemp(join(tmpdir(), 'lakeshore-batch-made-'))
  log = openLog()
  context = contextIn(made)
  await landed(...events)
  await batchDelta()
})
afterAll(async () => {
  await rm(made, { recursive: true, force: true })
  await engines[Symbol.asyncDispose]()
})

let folder = ''
let log: MemoryEventLog
let context: BatchContext
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-batch-'))
  log = openLog()
  await emptyServing(clickhouse)
  context = contextIn(folder)
  return () => rm(folder, { recursive: true, force: true })
})

/** Messages that are sent again have the offsets and the times that they had. */
const openLog = (): MemoryEventLog =>
  createMemoryEventLog({ topic: 'user-events', clock: new ManualClock(Date.parse('2026-11-24T00:00:00Z')) })

/** Goes on in a copy of the lake that was made of `events`; nothing of it is in ClickHouse. */
async function copyMade(): Promise<void> {
  await cp(made, folder, { recursive: true, preserveTimestamps: true })
  await send(...events)
}

function contextIn(root: string): BatchContext {
  const tables = new Map<LakeTable, DeltaTable>()
  return {
    table: (name) => {
      const table = tables.get(name) ?? new DeltaTable({ store: openLocalStore(join(root, name)), duckdb })
      tables.set(name, table)
      return table
    },
    duckdb,
    compute: createDuckDbCompute(duckdb),
    clickhouse: async () => clickhouse,
    temporaryDirectory: tmpdir(),
    logger: silentLogger,
  }
}

interface Sent {
  readonly id: string
  readonly user?: number
  readonly type?: string
  readonly page?: string
  readonly at?: string
  readonly source?: string
}

async function send(...sent: readonly Sent[]): Promise<void> {
  await log.append(
    sent.map(
      ({ id, user = 1, type = 'click', page = '/home', at = '2026-11-20T10:00:00Z', source = 'web' }) => ({
        key: Buffer.from(String(user)),
        value: Buffer.from(
          JSON.stringify({ event_id: id, user_id: user, event_type: type, page, timestamp: at, source }),
        ),
      }),
    ),
  )
}

async function landed(...sent: readonly Sent[]): Promise<void> {
  await send(...sent)
  const tables = { events: context.table('bronze/events'), rejected: context.table('bronze/rejected') }
  await land({ log, tables, duckdb, triggerMs: 1_000, maxRows: 10_000, drain: true })
}

async function nodes(
  scope: Scope = { kind: 'changed' },
  tasks?: readonly string[],
): Promise<Readonly<Record<string, NodeOutcome>>> {
  const outcome = await runBatch(context, { scope, recorder: new MemoryRecorder(), ...(tasks && { tasks }) })
  for (const node of outcome.nodes) if (node.kind === 'failed') throw node.error
  return Object.fromEntries(outcome.nodes.map((node) => [node.node, node]))
}

async function batch(scope?: Scope, tasks?: readonly string[]): Promise<Record<string, string>> {
  return Object.fromEntries(Object.entries(await nodes(scope, tasks)).map(([node, { kind }]) => [node, kind]))
}

/** Makes silver and gold, and loads nothing into ClickHouse. */
const batchDelta = (scope?: Scope): Promise<Record<string, string>> =>
  batch(scope, ['bronze_to_silver', ...goldMetrics.map(({ task }) => task)])

async function rows(name: LakeTable, columns = '*', of: BatchContext = context): Promise<readonly Row[]> {
  const table = of.table(name)
  return duckdb.use(async (session) => {
    const scan = await table.scan(session, await table.snapshot())
    return await session.rows(`select ${columns} from (${scan}) order by all`)
  })
}

const versions = async (): Promise<Record<string, number>> =>
  Object.fromEntries(
    await Promise.all(
      lakeTableNames.map(async (name) => [name, (await context.table(name).snapshot()).version] as const),
    ),
  )

/** As a restore from an older backup does it. Tables are opened again, as by the next process. */
async function loseNewestCommit(name: LakeTable): Promise<void> {
  const { version } = await context.table(name).snapshot()
  await rm(join(folder, name, '_delta_log', `${String(version).padStart(20, '0')}.json`))
  context = contextIn(folder)
}

const events: readonly Sent[] = [
  { id: 'a', user: 1, type: 'login' },
  { id: 'b', user: 1, type: 'purchase', page: '/cart' },
  { id: 'b', user: 1, type: 'purchase', page: '/cart' },
  { id: 'c', user: 2, source: 'mobile' },
  { id: 'd', user: -3 },
  { id: 'e', user: 4, type: 'fly' },
  { id: 'f', user: 5, type: 'purchase', page: '/cart', at: '2026-11-21T23:59:59.999999Z' },
  { id: 'g', user: 6, at: '1969-12-31T23:59:59Z' },
]

/** @param extent `short` leaves out what repeats a promise in rarer cases. */
export function describeBatch(extent: 'short' | 'whole'): void {
  describe('runBatch(context, options)', () => {
    it('makes silver of the first valid delivery of each event, gold of silver, and shows them in ClickHouse', async () => {
      await landed(...events)

      await batch()

      expect(await rows('silver/events', 'event_id')).toEqual([
        { event_id: 'a' },
        { event_id: 'b' },
        { event_id: 'c' },
        { event_id: 'f' },
      ])
      expect(await rows('silver/quarantine', 'event_id, reasons')).toEqual([
        { event_id: 'd', reasons: ['user_id_not_positive'] },
        { event_id: 'e', reasons: ['event_type_unknown'] },
        { event_id: 'g', reasons: ['timestamp_before_1970'] },
      ])
      expect(await rows('gold/conversion_rate_daily')).toEqual([
        { event_date: '2026-11-20', conversion_rate: 0.5, total_purchases: 1n, dau_count: 2n },
        { event_date: '2026-11-21', conversion_rate: 1, total_purchases: 1n, dau_count: 1n },
      ])
      expect(await rows('gold/purchases_per_page_daily')).toEqual([
        { event_date: '2026-11-20', page: '/cart', purchase_count: 1n },
        { event_date: '2026-11-21', page: '/cart', purchase_count: 1n },
      ])
      expect(await rows('gold/events_per_source_daily')).toEqual([
        { event_date: '2026-11-20', source: 'mobile', event_count: 1n },
        { event_date: '2026-11-20', source: 'web', event_count: 2n },
        { event_date: '2026-11-21', source: 'web', event_count: 1n },
      ])

      const inGold = await clickhouse.query(
        'SELECT toString(event_date) AS event_date, conversion_rate, total_purchases, dau_count FROM gold.conversion_rate_daily ORDER BY event_date',
      )
      const inServing = await clickhouse.query(
        'SELECT toString(event_date) AS event_date, event_count, provisional FROM serving.events_per_day ORDER BY event_date',
      )

      expect(inGold).toEqual([
        { event_date: '2026-11-20', conversion_rate: 0.5, total_purchases: 1, dau_count: 2 },
        { event_date: '2026-11-21', conversion_rate: 1, total_purchases: 1, dau_count: 1 },
      ])
      expect(inServing).toEqual([
        { event_date: '2026-11-20', event_count: 3, provisional: false },
        { event_date: '2026-11-21', event_count: 1, provisional: false },
      ])
    })

    it('makes again the day of a late event, and no other, and then nothing', async () => {
      const files = async (): Promise<readonly string[]> =>
        (await context.table('silver/events').snapshot()).files
          .filter(({ partitionValues }) => partitionValues['event_date'] === '2026-11-20')
          .map(({ path }) => path)
      const goldVersions = async (): Promise<object> =>
        Object.fromEntries(Object.entries(await versions()).filter(([name]) => name.startsWith('gold/')))
      await landed(...events)
      const { gold_to_clickhouse: first } = await nodes()
      const before = await files()
      await landed({ id: 'late', user: 9, page: '/late', type: 'purchase', at: '2026-11-21T01:00:00Z' })
      expect((await planBatch(context)).lines.at(-1)).toMatch(/1 day to make: 2026-11-21/)

      const made = await nodes()

      expect(await files()).toEqual(before)
      expect(await rows('gold/daily_active_users')).toEqual([
        { event_date: '2026-11-20', dau_count: 2n },
        { event_date: '2026-11-21', dau_count: 2n },
      ])
      // Rows that the task has made, not those of other days that share a file with them.
      expect(Object.entries(made).map(([node, { rowsIn, rowsOut }]) => [node, rowsIn, rowsOut])).toEqual([
        ['bronze_to_silver', 2, 2],
        ['silver_to_gold_dau', 2, 1],
        ['silver_to_gold_conversion', 2, 1],
        ['silver_to_gold_events_source', 2, 1],
        ['silver_to_gold_purchases_page', 2, 2],
        ['gold_to_clickhouse', 10, 10],
      ])
      const second = made['gold_to_clickhouse']
      expect(first).toMatchObject({ versionsBefore: {} })
      expect(second).toMatchObject({
        versionsBefore: first?.versionsAfter,
        versionsAfter: await goldVersions(),
      })
      expect(second?.versionsBefore).not.toEqual(second?.versionsAfter)

      const [settled, all] = [await versions(), await nodes()]

      expect(new Set(Object.values(all).map(({ kind }) => kind))).toEqual(new Set(['unchanged']))
      expect(await versions()).toEqual(settled)
      expect(all['gold_to_clickhouse']).toMatchObject({
        versionsBefore: await goldVersions(),
        versionsAfter: await goldVersions(),
      })
    })

    it('gives day by day what a full rebuild gives', async () => {
      for (const [from, to] of [
        [0, 2],
        [2, 6],
        [6, events.length],
      ]) {
        await landed(...events.slice(from, to))
        await batchDelta()
      }
      const names = lakeTableNames.filter((name) => !name.startsWith('bronze'))
      const incremental = await Promise.all(names.map((name) => rows(name)))

      await batchDelta({ kind: 'full' })

      expect(await Promise.all(names.map((name) => rows(name)))).toEqual(incremental)
    })

    it('takes a day away that has become empty, in Delta and in ClickHouse', async () => {
      await landed(...events)
      await batch()
      const bronze = context.table('bronze/events')
      const snapshot = await bronze.snapshot()
      const gone = snapshot.files.filter(
        ({ partitionValues }) => partitionValues['event_date'] === '2026-11-21',
      )
      await bronze.commit(snapshot, { remove: gone, reads: { kind: 'table' }, operation: { name: 'DELETE' } })

      await batch()

      expect(await rows('gold/daily_active_users')).toEqual([{ event_date: '2026-11-20', dau_count: 2n }])
      expect(
        await clickhouse.query('SELECT toString(event_date) AS d FROM gold.daily_active_users ORDER BY d'),
      ).toEqual([{ d: '2026-11-20' }])
      expect(
        await clickhouse.query('SELECT toString(event_date) AS d FROM serving.daily_active_users'),
      ).toEqual([{ d: '2026-11-20' }])
    })

    it('says before the first run which days it would make', async () => {
      await landed(...events)
      const lastOf = async (scope: Scope): Promise<string | undefined> =>
        (await planBatch(context, { scope })).lines.at(-1)

      expect(await lastOf({ kind: 'changed' })).toMatch(/3 days to make: 1969-12-31, 2026-11-20, 2026-11-21$/)
      expect(await lastOf({ kind: 'range', from: '2026-11-21', to: '2026-11-22' })).toMatch(
        /1 day to make: 2026-11-21$/,
      )
      expect(await context.table('silver/events').exists()).toBe(false)
    })

    if (extent === 'whole') {
      it('makes everything again where bronze was re-created, however few commits it has', async () => {
        await copyMade()
        await rm(join(folder, 'bronze'), { recursive: true })
        log = createMemoryEventLog({ topic: 'user-events', clusterId: 'another' })
        context = contextIn(folder)
        await landed({ id: 'new', user: 77, at: '2026-11-22T10:00:00Z' })

        expect(await batchDelta()).toMatchObject({
          bronze_to_silver: 'succeeded',
          silver_to_gold_dau: 'succeeded',
        })

        expect(await rows('silver/events', 'event_id')).toEqual([{ event_id: 'new' }])
        expect(await rows('gold/daily_active_users')).toEqual([{ event_date: '2026-11-22', dau_count: 1n }])
        expect(await batchDelta({ kind: 'full' })).toMatchObject({ bronze_to_silver: 'succeeded' })
      })
    }

    if (extent === 'whole') {
      it('makes everything again where the newest commit of bronze was lost and another has its number', async () => {
        await landed(...events)
        await landed({ id: 'lost', user: 9, at: '2026-11-22T10:00:00Z' })
        await batchDelta()
        await loseNewestCommit('bronze/events')
        await landed({ id: 'other', user: 8, at: '2026-11-23T10:00:00Z' })

        expect(await batchDelta()).toMatchObject({
          bronze_to_silver: 'succeeded',
          silver_to_gold_dau: 'succeeded',
        })

        const days = ['2026-11-20', '2026-11-21', '2026-11-22', '2026-11-23'].map((d) => ({ d }))
        expect(await rows('silver/events', 'distinct cast(event_date as varchar) as d')).toEqual(days)
        expect(await rows('gold/daily_active_users', 'cast(event_date as varchar) as d')).toEqual(days)
        expect(await batchDelta()).toMatchObject({
          bronze_to_silver: 'unchanged',
          silver_to_gold_dau: 'unchanged',
        })
      })
    }

    if (extent === 'whole') {
      it('takes away what came of the newest commit of bronze where that was lost', async () => {
        await copyMade()
        const before = await rows('silver/events')
        await landed({ id: 'lost', user: 9, at: '2026-11-22T10:00:00Z' })
        await batchDelta()
        await loseNewestCommit('bronze/events')

        expect(await batchDelta()).toMatchObject({ bronze_to_silver: 'succeeded' })

        expect(await rows('silver/events')).toEqual(before)
        expect(await batchDelta()).toMatchObject({ bronze_to_silver: 'unchanged' })
      })
    }

    if (extent === 'whole') {
      it('makes every day again after a commit that does not say of which day its files were', async () => {
        await copyMade()
        const { version: read, files } = await context.table('bronze/events').snapshot()
        const gone = files.filter(({ partitionValues }) => partitionValues['event_date'] === '2026-11-21')
        // The protocol lets a writer leave out the partition values of what it removes.
        const actions = gone.map(({ path }) => ({ remove: { path, deletionTimestamp: 1, dataChange: true } }))
        await openLocalStore(join(folder, 'bronze/events')).putIfAbsent(
          `_delta_log/${String(read + 1).padStart(20, '0')}.json`,
          Buffer.from(actions.map((action) => JSON.stringify(action)).join('\n')),
        )

        await batchDelta()

        expect(await rows('gold/daily_active_users')).toEqual([{ event_date: '2026-11-20', dau_count: 2n }])
      })
    }

    it.each([
      'silver/events',
      'silver/quarantine',
      'gold/daily_active_users',
    ] as const)('makes again what another hand has changed in %s, and then nothing', async (name) => {
      await copyMade()
      const before = await rows(name)
      const table = context.table(name)
      const snapshot = await table.snapshot()
      const taken = snapshot.files.slice(0, 1)
      await table.commit(snapshot, { remove: taken, reads: { kind: 'table' }, operation: { name: 'DELETE' } })
      expect(await rows(name)).not.toEqual(before)

      await batchDelta()

      expect(await rows(name)).toEqual(before)
      expect(await rows('gold/daily_active_users')).toEqual([
        { event_date: '2026-11-20', dau_count: 2n },
        { event_date: '2026-11-21', dau_count: 1n },
      ])
      const made = await versions()
      await batchDelta()
      expect(await versions()).toEqual(made)
    })

    it.each([
      'silver/events',
      'gold/daily_active_users',
    ] as const)('makes %s whole again where a file of it is gone, when asked for everything', async (name) => {
      await copyMade()
      const before = await rows(name)
      for (const { path } of (await context.table(name).snapshot()).files)
        await rm(join(folder, name, decodeURIComponent(path)))

      await batchDelta({ kind: 'full' })

      expect(await rows(name)).toEqual(before)
    })

    if (extent === 'whole') {
      it('knows its own hand where only some days were made', async () => {
        await copyMade()
        await batchDelta({ kind: 'range', from: '2026-11-21', to: '2026-11-22' })

        expect(await batchDelta()).toMatchObject({ bronze_to_silver: 'unchanged' })
      })
    }

    if (extent === 'whole') {
      it('leaves a column empty that somebody has added to a table', async () => {
        await copyMade()
        for (const name of ['bronze/events', 'silver/events', 'gold/daily_active_users'] as const)
          await addColumns(context.table(name), [{ path: 'note', type: 'string' }])

        await landed({ id: 'h', user: 8 })
        await batchDelta()

        expect(await rows('silver/events', 'event_id, note')).toContainEqual({ event_id: 'h', note: null })
        expect(await rows('gold/daily_active_users')).toContainEqual({
          event_date: '2026-11-20',
          dau_count: 3n,
          note: null,
        })
      })
    }

    it('has all tables, be they empty, once landing and batch have run', async () => {
      await landed()
      await batch()

      expect(await Promise.all(lakeTableNames.map((name) => rows(name)))).toEqual(
        lakeTableNames.map(() => []),
      )
    })

    it('stops at a task that fails, and goes on from there when run again', async () => {
      await landed(...events)
      const down: BatchContext = {
        ...context,
        clickhouse: () => Promise.reject(new LakeError('CLICKHOUSE_UNAVAILABLE', 'nobody answers')),
      }

      const failed = await runBatch(down, { recorder: new MemoryRecorder() })

      expect(failed.kind).toBe('failed')
      expect(failed.nodes.at(-1)).toMatchObject({ node: 'gold_to_clickhouse', kind: 'failed' })
      expect(await batch()).toMatchObject({
        silver_to_gold_dau: 'unchanged',
        gold_to_clickhouse: 'succeeded',
      })
    })
  })
}
