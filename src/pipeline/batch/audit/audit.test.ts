import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../lib/base/clock.ts'
import { messageOf } from '../../../lib/base/errors.ts'
import { silentLogger } from '../../../lib/base/log.ts'
import type { Compute } from '../../../lib/compute/compute.ts'
import { deleteRows } from '../../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../../lib/duckdb/duckdb.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import type { Expectation } from '../../../lib/quality/expectation.ts'
import type { RunStore } from '../../../lib/runs/run-store.ts'
import { checksOf, type TableCheck } from '../../model/checks.ts'
import { goldMetrics } from '../../model/gold.ts'
import type { LakeTable } from '../../model/tables.ts'
import { type SmallPlatform, someMessages } from '../../reconcile/books.fixture.ts'
import type { BatchContext } from '../batch.ts'
import { runRecordedBatch } from '../recorded.ts'
import { openAuditedPlatform } from './audited-platform.fixture.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

let platform: SmallPlatform
let store: RunStore
beforeEach(async () => {
  const opened = await openAuditedPlatform(duckdb)
  ;({ platform, store } = opened)
  return () => opened[Symbol.asyncDispose]()
})

/** Nothing is loaded into ClickHouse. */
const tasks = ['bronze_to_silver', 'silver_to_gold_dau', 'silver_to_gold_events_source']

/** Runs with further checks of one table. @returns how each task ended: in one word, or by its error. */
async function batch(
  table: LakeTable,
  further: readonly TableCheck[],
  parts: Partial<BatchContext> = {},
): Promise<Readonly<Record<string, string>>> {
  const context = {
    ...platform.context,
    checksOf: (name: LakeTable) => [...checksOf(name), ...(name === table ? further : [])],
    clock: new ManualClock(Date.parse('2026-11-22T01:00:00Z')),
    ...parts,
  }
  const { nodes } = await runRecordedBatch(context, store, { trigger: 'manual', tasks })
  const ran = nodes.filter(({ node }) => tasks.includes(node))
  return Object.fromEntries(
    ran.map((node) => [node.node, node.kind === 'failed' ? messageOf(node.error) : node.kind]),
  )
}

async function rows(name: LakeTable): Promise<readonly Row[]> {
  const table = platform.context.table(name)
  return duckdb.use(async (session) => {
    return await session.rows(`from (${await table.scan(session, await table.snapshot())}) order by all`)
  })
}

const condition = (sql: string): Expectation => ({ kind: 'condition', name: sql, sql })
const fail = (expectation: Expectation): TableCheck => ({ severity: 'fail', expectation })

