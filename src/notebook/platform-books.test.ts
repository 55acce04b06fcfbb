import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runRecordedBatch } from '../pipeline/batch/recorded.ts'
import { openPlatform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'
import { batchContextOf, runLandingStage, runRealtimeStage } from '../pipeline/platform/stages.ts'
import type { Lake } from './lake.ts'
import { createLake } from './platform-lake.ts'

const event = (id: string, minute: number): string =>
  JSON.stringify({
    event_id: id,
    user_id: 7,
    event_type: 'click',
    page: '/home',
    timestamp: `2026-11-20T10:${String(minute).padStart(2, '0')}:00Z`,
    source: 'web',
  })

let home: string
let lake: Lake
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-notebook-books-'))
  const platform = openPlatform(readConfig({ LAKE_HOME: home, KAFKA_PARTITIONS: '1' }))
  lake = createLake(platform)
  const log = await platform.log()
  const messages = [event('a', 0), event('b', 10), event('c', 1), event('b', 10)]
  await log.append(messages.map((value) => ({ key: Buffer.from('7'), value: Buffer.from(value) })))
  await runLandingStage(platform, { drain: true })
  await runRealtimeStage(platform, { drain: true })
  await runRecordedBatch(await batchContextOf(platform), await platform.runs(), { trigger: 'manual' })
})
afterAll(async () => {
  await lake.close()
  await rm(home, { recursive: true, force: true, maxRetries: 5 })
})

describe('the books of a notebook', () => {
  it('say whether every event is accounted for, in plain numbers', async () => {
    const { balanced, identities } = await lake.ledger()

    expect(balanced).toBe(true)
    expect(identities).toContainEqual({
      name: 'bronze = silver + duplicates + quarantine',
      table: 'silver/events',
      date: '2026-11-20',
      left: 4,
      right: 4,
    })
  })

  it('explain each difference of the layers by its messages', async () => {
    const { balanced, differences } = await lake.reconcile({ date: '2026-11-20' })

    expect(balanced).toBe(true)
    expect(differences).toMatchObject([
      { window: '2026-11-20T10:01:00Z', late: 1, rows: [{ class: 'late', offset: 2, event_id: 'c' }] },
      { window: '2026-11-20T10:10:00Z', duplicate: 1, rows: [{ class: 'duplicate', offset: 3 }] },
    ])
    expect(await lake.reconcile({ date: '2026-11-21' })).toMatchObject({ differences: [] })
  })

  it('tell where a number comes from, and the way of a message', async () => {
    expect(await lake.explain('gold/daily_active_users', '2026-11-20')).toMatchObject({
      values: [{ event_date: '2026-11-20', dau_count: 1 }],
      offsets: [{ partition: 0, from: 0, to: 3, rows: 3 }],
    })
    const { steps } = await lake.trace(0, 3)
    expect(steps.map(({ stage, state }) => `${stage}: ${state}`)).toContain(
      'silver: duplicate: an earlier delivery of the event is kept',
    )
  })

  it('refuse a day that is none, and say what one looks like', async () => {
    await expect(lake.explain('gold/daily_active_users', '2026-02-30')).rejects.toMatchObject({
      code: 'USAGE',
      message: 'date 2026-02-30: expected a UTC day such as 2026-01-31',
    })
  })
})

describe('the runs of a notebook', () => {
  it('are listed, and the newest batch is told task by task', async () => {
    const [newest] = await lake.runs({ limit: 1 })
    const run = await lake.run()

    expect(newest).toMatchObject({
      dag: 'lakehouse_batch',
      state: 'succeeded',
      trigger: 'manual',
      error: null,
    })
    expect(run).toMatchObject({ ...newest })
    expect(await lake.run(run.id)).toEqual(run)
    expect(run.attempts[0]).toMatchObject({ task: 'bronze_to_silver', attempt: 1, state: 'succeeded' })
    await expect(lake.run(99)).rejects.toThrow(/Run 99: there is no such run/)
    await expect(lake.runs({ limit: 0 })).rejects.toThrow(/limit must be a whole number from 1, got 0/)
  })

  it('have the tasks of the DAG, each after those that it waits for', async () => {
    const { tasks } = await lake.dag()
    const run = await lake.run()

    expect(tasks.map(({ task }) => task)).toEqual(run.attempts.map(({ task }) => task))
    expect(tasks.find(({ task }) => task === 'ledger')?.after).toEqual(['gold_to_clickhouse'])
  })

  it('have made tables, each from a version of the one below', async () => {
    const { tables, madeFrom } = await lake.lineage()

    const bronze = tables.find(({ table }) => table === 'bronze/events')
    expect(madeFrom).toContainEqual({
      table: 'silver/events',
      from: 'bronze/events',
      version: bronze?.version,
    })
    expect(madeFrom.filter(({ table }) => table.startsWith('bronze/'))).toEqual([])
  })
})
