/** Gold in Delta → ClickHouse: what is shown is what Delta holds, and only months that changed are loaded. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../lib/base/clock.ts'
import { silentLogger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { createDuckDbCompute } from '../../lib/compute/compute.duckdb.ts'
import { DeltaTable } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { type GoldTable, goldTableNames } from '../model/gold.ts'
import { type LakeTable, lakeTables } from '../model/tables.ts'
import { type Engines, openEngines } from './engines.fixture.ts'
import { type PublishContext, type Published, type PublishOptions, publishGold } from './publish.ts'
import { emptyServing } from './serving.fixture.ts'

let duckdb: DuckDb
let engines: Engines
let clickhouse: ClickHouse
let folder = ''
let lake: PublishContext
function lakeIn(name: string): PublishContext {
  const tables = new Map<LakeTable, DeltaTable>()
  return {
    table: (table) => {
      const found =
        tables.get(table) ?? new DeltaTable({ store: openLocalStore(join(folder, name, table)), duckdb })
      tables.set(table, found)
      return found
    },
    clickhouse,
    duckdb,
    clock: systemClock,
    logger: silentLogger,
    temporaryDirectory: join(folder, 'tmp'),
  }
}

/** Day → its figure, from which the row of each gold table follows. */
type Days = Readonly<Record<string, number>>

const selects: Readonly<Record<GoldTable, string>> = {
  daily_active_users: 'event_date, n as dau_count',
  conversion_rate_daily: 'event_date, n / 100 as conversion_rate, n as total_purchases, n as dau_count',
  events_per_source_daily: `event_date, 'web' as source, n as event_count`,
  purchases_per_page_daily: `event_date, '/cart' as page, n as purchase_count`,
}

/** Writes every gold table anew as a whole. */
async function setGold(days: Days, { table }: PublishContext = lake): Promise<void> {
  const values = Object.entries(days).map(([day, n]) => `(date '${day}', ${n})`)
  const from =
    values.length === 0
      ? '(select null::date as event_date, 0 as n where false)'
      : `(values ${values.join(', ')}) as t(event_date, n)`
  await Promise.all(
    goldTableNames.map(async (name) => {
      const target = table(`gold/${name}`)
      await target.createIfMissing(lakeTables[`gold/${name}`])
      const targetSnapshot = await target.snapshot()
      const select = `select ${selects[name]} from ${from}`
      const staged = await createDuckDbCompute(duckdb).stage({ inputs: [], select, target, targetSnapshot })
      await target.commit(targetSnapshot, {
        add: staged.files,
        remove: targetSnapshot.files,
        reads: { kind: 'table' },
        operation: { name: 'WRITE' },
      })
    }),
  )
}

async function publish(
  options: Pick<PublishOptions, 'isFull' | 'beforeLoad'> = {},
  context: PublishContext = lake,
): Promise<Published> {
  const bronze = context.table('bronze/events')
  await bronze.createIfMissing(lakeTables['bronze/events'])
  return publishGold(context, await bronze.snapshot(), { runId: 1, ...options })
}

/** What gold and serving show, where all of their tables agree. */
async function shown(): Promise<Days> {
  const measures = {
    daily_active_users: 'dau_count',
    conversion_rate_daily: 'total_purchases',
    events_per_source_daily: 'event_count',
    purchases_per_page_daily: 'purchase_count',
  }
  const all = await Promise.all(
    Object.entries(measures).flatMap(([name, measure]) =>
      ['gold', 'serving'].map(async (database) => {
        const rows = await clickhouse.query<{ d: string; n: number }>(
          `SELECT toString(event_date) AS d, ${measure} AS n FROM ${database}.${name} ORDER BY d`,
        )
        return [`${database}.${name}`, Object.fromEntries(rows.map(({ d, n }) => [d, n]))] as const
      }),
    ),
  )
  const [first] = all
  expect(Object.fromEntries(all)).toEqual(Object.fromEntries(all.map(([name]) => [name, first?.[1]])))
  return first?.[1] ?? {}
}

/** Month → rows of the newest load of one table. */
async function newestLoad(): Promise<Readonly<Record<string, number>>> {
  const rows = await clickhouse.query<{ month: number; n: number }>(
    `SELECT toYYYYMM(event_date) AS month, count() AS n FROM serving.daily_active_users_loads
     WHERE load_id = (SELECT max(load_id) FROM serving.loads) GROUP BY month ORDER BY month`,
  )
  return Object.fromEntries(rows.map(({ month, n }) => [month, n]))
}

const twoMonths: Days = { '2026-10-30': 3, '2026-10-31': 4, '2026-11-01': 5, '2026-11-02': 6 }
const tables = goldTableNames.length

const accidents = [
  'DROP TABLE serving.daily_active_users_loads SYNC',
  'DROP DATABASE serving SYNC',
  'ALTER TABLE gold.daily_active_users DROP PARTITION 202610',
]

