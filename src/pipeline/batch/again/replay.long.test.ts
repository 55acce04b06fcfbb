import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../../lib/clickhouse/clickhouse.ts'
import { execute } from '../../../lib/dag/execute.ts'
import { createGraph } from '../../../lib/dag/graph.ts'
import type { DagNode, RunOutcome } from '../../../lib/dag/node.ts'
import { plan } from '../../../lib/dag/plan.ts'
import { MemoryRecorder } from '../../../lib/dag/recorder.memory.ts'
import { DeltaTable } from '../../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../../lib/duckdb/duckdb.ts'
import type { Attempt, RunWithAttempts } from '../../../lib/runs/run.ts'
import { openLocalStore } from '../../../lib/storage/store.local.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../../reconcile/books.fixture.ts'
import { type BatchContext, runBatch } from '../batch.ts'
import { batchDag } from '../dag-name.ts'
import type { Scope } from '../days.ts'
import { declaredSelect, tablesMade } from '../tasks.ts'
import { codeVersion } from './code-version.ts'
import { planReplay, type ReplayedDay, replayNodes } from './replay.ts'

const makingTasks = [...tablesMade.keys()]

let duckdb: DuckDb
let made: SmallPlatform
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  // No test of this file loads anything.
  made = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
  for (const day of ['2026-11-20', '2026-11-21']) await made.send(someMessages(40, 1, day))
  await made.land()
})
afterAll(async () => {
  await made[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

let platform: SmallPlatform
let folder: string
beforeEach(async () => {
  platform = await made.copy()
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-replay-'))
  return async () => {
    await platform[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
})

/** A batch, as the run store has it. */
async function batch(
  scope: Scope = { kind: 'changed' },
  context = platform.context,
): Promise<RunWithAttempts> {
  const outcome = await runBatch(context, { scope, tasks: makingTasks, recorder: new MemoryRecorder() })
  return recorded(outcome)
}

function recorded({ runId: id, kind, nodes }: RunOutcome): RunWithAttempts {
  const attempts = nodes.map((node): Attempt => {
    const { inputs, versionsBefore, versionsAfter } = node
    return {
      node: node.node,
      attempt: 1,
      state: node.kind,
      ...(inputs && { inputs }),
      ...(versionsBefore && { versionsBefore }),
      ...(versionsAfter && { versionsAfter }),
    }
  })
  return { id, dag: batchDag, trigger: 'manual', state: kind, parameters: {}, owner: 'o', attempts }
}

async function replay(
  run: RunWithAttempts,
  context: BatchContext = platform.context,
): Promise<{ readonly outcome: RunOutcome; readonly days: readonly ReplayedDay[] }> {
  const tasks = await planReplay(context, run)
  const days: ReplayedDay[] = []
  const nodes = replayNodes(
    context,
    run,
    tasks,
    async (name) => new DeltaTable({ store: openLocalStore(join(folder, name)), duckdb }),
    (found) => days.push(...found),
  )
  const graph = createGraph<DagNode>('replay', nodes)
  return { outcome: await execute(graph, plan(graph), { recorder: new MemoryRecorder() }), days }
}

const dau = 'gold/daily_active_users'

describe('replay of a run', () => {
  it.each<[string, Scope]>([
    ['what has changed', { kind: 'changed' }],
    ['everything', { kind: 'full' }],
    ['a range of days', { kind: 'range', from: '2026-11-21', to: '2026-11-22' }],
  ])('finds the same rows again after a batch of %s, though the lake has gone on', async (_, scope) => {
    if (scope.kind === 'range') await batch()
    const run = await batch(scope)
    await platform.send(someMessages(7, 900, '2026-11-21'))
    await platform.land()
    await batch()

    const { outcome, days } = await replay(run)

    expect(outcome.kind).toBe('succeeded')
    expect(days.filter(({ isEqual }) => !isEqual)).toEqual([])
    const expected = scope.kind === 'range' ? ['2026-11-21'] : ['2026-11-20', '2026-11-21']
    expect(days.filter(({ table }) => table === dau).map(({ day }) => day)).toEqual(expected)
    expect(new Set(days.map(({ table }) => table))).toEqual(new Set([...tablesMade.values()].flat()))
  })

  it('fails by table and day if other code makes other rows, of that task alone', async () => {
    const run = await batch()
    const selectOf: BatchContext['selectOf'] = (table) =>
      table === dau
        ? `select event_date, dau_count + (event_date = date '2026-11-21')::int as dau_count from (${declaredSelect(table)})`
        : declaredSelect(table)

    const { outcome } = await replay(run, { ...platform.context, selectOf })

    expect(outcome.nodes.filter(({ kind }) => kind === 'failed')).toMatchObject([
      {
        node: 'silver_to_gold_dau',
        error: {
          code: 'CHECK_FAILED',
          message: expect.stringContaining(`${dau} 2026-11-21 (other values)`),
          details: { fault: 'replay-differs', table: dau, days: ['2026-11-21'] },
        },
      },
    ])
    expect(codeVersion(selectOf)).not.toBe(codeVersion())
  })

  it('changes nothing in the lake', async () => {
    const run = await batch()
    const versions = async (): Promise<readonly number[]> =>
      Promise.all(
        [...tablesMade.values()]
          .flat()
          .map(async (name) => (await platform.context.table(name).snapshot()).version),
      )
    const before = await versions()

    await replay(run)

    expect(await versions()).toEqual(before)
  })

  it('has nothing to do for a run that made nothing', async () => {
    await batch()

    expect(await planReplay(platform.context, await batch())).toEqual([])
  })

  it.each<[string, (run: RunWithAttempts) => RunWithAttempts, string]>([
    [
      'a version that is gone',
      (run) => withInputs(run, { 'bronze/events': 99 }),
      'bronze/events has no version 99',
    ],
    [
      'inputs that are not recorded',
      (run) => withInputs(run, {}),
      'the version of bronze/events that it read is not recorded',
    ],
    ['a commit of another run', (run) => ({ ...run, id: 77 }), 'is no commit of this run'],
    [
      'a run that is at work',
      (run) => ({ ...run, state: 'running' }),
      'that has ended, got one that is running',
    ],
    ['a run of another DAG', (run) => ({ ...run, dag: 'notebook/a' }), 'got one of notebook/a'],
  ])('says so of %s', async (_, change, words) => {
    const run = await batch()

    await expect(planReplay(platform.context, change(run))).rejects.toThrow(words)
  })

  it('says that files of a version are gone', async () => {
    const run = await batch()
    const table = platform.context.table('silver/events')
    const root = table.uri
    for (const name of await readdir(root, { recursive: true })) {
      if (name.endsWith('.parquet')) await rm(join(root, name))
    }

    const { outcome } = await replay(run)

    expect(outcome.nodes.filter(({ kind }) => kind === 'failed')).toMatchObject(
      makingTasks.map((node) => ({
        node,
        error: { code: 'VERSION_MISSING', message: expect.stringContaining('vacuum has removed them') },
      })),
    )
  })
})

function withInputs(run: RunWithAttempts, inputs: Attempt['inputs'] & object): RunWithAttempts {
  return {
    ...run,
    attempts: run.attempts.map((attempt) =>
      attempt.node === 'bronze_to_silver' ? { ...attempt, inputs } : attempt,
    ),
  }
}
