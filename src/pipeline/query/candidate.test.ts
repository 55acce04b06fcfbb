import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import { type LakeError, messageOf } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { vacuum } from '../../lib/delta/index.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import type { BatchContext } from '../batch/batch.ts'
import { runRecordedBatch } from '../batch/recorded.ts'
import { recordVacuumed } from '../batch/vacuum.ts'
import { checksOf } from '../model/checks.ts'
import type { LakeTable } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../reconcile/books.fixture.ts'
import { type Engines, openEngines } from '../serving/engines.fixture.ts'
import { emptyServing } from '../serving/serving.fixture.ts'
import { candidateSnapshot, noteVacuumed } from './candidate.ts'
import { summaryOf } from './candidate-summary.ts'

let engines: Engines
beforeAll(async () => {
  engines = await openEngines()
})
afterAll(() => engines[Symbol.asyncDispose]())

const storeClock = new ManualClock(Date.parse('2026-11-22T01:00:00Z'))
let platform: SmallPlatform
let store: RunStore
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-candidates-'))
  store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}`, clock: storeClock })
  platform = await openSmallPlatform(engines.duckdb, engines.clickhouse)
  await emptyServing(engines.clickhouse)
  await platform.send(someMessages(150, 1))
  await platform.land()
  return async () => {
    await platform[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
})

/** A batch that also asks that no row of the table has a day from this one on. */
const refusing = (day: string, table: LakeTable): Partial<BatchContext> => ({
  checksOf: (name) =>
    name === table
      ? [
          {
            severity: 'fail',
            expectation: { kind: 'condition', name: `before ${day}`, sql: `event_date < date '${day}'` },
          },
        ]
      : checksOf(name),
})

/** Those that the tables of these tests need: nothing is loaded. */
const someTasks = ['bronze_to_silver', 'silver_to_gold_events_source']

/** @returns the run, and the error of each task that failed. */
async function batch(
  with_: Partial<BatchContext> = {},
  tasks = someTasks,
): Promise<{ readonly runId: number; readonly errors: Readonly<Record<string, unknown>> }> {
  const context = { ...platform.context, ...with_ }
  const outcome = await runRecordedBatch(context, store, { trigger: 'manual', tasks })
  const errors = outcome.nodes.flatMap((node) => (node.kind === 'failed' ? [[node.node, node.error]] : []))
  return { runId: outcome.runId, errors: Object.fromEntries(errors) }
}

async function rows(name: LakeTable, candidateOf?: number): Promise<readonly Row[]> {
  const table = platform.context.table(name)
  const snapshot =
    candidateOf === undefined
      ? await table.snapshot()
      : await candidateSnapshot({ name, table, candidates: store.candidates }, candidateOf)
  return engines.duckdb.use(async (session) => {
    return await session.rows(`from (${await table.scan(session, snapshot)}) order by all`)
  })
}

const shown = (table: string): Promise<readonly object[]> =>
  engines.clickhouse.query(`SELECT toString(event_date) AS day, * FROM ${table} ORDER BY ALL`)

const errorOf = (work: Promise<unknown>): Promise<LakeError> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: LakeError) => error,
  )

const table = 'gold/events_per_source_daily'

describe('a batch whose rows break a check', () => {
  it('shows them to nobody, and keeps them as a candidate', async () => {
    await batch({}, [])
    const seen = async (): Promise<readonly unknown[]> => [
      await rows(table),
      (await platform.context.table(table).snapshot()).version,
      await shown('gold.events_per_source_daily'),
      await shown('serving.events_per_source_daily'),
      await store.releases.newest(),
    ]
    const good = await seen()
    await platform.send(someMessages(60, 2, '2026-11-21'))
    await platform.land()

    const { runId, errors } = await batch(refusing('2026-11-21', table), [])

    expect(await seen()).toEqual(good)
    expect(Object.keys(errors)).toEqual(['silver_to_gold_events_source'])
    expect(errors['silver_to_gold_events_source']).toMatchObject({
      code: 'CHECK_FAILED',
      message: `${table}: 2026-11-21: expected before 2026-11-21, 2 rows break it (2026-11-21/mobile, 2026-11-21/web)`,
      details: { table, runId, fault: 'candidate-kept' },
    })
    const refused = await rows(table, runId)
    await batch()
    const made = (await rows(table)).filter(({ event_date: day }) => day === '2026-11-21')
    expect(made).not.toEqual([])
    expect(refused).toEqual(made)
  })

  it('describes what it has refused, and for a table by day refuses just the days that it has made', async () => {
    await batch()
    await platform.send(someMessages(60, 2, '2026-11-21'))
    await platform.land()

    const { runId, errors } = await batch(refusing('2026-11-21', 'silver/events'))

    const refused = await rows('silver/events', runId)
    expect(messageOf(errors['bronze_to_silver'])).toMatch(
      /^silver\/events: 2026-11-21: expected before 2026-11-21, \d+ rows break it \(\d\/\d+, .*…\)$/,
    )
    expect(new Set(refused.map(({ event_date: day }) => day))).toEqual(new Set(['2026-11-21']))
    expect((await store.candidates.list({ runId })).map(summaryOf)).toEqual([
      {
        run: runId,
        table: 'silver/events',
        rows: refused.length,
        gates: [],
        refusedAt: '2026-11-22T01:00:00.000Z',
        vacuumedAt: null,
        checks: [{ check: 'before 2026-11-21', date: '2026-11-21', violations: refused.length }],
      },
    ])
  })

  it('leaves no file behind if nothing can be recorded of them', async () => {
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) }
    const candidates = {
      ...store.candidates,
      keep: () => Promise.reject(new Error('the run store is away')),
    }
    const noBooks = { ...store, candidates }
    const files = async (): Promise<readonly string[]> => {
      const found: string[] = []
      for await (const { key } of platform.context.table(table).store.list('')) found.push(key)
      return found.filter((key) => key.endsWith('.parquet'))
    }

    const outcome = await runRecordedBatch(
      { ...platform.context, ...refusing('2026-11-20', table), logger },
      noBooks,
      { trigger: 'manual', tasks: someTasks },
    )

    const failed = outcome.nodes.find(({ node }) => node === 'silver_to_gold_events_source')
    expect(failed).toMatchObject({ error: { code: 'CHECK_FAILED' } })
    expect(failed).not.toMatchObject({ error: { details: { fault: 'candidate-kept' } } })
    expect(warnings).toEqual(['The refused rows could not be kept'])
    expect(await files()).toEqual([])
  })
})

describe('candidateSnapshot({ name, table, candidates }, runId)', () => {
  const ask = (name: LakeTable, runId: number): Promise<LakeError> => errorOf(rows(name, runId))

  it('names the runs that have a candidate where this one has none', async () => {
    const [first, second] = [
      await batch(refusing('2026-11-20', table)),
      await batch(refusing('2026-11-20', table)),
    ]

    const unknown = await ask(table, 99)
    const none = await ask('gold/daily_active_users', first.runId)

    expect(unknown).toMatchObject({
      code: 'RUN_MISSING',
      details: { table, runs: [second.runId, first.runId], fault: 'no-candidate' },
    })
    expect(none.details).toMatchObject({ runs: [] })
  })

  it('says when vacuum has removed it, and keeps what vacuum has not', async () => {
    const old = await batch(refusing('2026-11-20', table))
    const young = await batch(refusing('2026-11-20', table))
    const snapshot = await candidateSnapshot(
      { name: table, table: platform.context.table(table), candidates: store.candidates },
      old.runId,
    )
    const keys = snapshot.files.map(({ path }) => path)
    await platform.context.table(table).store.delete(keys)

    const unrecorded = await ask(table, old.runId)
    storeClock.advance(3_600_000)
    await recordVacuumed(
      { table: platform.context.table, candidates: store.candidates },
      { logger: silentLogger },
    )
    storeClock.advance(3_600_000)
    await noteVacuumed(platform.context.table, store.candidates)

    expect(unrecorded).toMatchObject({
      code: 'OBJECT_MISSING',
      message: expect.stringContaining('its files are gone'),
    })
    expect(await ask(table, old.runId)).toMatchObject({
      code: 'OBJECT_MISSING',
      message: `Candidate of run ${old.runId} for ${table}: vacuum has removed its files at ${new Date(storeClock.now() - 3_600_000).toISOString()}`,
      details: { fault: 'candidate-gone' },
    })
    expect(await rows(table, young.runId)).not.toEqual([])
    await vacuum(platform.context.table(table), { retentionMs: 0, force: true })
    await expect(rows(table, young.runId)).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
  })
})
