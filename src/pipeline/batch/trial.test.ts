import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { append, DeltaTable } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { checksOf } from '../model/checks.ts'
import { rowsSelect, validEvent } from '../model/rows.fixture.ts'
import { type LakeTable, lakeTableNames } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../reconcile/books.fixture.ts'
import { type TrialRequest, type Tried, tryTask } from './trial.ts'

let duckdb: DuckDb
let platform: SmallPlatform
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  platform = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
  await platform.send([
    ...someMessages(120, 1),
    ...someMessages(60, 2, '2026-11-21'),
    ...someMessages(40, 3, '2026-11-22'),
  ])
  await platform.land()
  await platform.batch({ kind: 'changed' }, ['bronze_to_silver', goldTask])
})
afterAll(async () => {
  await platform[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

const gold = 'gold/events_per_source_daily' as const
const goldTask = 'silver_to_gold_events_source'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-trial-'))
  return () => rm(folder, { recursive: true })
})

const scratch = (name: LakeTable): DeltaTable =>
  new DeltaTable({ store: openLocalStore(join(folder, name)), duckdb })

const tried = (request: TrialRequest, context = platform.context): Promise<Tried> =>
  tryTask(context, async (name) => scratch(name), request)

async function rowsOf(table: DeltaTable, where = 'true', columns = '*'): Promise<readonly Row[]> {
  return duckdb.use(async (session) => {
    const scan = await table.scan(session, await table.snapshot())
    return await session.rows(`select ${columns} from (${scan}) where ${where} order by all`)
  })
}

const versions = (): Promise<readonly number[]> =>
  Promise.all(lakeTableNames.map(async (name) => (await platform.context.table(name).snapshot()).version))

describe('tryTask(…)', () => {
  it('makes what production makes, of the days that are asked for, and leaves all of production as it is', async () => {
    const before = await versions()
    const days = ['2026-11-20', '2026-11-22']
    const silver = await tried({ task: 'bronze_to_silver', days })
    const ofGold = await tried({ task: goldTask, days })

    const where = "event_date <> date '2026-11-21'"
    for (const name of ['silver/events', 'silver/quarantine', gold] as const) {
      const made = await rowsOf(scratch(name))
      expect(made.length).toBeGreaterThan(0)
      expect(made).toEqual(await rowsOf(platform.context.table(name), where))
    }
    expect(silver.tables).toEqual(['silver/events', 'silver/quarantine'])
    expect(ofGold).toMatchObject({ tables: [gold], rowsOut: 4 })
    expect(await versions()).toEqual(before)
  })

  it('of a sample takes some users, and all of their events', async () => {
    await tried({ task: 'bronze_to_silver', sample: 0.5 })

    const perUser = 'user_id, count(*) over (partition by user_id) as events'
    const all = await rowsOf(platform.context.table('silver/events'), 'true', `distinct ${perUser}`)
    const some = await rowsOf(scratch('silver/events'), 'true', `distinct ${perUser}`)
    expect(some.length).toBeGreaterThan(0)
    expect(some.length).toBeLessThan(all.length)
    expect(all).toEqual(expect.arrayContaining([...some]))
  })

  it('of a sample takes some of the events without a user', async () => {
    const bronze = platform.context.table('bronze/events')
    const none = Array.from({ length: 40 }, (_, n) => ({
      ...validEvent,
      user_id: 'null',
      event_id: `'none-${n}'`,
    }))
    await duckdb.use((session) => append(bronze, { session, select: rowsSelect('bronze/events', none) }))

    await tried({ task: 'bronze_to_silver', sample: 0.5 })

    const some = await rowsOf(scratch('silver/quarantine'), 'user_id is null')
    expect(some.length).toBeGreaterThan(0)
    expect(some.length).toBeLessThan(40)
  })

  it('breaks where production would break a check', async () => {
    const condition = { kind: 'condition', name: 'few', sql: 'event_count < 0' } as const
    const context = {
      ...platform.context,
      checksOf: (name: LakeTable) => [
        ...checksOf(name),
        ...(name === gold ? [{ severity: 'fail', expectation: condition } as const] : []),
      ],
    }

    await expect(tried({ task: goldTask }, context)).rejects.toMatchObject({ code: 'CHECK_FAILED' })
  })

  it.each([
    [{ task: 'gold_to_clickhouse' }, 'gold_to_clickhouse: expected one of the tasks bronze_to_silver, '],
    [{ task: goldTask, sample: 0 }, 'sample: expected a share above 0 and up to 1, got 0'],
    [{ task: goldTask, sample: 2 }, 'sample: expected a share above 0 and up to 1, got 2'],
  ])('refuses %j', async (request, message) => {
    await expect(tried(request)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message),
    })
  })
})
