import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addConstraint, dropConstraint } from '../../lib/delta/index.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { runRecordedBatch } from '../batch/recorded.ts'
import { openPlatform, type Platform } from '../platform/compose.ts'
import { readConfig } from '../platform/config.ts'
import { batchContextOf, runLandingStage } from '../platform/stages.ts'
import { someMessages } from '../reconcile/books.fixture.ts'
import { createLakeViews } from './lake-views.ts'

let home = ''
let platform: Platform
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-released-'))
  platform = openPlatform(readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1' }))
  platform.endClickHouseAtClose()
})
afterAll(async () => {
  await platform[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

async function land(seed: number, count = 60): Promise<void> {
  const messages = someMessages(count, seed).map((message) => ({
    key: null,
    value: message === null ? null : Buffer.from(message),
  }))
  await (await platform.log()).append(messages)
  await runLandingStage(platform, { drain: true })
}

async function batch(): Promise<string> {
  const context = await batchContextOf(platform)
  return (await runRecordedBatch(context, await platform.runs(), { trigger: 'manual' })).kind
}

async function query(sql: string, release?: number): Promise<Row> {
  return (await platform.duckdb()).use(async (session) => {
    await createLakeViews(session, platform, sql, { release })
    return await session.row(sql)
  })
}

/** Days are one: the sums of three tables, which tell their versions. */
const sums = `select
  (select sum(event_count) from gold.events_per_source_daily) as events,
  (select sum(purchase_count) from gold.purchases_per_page_daily) as purchases,
  (select count(*) from silver.events) as silver,
  (select count(*) from bronze.events) as bronze`

const shown = async (): Promise<unknown> =>
  (
    await (
      await platform.clickhouse()
    ).query('SELECT sum(event_count) AS events FROM serving.events_per_source_daily')
  )[0]

describe('createLakeViews(session, platform, sql, options)', () => {
  it('shows the tables of one release, and nothing of a run that failed half way', async () => {
    const { releases } = await platform.runs()
    await land(1)
    expect(await batch()).toBe('succeeded')
    const first = await query(sums)
    const firstShown = await shown()
    expect((await releases.list()).map(({ id }) => id)).toEqual([1])

    const purchases = await platform.table('gold/purchases_per_page_daily')
    await addConstraint(purchases, 'few', `purchase_count <= ${Number(first['purchases'])}`)
    await land(2, 360)
    expect(await batch()).toBe('failed')

    const { bronze, ...made } = await query(sums)
    expect(made).toEqual({ events: first['events'], purchases: first['purchases'], silver: first['silver'] })
    expect(Number(bronze)).toBeGreaterThan(Number(first['bronze']))
    expect(await shown()).toEqual(firstShown)
    expect(await releases.list()).toHaveLength(1)
    const newest = await (await platform.table('gold/events_per_source_daily')).snapshot()
    expect(newest.version).toBeGreaterThan(
      (await releases.show(1)).tables['gold/events_per_source_daily']?.version ?? 0,
    )

    await dropConstraint(purchases, 'few')
    expect(await batch()).toBe('succeeded')
    const second = await query(sums)
    expect(Number(second['silver'])).toBeGreaterThan(Number(first['silver']))
    expect(second['events']).toBe(second['silver'])
    expect((await releases.list()).map(({ id }) => id)).toEqual([2, 1])
    expect(await query(sums, 1)).toEqual(first)
    expect(await query(sums, 2)).toEqual(second)
  })

  it('makes no release of a run that has changed nothing', async () => {
    const { releases } = await platform.runs()
    const before = await releases.list()

    expect(await batch()).toBe('unchanged')

    expect(await releases.list()).toEqual(before)
  })

  it('refuses a release that is not there', async () => {
    await expect(query(sums, 99)).rejects.toMatchObject({ code: 'RELEASE_MISSING' })
  })
})
