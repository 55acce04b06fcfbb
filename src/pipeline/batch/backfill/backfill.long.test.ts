import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LakeError } from '../../../lib/base/errors.ts'
import type { DuckDb } from '../../../lib/duckdb/duckdb.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import type { Run } from '../../../lib/runs/run.ts'
import { openRunStore, type RunStore } from '../../../lib/runs/run-store.ts'
import { checksOf } from '../../model/checks.ts'
import type { LakeTable } from '../../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../../reconcile/books.fixture.ts'
import { type Engines, openEngines } from '../../serving/engines.fixture.ts'
import { emptyServing } from '../../serving/serving.fixture.ts'
import type { BatchContext } from '../batch.ts'
import { batchDag } from '../dag-name.ts'
import { runRecordedBatch } from '../recorded.ts'
import { declaredSelect, loadTask, tablesMade } from '../tasks.ts'
import { type BackfillEvent, type BackfillOptions, type BackfillOutcome, runBackfill } from './backfill.ts'
import { type BackfillRequest, costOf, planBackfill } from './plan.ts'

const days = ['2026-11-20', '2026-11-21', '2026-11-22', '2026-11-23']
const range = { from: '2026-11-20', to: '2026-11-24' }
/** Nothing is loaded into ClickHouse. */
const making = [...tablesMade.keys()]

let engines: Engines
let duckdb: DuckDb
let landed: SmallPlatform
beforeAll(async () => {
  engines = await openEngines()
  ;({ duckdb } = engines)
  landed = await openSmallPlatform(duckdb, engines.clickhouse)
  for (const [at, day] of days.entries()) await landed.send(someMessages(30 + at, 1, day))
  await landed.land()
  await landed.batch({ kind: 'changed' }, making)
})
afterAll(async () => {
  await landed[Symbol.asyncDispose]()
  await engines[Symbol.asyncDispose]()
})

let platform: SmallPlatform
let store: RunStore
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-backfill-'))
  platform = await landed.copy()
  store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
  return async () => {
    await store[Symbol.asyncDispose]()
    await platform[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
})

/** A day a part, and nothing published. */
const byDay: BackfillRequest = { range, partDays: 1, tasks: making }

interface Told {
  readonly outcome: BackfillOutcome
  /** The days of each part that has ended, and how. */
  readonly parts: readonly (readonly [string, string])[]
}

async function backfill(
  context: BatchContext,
  request: BackfillRequest = byDay,
  { onEvent, ...options }: BackfillOptions = {},
): Promise<Told> {
  const parts: (readonly [string, string])[] = []
  const outcome = await runBackfill(context, store, request, {
    ...options,
    onEvent: (event) => {
      if (event.kind === 'part-ended') parts.push([event.days.join(' '), event.outcome.kind])
      onEvent?.(event)
    },
  })
  return { outcome, parts }
}

const dayStates = ({ days: of }: BackfillOutcome): Readonly<Record<string, string>> =>
  Object.fromEntries(of.map(({ day, state }) => [day, state]))

/** Rows of the given days break a check of the table. */
function failing(context: BatchContext, table: LakeTable, bad: readonly string[]): BatchContext {
  const sql = `event_date not in (${bad.map((day) => `date '${day}'`).join(', ')})`
  return {
    ...context,
    checksOf: (name) => [
      ...checksOf(name),
      ...(name === table
        ? [{ severity: 'fail', expectation: { kind: 'condition', name: 'no bad day', sql } } as const]
        : []),
    ],
  }
}

/** As the code of a later release. */
const changed = (context: BatchContext): BatchContext => ({
  ...context,
  selectOf: (table) =>
    table === 'gold/daily_active_users'
      ? `SELECT event_date, dau_count + 1000 AS dau_count FROM (${declaredSelect(table)})`
      : declaredSelect(table),
})

async function activeUsers(context: BatchContext): Promise<Readonly<Record<string, number>>> {
  const table = context.table('gold/daily_active_users')
  const found = await duckdb.use(
    async (session): Promise<readonly Row[]> =>
      session.rows(
        `select event_date::varchar as day, dau_count as n from (${await table.scan(session, await table.snapshot())})`,
      ),
  )
  return Object.fromEntries(found.map(({ day, n }) => [String(day), Number(n)]))
}

const runs = async (): Promise<readonly Run[]> => [...(await store.runs.list({ limit: 100 }))].reverse()

