/** The run store fulfils the ports that `dag` and `schedule` declare, without knowing of either. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../lib/base/clock.ts'
import { LakeError } from '../lib/base/errors.ts'
import { execute } from '../lib/dag/execute.ts'
import { createGraph } from '../lib/dag/graph.ts'
import type { DagNode } from '../lib/dag/node.ts'
import { plan } from '../lib/dag/plan.ts'
import { openRunStore, type RunStore } from '../lib/runs/run-store.ts'
import { parseCron } from '../lib/schedule/cron.ts'
import { runSchedule } from '../lib/schedule/schedule.ts'

const hour = 3_600_000

let dir: string
let store: RunStore

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lake-recording-'))
  store = await openRunStore({ url: `sqlite:${join(dir, 'runs.db')}` })
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

describe('an execution recorded in the run store', () => {
  it('can be read there, node by node', async () => {
    const graph = createGraph<DagNode>('batch', [
      { name: 'silver', dependsOn: [], run: async () => ({ kind: 'succeeded', rowsIn: 10, rowsOut: 8 }) },
      {
        name: 'gold',
        dependsOn: ['silver'],
        run: () => Promise.reject(new LakeError('CHECK_FAILED', 'gold/pages: 3 rows')),
      },
      { name: 'load', dependsOn: ['gold'], run: async () => ({ kind: 'succeeded' }) },
    ])

    const outcome = await store.leases.withLease('batch', ({ lease, signal }) =>
      execute(graph, plan(graph), {
        recorder: store.runs.recorder({ dag: 'batch', trigger: 'manual', lease }),
        signal,
      }),
    )

    const run = await store.runs.show(outcome.runId)
    expect(run).toMatchObject({ state: 'failed', error: { code: 'CHECK_FAILED' } })
    expect(run.attempts).toMatchObject([
      { node: 'silver', state: 'succeeded', rowsIn: 10, rowsOut: 8 },
      { node: 'gold', state: 'failed', error: { message: 'gold/pages: 3 rows' } },
      { node: 'load', state: 'skipped', details: { reason: 'gold failed' } },
    ])
  })

  it('stops when another process has taken its lease', async () => {
    const future = await openRunStore({
      url: `sqlite:${join(dir, 'runs.db')}`,
      clock: new ManualClock(Date.now() + hour),
    })
    const graph = createGraph<DagNode>('batch', [
      {
        name: 'silver',
        dependsOn: [],
        run: async () => {
          await future.leases.acquire('batch')
          return { kind: 'succeeded' }
        },
      },
    ])

    const running = store.leases.withLease('batch', ({ lease }) =>
      execute(graph, plan(graph), {
        recorder: store.runs.recorder({ dag: 'batch', trigger: 'manual', lease }),
      }),
    )

    await expect(running).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await future[Symbol.asyncDispose]()
  })
})

describe('a schedule over the run store', () => {
  it('runs a tick that was missed once, beside another schedule and after a restart', async () => {
    const stop = new AbortController()
    const clock = new ManualClock(10 * hour)
    await store.ticks.baseline('batch', 7.5 * hour)
    const ran: number[] = []
    const start = (): Promise<unknown> =>
      runSchedule({
        name: 'batch',
        cron: parseCron('0 * * * *', 'BATCH_CRON'),
        ticks: store.ticks,
        clock,
        signal: stop.signal,
        run: async ({ tickMs }) => void ran.push(tickMs / hour),
      }).catch((error: unknown) => error)

    const schedules = [start(), start()]
    await expect.poll(() => clock.sleeping).toBe(2)
    stop.abort(new Error('stop'))
    await Promise.all(schedules)

    expect(ran).toEqual([10])
    expect(await store.ticks.latest('batch')).toBe(10 * hour)
  })
})
