import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunOutcome } from '../../../lib/dag/node.ts'
import { MemoryRecorder } from '../../../lib/dag/recorder.memory.ts'
import { openRunStore, type RunStore } from '../../../lib/runs/run-store.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../../reconcile/books.fixture.ts'
import { reconcileDays } from '../../reconcile/reconcile-days.ts'
import { type Engines, openEngines } from '../../serving/engines.fixture.ts'
import { emptyServing, keepRows } from '../../serving/serving.fixture.ts'
import { runBatch } from '../batch.ts'

let engines: Engines
let books: SmallPlatform
let store: RunStore
let first: RunOutcome
beforeAll(async () => {
  engines = await openEngines()
  await emptyServing(engines.clickhouse)
  books = await openSmallPlatform(engines.duckdb, engines.clickhouse)
  store = await openRunStore({ url: `sqlite:${books.folder}/runs.db` })
  await books.send(someMessages(60, 1))
  await books.send(someMessages(40, 2, '2026-11-21'))
  await books.land()
  await books.realtime()
  first = await batch()
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  await books[Symbol.asyncDispose]()
  await engines[Symbol.asyncDispose]()
})

const batch = (tasks?: readonly string[]): Promise<RunOutcome> =>
  runBatch(
    { ...books.context, ledger: async () => store.ledger, releases: store.releases },
    { recorder: new MemoryRecorder(), ...(tasks && { tasks }) },
  )

const failuresOf = ({ nodes }: RunOutcome): Readonly<Record<string, unknown>> =>
  Object.fromEntries(nodes.flatMap((node) => (node.kind === 'failed' ? [[node.node, node.error]] : [])))

const change = (statement: string): Promise<void> =>
  engines.clickhouse.command(statement, { settings: { mutations_sync: 2 } })

describe('the audits of a batch', () => {
  it('end a batch whose books balance, and write no table: a second batch has nothing to do', async () => {
    const second = await batch()

    expect(first.kind).toBe('succeeded')
    expect(first.nodes.slice(-2)).toMatchObject([
      { node: 'ledger', kind: 'unchanged' },
      { node: 'reconcile', kind: 'unchanged', details: { audited: 2 } },
    ])
    expect(second.kind).toBe('unchanged')
    expect(second.nodes.at(-1)).toMatchObject({ node: 'reconcile', details: { audited: 0 } })
  })

  it('make a run red where ClickHouse has other rows than gold, and name table and day', async () => {
    await using _kept = await keepRows(engines.clickhouse, ['gold.daily_active_users'])
    await change(
      "ALTER TABLE gold.daily_active_users UPDATE dau_count = dau_count + 1 WHERE event_date = '2026-11-20'",
    )

    const run = await batch(['ledger'])

    expect(run.kind).toBe('failed')
    expect(failuresOf(run)).toEqual({
      ledger: expect.objectContaining({
        code: 'BOOKS_UNBALANCED',
        message: expect.stringContaining('gold.daily_active_users 2026-11-20: 1 × only in Delta'),
      }),
    })
  })

  it('make a run red where a window has a count that nothing explains, until it is accepted', async () => {
    await change(
      "ALTER TABLE realtime.events_per_minute UPDATE event_count = event_count + 1 WHERE window_start = (SELECT min(window_start) FROM realtime.events_per_minute WHERE window_start >= '2026-11-21' AND event_count > 0) AND event_count > 0",
    )

    const run = await batch(['reconcile'])

    expect(failuresOf(run)).toEqual({
      reconcile: expect.objectContaining({
        code: 'BOOKS_UNBALANCED',
        message:
          'reconcile: 1 identity of 1 does not hold: realtime 2026-11-21: 1 window with counts that nothing explains',
      }),
    })
    await reconcileDays(books.context, { ledger: store.ledger, accept: 'a test' })
    expect(await batch(['reconcile'])).toMatchObject({ kind: 'unchanged' })
  })

  it('are skipped after a task that failed', async () => {
    const failing = { ...books.context, clickhouse: () => Promise.reject(new Error('no ClickHouse')) }
    const run = await runBatch(
      { ...failing, ledger: async () => store.ledger, releases: store.releases },
      { recorder: new MemoryRecorder() },
    )

    expect(run.nodes.slice(-3)).toMatchObject([
      { node: 'gold_to_clickhouse', kind: 'failed' },
      { node: 'ledger', kind: 'skipped' },
      { node: 'reconcile', kind: 'skipped' },
    ])
  })
})