describe('planBackfill(context, store, request)', () => {
  it('says which days, why each, in which parts, and what is read', async () => {
    await platform.send(someMessages(20, 2, '2026-11-21'))
    await platform.land()

    const plan = await planBackfill(platform.context, store, {
      range: { from: '2026-11-21', to: '2026-11-24' },
      partDays: 2,
    })

    expect(plan.parts).toEqual([['2026-11-21', '2026-11-22'], ['2026-11-23']])
    expect(plan.days.map(({ day, reason, state }) => [day, reason, state])).toEqual([
      ['2026-11-21', 'late-event', 'waiting'],
      ['2026-11-22', 'asked', 'waiting'],
      ['2026-11-23', 'asked', 'waiting'],
    ])
    const bronze = await platform.context.table('bronze/events').snapshot()
    const file = bronze.files.find(({ partitionValues }) => partitionValues['event_date'] === '2026-11-22')
    expect(plan.days[1]).toMatchObject({ bytes: file?.size, rows: expect.any(Number) })
    expect(plan.estimate).toBeUndefined()
    expect(await runs()).toEqual([])
  })

  it('says that a day is made again as its SQL has changed', async () => {
    const { days: planned } = await planBackfill(changed(platform.context), store, { range })

    expect(planned.map(({ reason }) => reason)).toEqual(days.map(() => 'code-changed'))
  })

  it('groups days by the size of their input', async () => {
    const { parts } = await planBackfill(platform.context, store, { range, partBytes: 1 })

    expect(parts).toEqual(days.map((day) => [day]))
  })

  it('has no part where the range has no day', async () => {
    const plan = await planBackfill(platform.context, store, {
      range: { from: '2027-01-01', to: '2027-02-01' },
    })

    expect([plan.days, plan.parts]).toEqual([[], []])
  })

  it('tells from earlier runs how long it takes', async () => {
    await backfill(platform.context)

    const { estimate } = await planBackfill(platform.context, store, byDay)

    expect(estimate).toMatchObject({ runs: days.length, seconds: expect.any(Number) })
    expect(estimate?.seconds).toBeGreaterThan(0)
  })

  it('refuses a task that is none', async () => {
    await expect(
      planBackfill(platform.context, store, { range, tasks: ['silver_to_nothing'] }),
    ).rejects.toThrow('silver_to_nothing')
  })
})

describe('costOf(taken)', () => {
  it.each([
    [[{ rows: 100, seconds: 3 }], 3, 0],
    [
      [
        { rows: 100, seconds: 3 },
        { rows: 300, seconds: 5 },
      ],
      2,
      0.01,
    ],
    // A run that took less for more rows tells nothing of a row.
    [
      [
        { rows: 100, seconds: 5 },
        { rows: 300, seconds: 3 },
      ],
      4,
      0,
    ],
  ])('of %j is %d s and %d s a row', (taken, fixed, perRow) => {
    const cost = costOf(taken)

    expect(cost.fixed).toBeCloseTo(fixed)
    expect(cost.perRow).toBeCloseTo(perRow)
  })
})