describe('a check of severity fail', () => {
  it('holds up the tables that it names, as long as the rows are there, and no other', async () => {
    const check = {
      ...fail(condition('user_id < 9')),
      blocks: ['gold/daily_active_users'] as const,
    }
    const ask = (): ReturnType<typeof batch> => batch('silver/events', [check])

    const first = await ask()
    const second = await ask()
    const third = await batch('silver/events', [])

    expect(first).toEqual({
      bronze_to_silver: 'succeeded',
      silver_to_gold_dau: expect.stringMatching(
        /^gold\/daily_active_users is not made from silver\/events: 2026-11-20: expected user_id < 9, \d+ rows break it \(\d\/\d+/,
      ),
      silver_to_gold_events_source: 'succeeded',
    })
    expect(await store.candidates.list()).toEqual([])
    expect(second).toEqual({
      bronze_to_silver: 'unchanged',
      silver_to_gold_dau: first['silver_to_gold_dau'],
      silver_to_gold_events_source: 'unchanged',
    })
    expect(third['silver_to_gold_dau']).toBe('succeeded')
  })

  it('holds up nothing if it names no table', async () => {
    const check = { ...fail(condition('false')), blocks: [] }

    expect(Object.values(await batch('silver/events', [check]))).toEqual(tasks.map(() => 'succeeded'))
  })

  it('is asked of the days that a run makes, not of those that only share a file with them', async () => {
    const name = 'gold/events_per_source_daily'
    await batch(name, [])
    const before = await rows(name)
    await platform.send(someMessages(30, 3, '2026-11-21'))
    await platform.land()

    const ended = await batch(name, [fail(condition(`event_date <> date '2026-11-20'`))])

    expect(ended['silver_to_gold_events_source']).toBe('succeeded')
    expect(await rows(name)).not.toEqual(before)
    expect((await rows(name)).filter(({ event_date: day }) => day === '2026-11-20')).toEqual(
      before.filter(({ event_date: day }) => day === '2026-11-20'),
    )
  })

  it('compares with the input at the version that rows are made from', async () => {
    const silver = platform.context.table('silver/events')
    const { compute } = platform.context
    let isHarmed = false
    const stage: Compute['stage'] = async (request, options) => {
      if (!isHarmed && request.target.uri.endsWith('gold/events_per_source_daily')) {
        isHarmed = true
        await duckdb.use((session) =>
          deleteRows(silver, session, { where: "event_date = date '2026-11-21'" }),
        )
      }
      return compute.stage(request, options)
    }

    const ended = await batch('silver/events', [], { compute: { ...compute, stage } })

    expect(isHarmed).toBe(true)
    expect(ended['silver_to_gold_events_source']).toBe('succeeded')
    expect(await rows('gold/events_per_source_daily')).toHaveLength(4)
  })

  it('compares with another table as it is', async () => {
    const name = 'gold/events_per_source_daily'
    const to = (relation: string): TableCheck =>
      fail({ kind: 'references', columns: ['event_date'], relation })

    const ended = await batch(name, [to('silver_events'), to('gold_purchases_per_page_daily')])

    expect(ended['silver_to_gold_events_source']).toBe(
      `${name}: 2026-11-20: expected event_date is in gold_purchases_per_page_daily, 2 rows break it (2026-11-20/mobile, 2026-11-20/web); ` +
        '2026-11-21: expected event_date is in gold_purchases_per_page_daily, 2 rows break it (2026-11-21/mobile, 2026-11-21/web)',
    )
  })

  it('compares the number of rows with what was kept, and warns if it cannot decide', async () => {
    const warnings: unknown[] = []
    const logger = {
      ...silentLogger,
      warn: (details: object, message: string) => void warnings.push({ ...details, message }),
    }
    const drift = fail({ kind: 'drift', within: 0.5 })
    const days = ['2026-11-13', '2026-11-06', '2026-10-30']
    await store.checks.append(
      days.map((date) => ({
        table: 'silver/events',
        check: 'any',
        date,
        state: 'passed',
        content: { checked: 1000 },
      })),
    )

    const ended = await batch('silver/events', [drift], { logger })

    expect(ended['bronze_to_silver']).toMatch(
      /^silver\/events: 2026-11-20: expected that the number of rows is within 50 % of its weekday: \d+ rows; its weekday had 1000 /,
    )
    expect(warnings).toEqual([
      {
        table: 'silver/events',
        day: '2026-11-21',
        check: 'the number of rows is within 50 % of its weekday',
        problem: expect.stringMatching(/^too little history/),
        message: 'A check could not be decided',
      },
    ])
  })

  it('is asked of a table as a whole too, by the clock of the run', async () => {
    const fresh = (maxAgeHours: number): TableCheck =>
      fail({ kind: 'freshness', column: 'timestamp', maxAgeHours })

    const stale = await batch('silver/events', [fresh(5)])
    const isFresh = await batch('silver/events', [fresh(24)])

    expect(stale['bronze_to_silver']).toMatch(
      /^silver\/events: expected that the newest timestamp is at most 5 hours old: the newest is 2026-11-21T/,
    )
    expect(isFresh['bronze_to_silver']).toBe('succeeded')
  })
})

describe('the load by itself', () => {
  it('publishes nothing while a metric that it leaves out lacks days, and names it', async () => {
    const load = async (): Promise<string> => {
      const { nodes } = await runRecordedBatch(
        {
          ...platform.context,
          clickhouse: () => Promise.reject(new Error('it went on to ClickHouse')),
        },
        store,
        { trigger: 'manual', tasks: ['gold_to_clickhouse'] },
      )
      const node = nodes.find((each) => each.node === 'gold_to_clickhouse')
      return node?.kind === 'failed' ? messageOf(node.error) : String(node?.kind)
    }
    await runRecordedBatch(platform.context, store, {
      trigger: 'manual',
      tasks: ['bronze_to_silver', ...goldMetrics.map(({ task }) => task)],
    })
    expect(await load()).toBe('it went on to ClickHouse')

    await platform.send(someMessages(30, 3, '2026-11-21'))
    await platform.land()
    await batch('silver/events', [fail(condition('false'))])
    expect(await load()).toBe(
      'gold_to_clickhouse: silver/events and silver/quarantine are not made from the same version of bronze/events',
    )
    await batch('silver/events', [])

    expect(await load()).toMatch(
      /^gold_to_clickhouse: gold\/conversion_rate_daily is not made from silver\/events at version \d+: 1 day to make, from 2026-11-21$/,
    )
  })
})