/** @param extent `short` leaves out what takes long. */
export function describePublishing(extent: 'short' | 'whole'): void {
  const isWhole = extent === 'whole'
  beforeAll(async () => {
    engines = await openEngines()
    ;({ duckdb, clickhouse } = engines)
  })
  afterAll(() => engines[Symbol.asyncDispose]())

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lakeshore-publish-'))
    await emptyServing(clickhouse)
    lake = lakeIn('lake')
    return () => rm(folder, { recursive: true, force: true })
  })

  describe('publishGold(context, bronze, options)', () => {
    it('loads the months whose days have changed, and no other', async () => {
      await setGold(twoMonths)
      const first = await publish()
      const later = { ...twoMonths, '2026-11-02': 60, '2026-12-01': 7 }
      await setGold(later)

      const second = await publish()

      expect([first.rows, second.rows]).toEqual([4 * tables, 3 * tables])
      expect(await shown()).toEqual(later)
      expect(await newestLoad()).toEqual({ 202611: 2, 202612: 1 })
    })

    if (isWhole) {
      it('loads nothing where gold was rewritten with equal rows, and is up to its version', async () => {
        await setGold(twoMonths)
        await publish()
        await setGold(twoMonths)

        const again = await publish()

        expect(again).toMatchObject({
          kind: 'succeeded',
          rows: 0,
          versions: { 'gold/daily_active_users': 2 },
        })
        expect(await publish()).toMatchObject({ kind: 'unchanged', rows: 0 })
        expect(await shown()).toEqual(twoMonths)
      })
    }

    it('goes on showing what it showed when it is killed before the switch, and loads all again', async () => {
      await setGold(twoMonths)
      await publish()
      await setGold({ ...twoMonths, '2026-11-02': 61 })
      const killed: ClickHouse = {
        ...clickhouse,
        insert: (table, ...rest) =>
          table === 'serving.loads' ? Promise.reject(new Error('killed')) : clickhouse.insert(table, ...rest),
      }
      await expect(publish({}, { ...lake, clickhouse: killed })).rejects.toThrow('killed')
      const [row] = await clickhouse.query(
        `SELECT sum(dau_count) AS n, count() AS days FROM serving.daily_active_users`,
      )
      expect(row).toEqual({ n: 18, days: 4 })
      await setGold({ ...twoMonths, '2026-10-30': 30 })

      await publish()

      expect(await shown()).toEqual({ ...twoMonths, '2026-10-30': 30 })
    })

    it('asks before it loads, and only then: a refusal leaves all as it was', async () => {
      const asked: string[] = []
      const refuse = (): Promise<void> => Promise.reject(new Error('refused'))
      await setGold(twoMonths)
      await publish({ beforeLoad: async () => void asked.push('first') })
      await publish({ beforeLoad: async () => void asked.push('nothing new') })
      await setGold({ ...twoMonths, '2026-11-02': 61 })

      await expect(publish({ beforeLoad: refuse })).rejects.toThrow('refused')

      expect(asked).toEqual(['first'])
      expect(await shown()).toEqual(twoMonths)
    })

    if (isWhole) {
      it('shows what Delta holds where the commit that was shown is lost and another has its number', async () => {
        await setGold({ '2026-10-30': 1, '2026-11-01': 2 })
        await setGold(twoMonths)
        await publish()
        for (const name of goldTableNames)
          await rm(join(folder, 'lake/gold', name, '_delta_log', `${'2'.padStart(20, '0')}.json`))
        lake = lakeIn('lake')
        await setGold({ ...twoMonths, '2026-11-02': 63 })

        expect(await publish()).toMatchObject({ kind: 'succeeded', rows: 4 * tables })
        expect(await shown()).toEqual({ ...twoMonths, '2026-11-02': 63 })
        expect(await publish()).toMatchObject({ kind: 'unchanged' })
      })
    }

    it.each(isWhole ? accidents : accidents.slice(0, 1))('shows all again after %s', async (accident) => {
      await setGold(twoMonths)
      await publish()
      await clickhouse.command(accident)

      const again = await publish()

      expect(again.kind).toBe('succeeded')
      expect(await shown()).toEqual(twoMonths)
    })

    if (isWhole) {
      it('shows the lake that is there, also where one of the same versions and size was shown before', async () => {
        const other = lakeIn('other')
        const others = { '2026-10-30': 1, '2026-10-31': 2, '2026-11-01': 3, '2026-11-02': 4 }
        await setGold(twoMonths)
        await publish()
        await setGold(others, other)

        await publish({}, other)

        expect(await shown()).toEqual(others)
      })

      it('loads every month where the files that tell the change were vacuumed', async () => {
        await setGold(twoMonths)
        await publish()
        const table = lake.table('gold/daily_active_users')
        const [file] = (await table.snapshot()).files
        await setGold({ ...twoMonths, '2026-11-02': 62 })
        await rm(join(folder, 'lake/gold/daily_active_users', file?.path ?? ''))

        const second = await publish()

        expect(second.rows).toBe(4 + 2 * (tables - 1))
        expect(await shown()).toEqual({ ...twoMonths, '2026-11-02': 62 })
      })

      it('takes away days and months that have become empty', async () => {
        await setGold(twoMonths)
        await publish()
        await setGold({ '2026-11-01': 5 })
        await publish()
        expect(await shown()).toEqual({ '2026-11-01': 5 })

        await setGold({})
        await publish()

        expect(await shown()).toEqual({})
      })

      it('loads every month when it is asked to', async () => {
        await setGold(twoMonths)
        await publish()

        expect(await publish({ isFull: true })).toMatchObject({ kind: 'succeeded', rows: 4 * tables })
        expect(await shown()).toEqual(twoMonths)
      })

      it('keeps no rows that none of the last loads shows', async () => {
        for (let n = 1; n <= 5; n++) {
          await setGold({ ...twoMonths, '2026-11-02': n })
          await publish()
        }

        const loads = await clickhouse.query<{ id: number; months: number }>(
          'SELECT load_id AS id, uniq(toYYYYMM(event_date)) AS months FROM serving.daily_active_users_loads GROUP BY id ORDER BY id',
        )

        // The first, of which October is shown, and the last three.
        expect(loads.map(({ months }) => months)).toEqual([2, 1, 1, 1])
        expect(await shown()).toEqual({ ...twoMonths, '2026-11-02': 5 })
      })
    }
  })
}