describe('runBackfill(context, store, request, options)', () => {
  it('makes each part as a recorded run of its own, and the next batch has nothing to do', async () => {
    const before = await activeUsers(platform.context)

    const { outcome, parts } = await backfill(changed(platform.context), { ...byDay, partDays: 3 })

    expect(outcome).toMatchObject({ kind: 'succeeded', problems: [] })
    expect(dayStates(outcome)).toEqual(Object.fromEntries(days.map((day) => [day, 'made'])))
    expect(parts).toEqual([
      [days.slice(0, 3).join(' '), 'succeeded'],
      [days.slice(3).join(' '), 'succeeded'],
    ])
    const recorded = await runs()
    expect(recorded.map(({ trigger, parameters }) => ({ trigger, parameters }))).toEqual(
      [days.slice(0, 3), days.slice(3)].map((of) => ({
        trigger: 'backfill',
        parameters: { scope: { kind: 'days', days: of }, tasks: making, backfill: outcome.id },
      })),
    )
    expect(outcome.days.map(({ runId }) => runId)).toEqual([1, 1, 1, 2])
    expect(await activeUsers(platform.context)).toEqual(
      Object.fromEntries(Object.entries(before).map(([day, n]) => [day, n + 1000])),
    )
    const next = await runRecordedBatch(changed(platform.context), store, {
      trigger: 'manual',
      tasks: making,
    })
    expect(next.kind).toBe('unchanged')
  })

  it('makes nothing where the range has no day', async () => {
    const { outcome } = await backfill(platform.context, {
      range: { from: '2027-01-01', to: '2027-02-01' },
    })

    expect(outcome).toEqual({ kind: 'unchanged', days: [], problems: [] })
    expect(await runs()).toEqual([])
  })

  it('makes all days but those that fail, says why, and then makes those alone', async () => {
    const bad = failing(platform.context, 'silver/events', ['2026-11-22'])

    const { outcome, parts } = await backfill(bad, { range, tasks: making })

    expect(outcome.kind).toBe('failed')
    expect(dayStates(outcome)).toEqual({
      '2026-11-20': 'made',
      '2026-11-21': 'made',
      '2026-11-22': 'failed',
      '2026-11-23': 'made',
    })
    expect(outcome.days[2]).toMatchObject({
      error: { code: 'CHECK_FAILED', message: expect.stringContaining('no bad day') },
    })
    // Halved until the day stands alone.
    expect(parts).toEqual([
      [days.join(' '), 'failed'],
      ['2026-11-20 2026-11-21', 'succeeded'],
      ['2026-11-22 2026-11-23', 'failed'],
      ['2026-11-22', 'failed'],
      ['2026-11-23', 'succeeded'],
    ])

    const again = await backfill(platform.context, { range, tasks: making })

    expect(again.parts).toEqual([['2026-11-22', 'succeeded']])
    expect(again.outcome).toMatchObject({ kind: 'succeeded', id: outcome.id })
  })

  it('goes on where it was stopped, with a new one once all days are made', async () => {
    const stop = new AbortController()
    const stopAfterTwo = (event: BackfillEvent): void => {
      if (event.kind === 'part-started' && event.days[0] === days[2])
        stop.abort(new LakeError('INTERRUPTED', 'stop'))
    }

    const first = await backfill(platform.context, byDay, { signal: stop.signal, onEvent: stopAfterTwo })

    expect(first.outcome.kind).toBe('cancelled')
    expect(Object.values(dayStates(first.outcome))).toEqual(['made', 'made', 'waiting', 'waiting'])

    const second = await backfill(platform.context)

    expect(second.outcome).toMatchObject({ kind: 'succeeded', id: first.outcome.id })
    expect(second.parts.map(([of]) => of)).toEqual(days.slice(2))
    const third = await backfill(platform.context)
    expect(third.outcome.id).not.toBe(first.outcome.id)
    expect(third.parts.map(([of]) => of)).toEqual(days)
  })

  it('makes a day again that has changed since the part before made it, and all days if asked for', async () => {
    const stop = new AbortController()
    const stopped = await backfill(platform.context, byDay, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'part-ended' && event.days[0] === days[2])
          stop.abort(new LakeError('INTERRUPTED', 'stop'))
      },
    })
    expect(Object.values(dayStates(stopped.outcome))).toEqual(['made', 'made', 'made', 'waiting'])
    await platform.send(someMessages(20, 2, '2026-11-21'))
    await platform.land()

    expect((await planBackfill(platform.context, store, byDay)).parts).toEqual([
      ['2026-11-21'],
      ['2026-11-23'],
    ])
    expect((await planBackfill(platform.context, store, { ...byDay, restart: true })).parts).toEqual(
      days.map((day) => [day]),
    )
  })

  it('lets another batch that waits go first, between two parts', async () => {
    let isWaitedFor = (): void => undefined
    const waited = new Promise<void>((resolve) => {
      isWaitedFor = resolve
    })
    let fresh: Promise<unknown> | undefined
    const slow: BatchContext = {
      ...platform.context,
      compute: {
        ...platform.context.compute,
        stage: async (...request) => {
          fresh ??= runRecordedBatch(platform.context, store, {
            trigger: 'schedule',
            tasks: making,
            onWait: isWaitedFor,
          })
          await waited
          return platform.context.compute.stage(...request)
        },
      },
    }

    await backfill(slow)
    await fresh

    expect((await runs()).map(({ trigger }) => trigger)).toEqual([
      'backfill',
      'schedule',
      'backfill',
      'backfill',
      'backfill',
    ])
  })

  it('stops at once at what would fail for every part, and keeps its place', async () => {
    let stages = 0
    const full: BatchContext = {
      ...platform.context,
      compute: {
        ...platform.context.compute,
        stage: async (...request) => {
          if (++stages > making.length + 1) throw new LakeError('DISK_FULL', 'no space left')
          return platform.context.compute.stage(...request)
        },
      },
    }

    const { outcome } = await backfill(full)

    expect(outcome).toMatchObject({ kind: 'stopped', error: { code: 'DISK_FULL' } })
    expect(Object.values(dayStates(outcome))).toEqual(['made', 'waiting', 'waiting', 'waiting'])
    expect((await backfill(platform.context)).parts.map(([of]) => of)).toEqual(days.slice(1))
  })

  it('makes nothing before a batch has made the lake: the books of some days alone cannot be balanced', async () => {
    await using fresh = await openSmallPlatform(duckdb, engines.clickhouse)
    await fresh.send(someMessages(10, 1, '2026-11-20'))
    await fresh.land()

    await expect(backfill(fresh.context, { range })).rejects.toMatchObject({
      code: 'TABLE_MISSING',
      details: { table: 'silver/events', fault: 'not-written-yet' },
    })
    expect(await fresh.context.table('silver/events').exists()).toBe(false)
  })

  it('refuses a second one beside it', async () => {
    await store.leases.withLease(`${batchDag}/backfill`, async () => {
      await expect(backfill(platform.context)).rejects.toMatchObject({ code: 'RUN_BUSY' })
    })
  })

  it('gives the same rows with groups side by side', async () => {
    const before = await activeUsers(platform.context)

    const { outcome } = await backfill(
      { ...platform.context, groupBytes: 1 },
      { range, tasks: making },
      { parallel: 4 },
    )

    expect(outcome.kind).toBe('succeeded')
    expect(await activeUsers(platform.context)).toEqual(before)
  })
})

describe('what readers see of a backfill', () => {
  const served = async (): Promise<Readonly<Record<string, number>>> => {
    const found = await engines.clickhouse.query<{ day: string; n: string }>(
      'SELECT toString(event_date) AS day, dau_count AS n FROM serving.daily_active_users',
    )
    return Object.fromEntries(found.map(({ day, n }) => [day, Number(n)]))
  }
  const releasedIn = async (): Promise<readonly number[]> =>
    (await store.releases.list()).map(({ runId }) => runId).reverse()

  /** There is no speed layer here to compare with. */
  const tasks = [...making, loadTask]

  beforeEach(() => emptyServing(engines.clickhouse))

  it('is each part whole, as soon as it is made', async () => {
    await runRecordedBatch(platform.context, store, { trigger: 'manual', tasks })
    const before = await activeUsers(platform.context)

    const { outcome } = await backfill(changed(platform.context), { range, partDays: 2, tasks })

    expect(outcome.kind).toBe('succeeded')
    expect(await releasedIn()).toEqual([1, 2, 3])
    const after = Object.fromEntries(Object.entries(before).map(([day, n]) => [day, n + 1000]))
    expect(await served()).toEqual(after)
  })

  it('is no day of silver without its gold: days are made meanwhile, and published once all of them can be', async () => {
    await runRecordedBatch(platform.context, store, { trigger: 'manual', tasks })
    const before = await served()
    const bad = failing(changed(platform.context), 'gold/daily_active_users', ['2026-11-21'])

    const { outcome } = await backfill(bad, { range, partDays: 1, tasks })

    expect(outcome.kind).toBe('failed')
    expect(Object.values(dayStates(outcome))).toEqual(['made', 'failed', 'made', 'made'])
    expect(outcome.problems).toMatchObject([
      {
        task: 'gold_to_clickhouse',
        error: { code: 'CHECK_FAILED', message: expect.stringContaining('2026-11-21') },
      },
    ])
    // The first part alone could be published.
    expect(await releasedIn()).toEqual([1, 2])
    expect(await served()).toEqual({ ...before, '2026-11-20': (before['2026-11-20'] ?? 0) + 1000 })

    const again = await backfill(changed(platform.context), { range, partDays: 1, tasks })

    expect(again.outcome.kind).toBe('succeeded')
    expect(await served()).toEqual(
      Object.fromEntries(Object.entries(before).map(([day, n]) => [day, n + 1000])),
    )
  })
})
