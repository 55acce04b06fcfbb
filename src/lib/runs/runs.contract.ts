/** What the run store must do in any database. Each adapter's test calls this once, so all mean the same thing. */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type BuiltModules, buildModules } from '../base/built.fixture.ts'
import { ManualClock } from '../base/clock.ts'
import { isLakeError, LakeError } from '../base/errors.ts'
import type { CandidateFilter } from './candidate-book.ts'
import { describeBackfills, describeRequests } from './control/control.contract.ts'
import { code, type Stores, until } from './control/stores.fixture.ts'
import type { Lease } from './leases.ts'
import { describeLogs } from './log/log.contract.ts'
import { formatOwner, newOwner } from './owner.ts'
import { describeReplays } from './replay/replays.contract.ts'
import { type OpenRunStoreOptions, openRunStore, type RunStore } from './run-store.ts'
import { describeStages } from './streaming/stages.contract.ts'

export interface FreshDatabase extends AsyncDisposable {
  readonly url: string
}

export function describeRunStore(adapter: string, makeDatabase: () => Promise<FreshDatabase>): void {
  let built: BuiltModules
  beforeAll(async () => {
    built = await buildModules(['lib/runs/run-store.ts'])
  })

  let fresh: FreshDatabase
  const open: RunStore[] = []
  const children: ChildProcess[] = []

  async function openStore(options: Partial<OpenRunStoreOptions> = {}): Promise<RunStore> {
    const store = await openRunStore({ url: fresh.url, ...options })
    open.push(store)
    return store
  }

  /** A process of its own that opens the store as `store`, runs `body`, and then stays until it is killed. */
  function inChild(
    body: string,
    before = '',
  ): { child: ChildProcess; said: Promise<string>; gone: Promise<unknown> } {
    const module = pathToFileURL(built.fileOf('lib/runs/run-store.ts')).href
    const script = `import { openRunStore } from ${JSON.stringify(module)}
      ${before}
      const store = await openRunStore({ url: ${JSON.stringify(fresh.url)} })
      ${body}
      setInterval(() => undefined, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    const gone = new Promise((resolve) => child.once('exit', resolve))
    const said = new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (bytes) => resolve(String(bytes).trim()))
      child.once('exit', (exit) => reject(new Error(`child ended with ${exit} before it said a word`)))
    })
    said.catch(() => undefined)
    return { child, said, gone }
  }

  async function leaseOf(store: RunStore, name: string): Promise<Lease> {
    const outcome = await store.leases.acquire(name)
    if (outcome.kind !== 'acquired') throw new Error(`${name} is held by ${outcome.holder.owner}`)
    return outcome.lease
  }

  beforeEach(async () => {
    fresh = await makeDatabase()
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    for (const store of open.splice(0)) await store[Symbol.asyncDispose]()
    await fresh[Symbol.asyncDispose]()
  })

  const stores: Stores = { adapter, openStore, inChild, leaseOf }
  describeRequests(stores)
  describeBackfills(stores)
  describeLogs(stores)
  describeStages(stores)
  describeReplays(stores)

  describe(`run store contract, runs: ${adapter}`, () => {
    it('shows a run as it was recorded, node by node', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'batch')
      const recorder = store.runs.recorder({
        dag: 'lakehouse_batch',
        trigger: 'catch-up',
        tick: { schedule: 'daily', tickMs: 1_800_000_000_000 },
        parameters: { from: '2026-01-01', seed: 9_007_199_254_740_993n },
        lease,
      })

      const id = await recorder.runStarted({ nodes: ['silver', 'gold', 'load'], startedMs: 1_000 })
      await recorder.attemptStarted({ node: 'silver', attempt: 1, startedMs: 1_001 })
      await recorder.nodeEnded({
        node: 'silver',
        attempt: 1,
        state: 'succeeded',
        endedMs: 1_002,
        rowsIn: 5_000_000_000,
        rowsOut: 4_999_999_999,
        versionsBefore: { 'silver/events': null },
        versionsAfter: { 'silver/events': 0 },
        details: { days: ['2026-01-01'], newestOffset: 9_007_199_254_740_993n },
      })
      await recorder.attemptStarted({ node: 'gold', attempt: 1, startedMs: 1_003 })
      const error = { code: 'CHECK_FAILED', message: 'gold: “é” 😀 is not a page' }
      await recorder.nodeEnded({ node: 'gold', attempt: 1, state: 'failed', endedMs: 1_004, error })
      await recorder.nodeEnded({ node: 'load', attempt: 1, state: 'skipped', endedMs: 1_004 })
      await recorder.runEnded({ state: 'failed', endedMs: 1_005, error })

      expect(await store.runs.show(id)).toEqual({
        id,
        dag: 'lakehouse_batch',
        trigger: 'catch-up',
        tick: { schedule: 'daily', tickMs: 1_800_000_000_000 },
        state: 'failed',
        parameters: { from: '2026-01-01', seed: 9_007_199_254_740_993n },
        startedMs: 1_000,
        endedMs: 1_005,
        error,
        owner: lease.owner,
        attempts: [
          {
            node: 'silver',
            attempt: 1,
            state: 'succeeded',
            startedMs: 1_001,
            endedMs: 1_002,
            rowsIn: 5_000_000_000,
            rowsOut: 4_999_999_999,
            versionsBefore: { 'silver/events': null },
            versionsAfter: { 'silver/events': 0 },
            details: { days: ['2026-01-01'], newestOffset: 9_007_199_254_740_993n },
          },
          { node: 'gold', attempt: 1, state: 'failed', startedMs: 1_003, endedMs: 1_004, error },
          { node: 'load', attempt: 1, state: 'skipped', endedMs: 1_004 },
        ],
      })
    })

    it('lists runs newest first, by DAG and state, up to a limit', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'batch')
      const ids: number[] = []
      for (const [dag, state] of [
        ['a', 'succeeded'],
        ['b', 'failed'],
        ['a', 'failed'],
        ['a', 'unchanged'],
      ] as const) {
        const recorder = store.runs.recorder({ dag, trigger: 'manual', lease })
        ids.push(await recorder.runStarted({ nodes: [], startedMs: 1 }))
        await recorder.runEnded({ state, endedMs: 2 })
      }

      const listed = async (filter: Parameters<RunStore['runs']['list']>[0]): Promise<number[]> =>
        (await store.runs.list(filter)).map(({ id }) => ids.indexOf(id))
      expect(await listed({})).toEqual([3, 2, 1, 0])
      expect(await listed({ limit: 2 })).toEqual([3, 2])
      expect(await listed({ dag: 'a' })).toEqual([3, 2, 0])
      expect(await listed({ states: ['failed', 'cancelled'] })).toEqual([2, 1])
      expect((await store.runs.latest({ dag: 'b' }))?.id).toBe(ids[1])
      expect(await store.runs.latest({ dag: 'c' })).toBeUndefined()
    })

    it('says which run is missing', async () => {
      const store = await openStore()

      await expect(store.runs.show(99)).rejects.toSatisfy(code('RUN_MISSING'))
    })

    it('keeps a second attempt beside the first', async () => {
      const store = await openStore()
      const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'd') })
      const id = await recorder.runStarted({ nodes: ['a', 'b'], startedMs: 1 })

      await recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: 2 })
      await recorder.nodeEnded({ node: 'a', attempt: 1, state: 'failed', endedMs: 3 })
      await recorder.attemptStarted({ node: 'a', attempt: 2, startedMs: 4 })
      await recorder.nodeEnded({ node: 'a', attempt: 2, state: 'succeeded', endedMs: 5 })

      const { attempts } = await store.runs.show(id)
      expect(attempts.map(({ node, attempt, state }) => `${node}${attempt} ${state}`)).toEqual([
        'a1 failed',
        'a2 succeeded',
        'b1 waiting',
      ])
    })

    it('shows that a node waits for its next attempt, and when that is due', async () => {
      const store = await openStore()
      const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'd') })
      const id = await recorder.runStarted({ nodes: ['a', 'b'], startedMs: 1 })
      await recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: 2 })
      const error = { code: 'STORE_UNAVAILABLE', message: 's3://lake: no answer' }
      const failed = { node: 'a', attempt: 1, state: 'failed', endedMs: 3, error, retryMs: 500 } as const

      await recorder.nodeEnded(failed)
      await recorder.nodeEnded(failed)
      const waiting = await store.runs.show(id)
      await recorder.attemptStarted({ node: 'a', attempt: 2, startedMs: 501 })
      const trying = await store.runs.show(id)

      expect(waiting.attempts.slice(0, 2)).toEqual([
        { node: 'a', attempt: 1, state: 'failed', startedMs: 2, endedMs: 3, error },
        { node: 'a', attempt: 2, state: 'up-for-retry', retryMs: 500 },
      ])
      expect(trying.attempts[1]).toMatchObject({ attempt: 2, state: 'running', startedMs: 501 })
    })

    it('lists runs with their attempts, by trigger, time and a node that was tried', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'batch')
      for (const [at, trigger] of (['start', 'manual', 'retry'] as const).entries()) {
        const run = { dag: 'd', trigger, lease, ...(trigger === 'retry' && { firstRun: 2 }), code: 'v1' }
        const recorder = store.runs.recorder(run)
        await recorder.runStarted({ nodes: ['a', 'b'], startedMs: 1_000 * (at + 1) })
        await recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: 1 })
        await recorder.nodeEnded({ node: 'a', attempt: 1, state: 'failed', endedMs: 2 })
        if (at === 1) await recorder.attemptStarted({ node: 'b', attempt: 1, startedMs: 3 })
        await recorder.runEnded({ state: 'failed', endedMs: 4 })
      }

      const listed = async (filter: Parameters<RunStore['runs']['list']>[0]): Promise<string[]> =>
        (await store.runs.list(filter)).map(({ trigger }) => trigger)
      expect(await listed({ triggers: ['start', 'retry'] })).toEqual(['retry', 'start'])
      expect(await listed({ sinceMs: 2_000 })).toEqual(['retry', 'manual'])
      expect(await listed({ node: 'b' })).toEqual(['manual'])
      expect(await listed({ node: 'c' })).toEqual([])
      const [newest] = await store.runs.list({ limit: 1 })
      expect(newest).toMatchObject({ firstRun: 2, code: 'v1' })
      expect(newest?.attempts.map(({ node, state }) => `${node} ${state}`)).toEqual(['a failed', 'b waiting'])
    })

    it('keeps the place of a run that waits for its turn, and lets it begin under its number', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'd')
      const before = store.runs.recorder({ dag: 'd', trigger: 'manual', lease })
      await before.runStarted({ nodes: [], startedMs: 1 })
      const request = { dag: 'd', trigger: 'schedule', tick: { schedule: 's', tickMs: 60_000 } } as const

      const queued = await store.runs.queue(request, 'd')
      const waiting = await store.runs.show(queued.id)
      await before.runEnded({ state: 'succeeded', endedMs: 2 })
      await store.leases.release(lease)
      const recorder = store.runs.recorder({ ...request, lease: await leaseOf(store, 'd'), queued })
      const ids = [
        await recorder.runStarted({ nodes: ['a'], startedMs: 3 }),
        await recorder.runStarted({ nodes: ['a'], startedMs: 3 }),
      ]

      expect(waiting).toMatchObject({ state: 'queued', trigger: 'schedule', attempts: [] })
      expect(waiting.startedMs).toBeUndefined()
      expect(waiting.queuedMs).toBeGreaterThan(0)
      expect(ids).toEqual([queued.id, queued.id])
      expect(await store.runs.show(queued.id)).toMatchObject({
        state: 'running',
        startedMs: 3,
        tick: request.tick,
        attempts: [{ node: 'a', state: 'waiting' }],
      })
    })

    it('tells a run that somebody has asked for its end, and a queued one that its turn will not come', async () => {
      const store = await openStore()
      const other = await openStore()
      const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'd') })
      const running = await recorder.runStarted({ nodes: [], startedMs: 1 })
      const queued = await store.runs.queue({ dag: 'd', trigger: 'manual' }, 'd')
      const before = [await store.runs.isCancelRequested(running), await store.runs.stayQueued(queued)]

      const outcomes = [await other.runs.requestCancel(running), await other.runs.requestCancel(queued.id)]

      expect(before).toEqual([false, 'queued'])
      expect(outcomes).toEqual([{ kind: 'requested' }, { kind: 'requested' }])
      expect(await store.runs.isCancelRequested(running)).toBe(true)
      expect(await store.runs.stayQueued(queued)).toBe('cancelled')
      await store.runs.leaveQueue(queued, new LakeError('RUN_CANCELLED', 'cancelled'))
      await recorder.runEnded({ state: 'cancelled', endedMs: 2 })
      expect((await store.runs.list()).map(({ state }) => state)).toEqual(['cancelled', 'cancelled'])
      expect(await other.runs.requestCancel(running)).toEqual({ kind: 'ended', state: 'cancelled' })
      await expect(other.runs.requestCancel(99)).rejects.toSatisfy(code('RUN_MISSING'))
    })

    it('closes a queued run of which nothing has been heard; if it comes back, it begins under another number', async () => {
      const clock = new ManualClock(1_000_000)
      const store = await openStore({ clock })
      const [heard, silent, unwanted] = [
        await store.runs.queue({ dag: 'd', trigger: 'manual' }, 'd'),
        await store.runs.queue({ dag: 'd', trigger: 'retry', firstRun: 1 }, 'd'),
        await store.runs.queue({ dag: 'd', trigger: 'manual' }, 'd'),
      ]
      await store.runs.requestCancel(unwanted.id)
      clock.advance(20_000)
      await store.runs.stayQueued(heard)
      clock.advance(20_000)

      const closed = await store.runs.closeOrphans()

      expect(closed.map(({ id, state }) => ({ id, state }))).toEqual([
        { id: silent.id, state: 'abandoned' },
        { id: unwanted.id, state: 'abandoned' },
      ])
      expect(await store.runs.stayQueued(silent)).toBe('closed')
      const lease = await leaseOf(store, 'd')
      const late = store.runs.recorder({ dag: 'd', trigger: 'retry', firstRun: 1, lease, queued: silent })
      const ids = [
        await late.runStarted({ nodes: ['a'], startedMs: 1 }),
        await late.runStarted({ nodes: ['a'], startedMs: 1 }),
      ]
      expect(ids[1]).toBe(ids[0])
      expect(ids).not.toContain(silent.id)
      expect(await store.runs.show(ids[0] ?? 0)).toMatchObject({
        state: 'running',
        trigger: 'retry',
        firstRun: 1,
      })
      expect((await store.runs.show(silent.id)).state).toBe('abandoned')
      await late.runEnded({ state: 'succeeded', endedMs: 2 })
      await expect(late.runStarted({ nodes: ['a'], startedMs: 3 })).rejects.toSatisfy(code('LEASE_LOST'))
      const cancelled = store.runs.recorder({ dag: 'd', trigger: 'manual', lease, queued: unwanted })
      await expect(cancelled.runStarted({ nodes: [], startedMs: 1 })).rejects.toSatisfy(code('RUN_CANCELLED'))
      const inTime = store.runs.recorder({ dag: 'd', trigger: 'manual', lease, queued: heard })
      expect(await inTime.runStarted({ nodes: [], startedMs: 1 })).toBe(heard.id)
    })

    it('refuses a move that the states do not allow', async () => {
      const store = await openStore()
      const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'd') })
      await recorder.runStarted({ nodes: ['a'], startedMs: 1 })
      await recorder.nodeEnded({ node: 'a', attempt: 1, state: 'skipped', endedMs: 2 })

      await expect(recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: 3 })).rejects.toThrow(
        'no move from skipped to running',
      )
    })

    it('bears each record being written twice', async () => {
      const store = await openStore()
      const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'd') })
      const twice = async <T>(write: () => Promise<T>): Promise<readonly T[]> => [
        await write(),
        await write(),
      ]

      const ids = await twice(() => recorder.runStarted({ nodes: ['a'], startedMs: 1 }))
      await twice(() => recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: 2 }))
      await twice(() => recorder.nodeEnded({ node: 'a', attempt: 1, state: 'unchanged', endedMs: 3 }))
      await twice(() => recorder.runEnded({ state: 'unchanged', endedMs: 4 }))

      expect(new Set(ids).size).toBe(1)
      expect(await store.runs.list()).toHaveLength(1)
    })

    it('closes as abandoned the run that an earlier holder of the lease left, when the next one starts', async () => {
      const clock = new ManualClock(1_000_000)
      const store = await openStore({ clock, leaseTtlMs: 30_000 })
      const before = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'd') })
      const left = await before.runStarted({ nodes: ['a', 'b'], startedMs: 1 })
      await before.attemptStarted({ node: 'a', attempt: 1, startedMs: 1 })

      clock.advance(31_000)
      const after = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'd') })
      await after.runStarted({ nodes: ['a', 'b'], startedMs: 2 })

      const run = await store.runs.show(left)
      expect(run).toMatchObject({ state: 'abandoned', endedMs: 2, error: { code: 'INTERRUPTED' } })
      expect(run.error?.message).toContain(`process ${process.pid} on `)
      expect(run.attempts.map(({ state }) => state)).toEqual(['abandoned', 'abandoned'])
      const late = before.nodeEnded({ node: 'a', attempt: 1, state: 'succeeded', endedMs: 3 })
      await expect(late).rejects.toSatisfy(code('LEASE_LOST'))
      await expect(before.runEnded({ state: 'succeeded', endedMs: 3 })).rejects.toSatisfy(code('LEASE_LOST'))
    })

    it('refuses what a process writes that slept past its lease, though nobody has taken it', async () => {
      const clock = new ManualClock(1_000_000)
      const store = await openStore({ clock, leaseTtlMs: 30_000 })
      const lease = await leaseOf(store, 'd')
      const sleeper = store.runs.recorder({ dag: 'd', trigger: 'manual', lease })
      const id = await sleeper.runStarted({ nodes: ['a'], startedMs: 1 })
      clock.advance(31_000)
      await store.runs.closeOrphans()
      await store.leases.renew(lease)

      const late = sleeper.attemptStarted({ node: 'a', attempt: 1, startedMs: 2 })

      await expect(late).rejects.toSatisfy(code('LEASE_LOST'))
      expect((await store.runs.show(id)).state).toBe('abandoned')
    })

    it('closes orphans, and leaves alone what a living process is at', async () => {
      const store = await openStore()
      const alive = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: await leaseOf(store, 'alive') })
      const aliveId = await alive.runStarted({ nodes: [], startedMs: 1 })
      const { child, said, gone } = inChild(`
        const { lease } = await store.leases.acquire('dead')
        const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease })
        console.log(await recorder.runStarted({ nodes: ['a'], startedMs: 1 }))`)
      const deadId = Number(await said)
      expect(await store.runs.closeOrphans()).toEqual([])

      child.kill('SIGKILL')
      await gone
      const closed = await store.runs.closeOrphans()

      expect(closed.map(({ id, state }) => ({ id, state }))).toEqual([{ id: deadId, state: 'abandoned' }])
      expect((await store.runs.show(aliveId)).state).toBe('running')
    })
  })

  describe(`run store contract, leases: ${adapter}`, () => {
    it('gives a lease to exactly one of many who race for it', async () => {
      const stores = await Promise.all([openStore(), openStore(), openStore()])

      const outcomes = await Promise.all(
        stores.flatMap((store) => Array.from({ length: 4 }, () => store.leases.acquire('batch'))),
      )

      expect(outcomes.filter((outcome) => outcome.kind === 'acquired')).toHaveLength(1)
    })

    it('gives each holder a higher fencing token than the one before', async () => {
      const store = await openStore()
      const first = await leaseOf(store, 'batch')
      await store.leases.release(first)
      const second = await leaseOf(store, 'batch')

      await store.leases.release(first)

      expect(second.fencingToken).toBeGreaterThan(first.fencingToken)
      expect(await store.leases.renew(first)).toBe(false)
      expect(await store.leases.renew(second)).toBe(true)
    })

    it('lets an expired lease be taken, and a renewed one not', async () => {
      const clock = new ManualClock(1_000_000)
      const store = await openStore({ clock, leaseTtlMs: 10_000 })
      const lease = await leaseOf(store, 'batch')
      clock.advance(9_000)
      await store.leases.renew(lease)
      clock.advance(9_000)

      const whileItLasts = await store.leases.acquire('batch')
      clock.advance(1_000)
      const afterwards = await store.leases.acquire('batch')

      expect(whileItLasts).toMatchObject({ kind: 'held', holder: { owner: lease.owner } })
      expect(afterwards.kind).toBe('acquired')
    })

    it('takes over at once from a process of this machine that was killed', async () => {
      const store = await openStore()
      const { child, said, gone } = inChild(`console.log((await store.leases.acquire('batch')).kind)`)
      expect(await said).toBe('acquired')
      expect((await store.leases.acquire('batch')).kind).toBe('held')

      child.kill('SIGKILL')
      await gone

      expect((await store.leases.acquire('batch')).kind).toBe('acquired')
    })

    it('names the holder and its run to those who do not wait', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'batch')
      const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease })
      const runId = await recorder.runStarted({ nodes: [], startedMs: 1 })

      const other = store.leases.withLease('batch', async () => 'in')

      await expect(other).rejects.toSatisfy(
        (error) =>
          isLakeError(error, 'RUN_BUSY') &&
          error.message.includes(`process ${process.pid}`) &&
          error.message.includes(`run ${runId}`),
      )
    })

    it('lets one who waits in when the holder is done, and tells it once for whom it waits', async () => {
      const store = await openStore()
      const waitedFor: string[] = []
      const order: string[] = []
      let finish: () => void = () => undefined
      const finished = new Promise<void>((resolve) => {
        finish = resolve
      })
      let begin: () => void = () => undefined
      const begun = new Promise<void>((resolve) => {
        begin = resolve
      })
      const first = store.leases.withLease('batch', async () => {
        begin()
        await finished
        order.push('first')
      })
      await begun

      const second = store.leases.withLease('batch', async () => void order.push('second'), {
        wait: true,
        onWait: ({ owner }) => {
          waitedFor.push(owner)
          finish()
        },
      })
      await Promise.all([first, second])

      expect(order).toEqual(['first', 'second'])
      expect(waitedFor).toHaveLength(1)
    })

    it('tells one who waits which run it waits for, as soon as there is one', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'batch')
      const stop = new AbortController()
      const told: (number | undefined)[] = []
      const began: number[] = []

      const waiting = store.leases.withLease('batch', async () => undefined, {
        wait: true,
        signal: stop.signal,
        onWait: ({ runId }) => {
          told.push(runId)
          if (runId !== undefined) stop.abort(new Error('stop'))
          else
            void store.runs
              .recorder({ dag: 'd', trigger: 'manual', lease })
              .runStarted({ nodes: ['a'], startedMs: 1 })
              .then((id) => began.push(id))
        },
      })

      await expect(waiting).rejects.toThrow('stop')
      expect(told).toEqual([undefined, ...began])
    })

    it('lets a process that waits go before one that yields, also if the other came first and asks at once', async () => {
      const store = await openStore()
      const order: string[] = []
      let isWaitedFor = (): void => undefined
      const waited = new Promise<void>((resolve) => {
        isWaitedFor = resolve
      })
      let fresh: Promise<void> | undefined
      for (const part of [1, 2, 3]) {
        await store.leases.withLease(
          'batch',
          async () => {
            order.push(`part ${part}`)
            if (part !== 1) return
            fresh = store.leases.withLease('batch', async () => void order.push('fresh'), {
              wait: true,
              onWait: isWaitedFor,
            })
            await waited
          },
          { wait: true, yields: true },
        )
      }
      await fresh

      expect(order).toEqual(['part 1', 'fresh', 'part 2', 'part 3'])
    })

    it('yields to nobody once the process that waited was killed, or has given up', async () => {
      const store = await openStore()
      await store.leases.withLease('batch', async () => {
        const { child, said, gone } = inChild(
          `void store.leases.withLease('batch', async () => undefined, { wait: true, onWait: () => console.log('waiting') })`,
        )
        expect(await said).toBe('waiting')
        child.kill('SIGKILL')
        await gone
        const giveUp = new AbortController()
        await expect(
          store.leases.withLease('batch', async () => undefined, {
            wait: true,
            signal: giveUp.signal,
            onWait: () => giveUp.abort(new Error('given up')),
          }),
        ).rejects.toThrow('given up')
      })

      await store.leases.withLease('batch', async () => undefined, {
        wait: true,
        yields: true,
        signal: AbortSignal.timeout(5_000),
      })
    })

    it('stops waiting when aborted', async () => {
      const store = await openStore()
      await leaseOf(store, 'batch')
      const stop = new AbortController()

      const waiting = store.leases.withLease('batch', async () => 'in', {
        wait: true,
        signal: stop.signal,
        onWait: () => stop.abort(new Error('stop')),
      })

      await expect(waiting).rejects.toThrow('stop')
    })

    it('keeps a lease beyond its time while the work goes on', async () => {
      const store = await openStore({ leaseTtlMs: 10_000 })
      const other = await openStore()
      const expiresMs = async (): Promise<number> => {
        const outcome = await other.leases.acquire('batch')
        if (outcome.kind !== 'held') throw new Error('the lease was free')
        return outcome.holder.expiresMs
      }

      await store.leases.withLease('batch', async () => {
        const firstMs = await expiresMs()
        await until(async () => (await expiresMs()) > firstMs)
      })
    })

    it('aborts the work when the lease is taken from it', async () => {
      const store = await openStore({ leaseTtlMs: 300 })
      const clock = new ManualClock(Date.now() + 3_600_000)
      const future = await openStore({ clock })

      const work = store.leases.withLease('batch', async ({ signal }) => {
        expect((await future.leases.acquire('batch')).kind).toBe('acquired')
        await until(async () => signal.aborted)
        signal.throwIfAborted()
      })

      await expect(work).rejects.toSatisfy(code('LEASE_LOST'))
      expect((await future.leases.acquire('batch')).kind).toBe('held')
    })
  })

  describe(`run store contract, ticks: ${adapter}`, () => {
    const claim = { tickMs: 86_400_000, kind: 'schedule', missed: 0 } as const

    it('runs a tick once, whichever process notices it', async () => {
      const [store, other] = [await openStore(), await openStore()]
      let count = 0

      const outcomes = await Promise.all(
        [store, other, store, other, store].map(({ ticks }) =>
          ticks.once('daily', claim, async () => void count++),
        ),
      )

      expect(count).toBe(1)
      expect(outcomes.filter((outcome) => outcome === 'ran')).toHaveLength(1)
      expect(await store.ticks.once('daily', claim, async () => void count++)).toBe('settled')
    })

    it('knows the newest tick of each schedule, a baseline among them', async () => {
      const store = await openStore()
      await store.ticks.baseline('daily', 5)
      await store.ticks.baseline('daily', 5)
      await store.ticks.once('hourly', { ...claim, tickMs: 7 }, async () => undefined)

      expect(await store.ticks.latest('daily')).toBe(5)
      expect(await store.ticks.latest('hourly')).toBe(7)
      expect(await store.ticks.latest('weekly')).toBeUndefined()
    })

    it('counts a tick as made when its run failed', async () => {
      const store = await openStore()

      const failing = store.ticks.once('daily', claim, () => Promise.reject(new Error('no')))

      await expect(failing).rejects.toThrow('no')
      expect(await store.ticks.once('daily', claim, async () => undefined)).toBe('settled')
    })

    it.each([
      'LEASE_LOST',
      'RUNSTORE_UNAVAILABLE',
    ] as const)('runs a tick again whose run ended with %s: nobody knows how far it came', async (cutBy) => {
      const store = await openStore()

      const cut = store.ticks.once('daily', claim, () => Promise.reject(new LakeError(cutBy, 'gone')))

      await expect(cut).rejects.toThrow('gone')
      expect(await store.ticks.once('daily', claim, async () => undefined)).toBe('ran')
    })

    it('runs a tick again whose run was interrupted', async () => {
      const store = await openStore()

      const stopped = store.ticks.once('daily', claim, () =>
        Promise.reject(new LakeError('INTERRUPTED', 'told to end')),
      )

      await expect(stopped).rejects.toSatisfy(code('INTERRUPTED'))
      expect(await store.ticks.latest('daily')).toBeUndefined()
      expect(await store.ticks.begun('daily', claim.tickMs - 1)).toBe(claim.tickMs)
      expect(await store.ticks.begun('daily', claim.tickMs)).toBeUndefined()
      expect(await store.ticks.once('daily', claim, async () => undefined)).toBe('ran')
      expect(await store.ticks.begun('daily', 0)).toBeUndefined()
    })

    it('runs a tick again whose process was killed in its midst', async () => {
      const store = await openStore()
      const { child, said, gone } = inChild(`
        void store.ticks.once('daily', ${JSON.stringify(claim)}, async () => {
          console.log('in')
          await new Promise(() => undefined)
        })`)
      expect(await said).toBe('in')
      const whileItRuns = await store.ticks.once('daily', claim, async () => undefined)

      child.kill('SIGKILL')
      await gone

      expect(whileItRuns).toBe('busy')
      expect(await store.ticks.latest('daily')).toBeUndefined()
      expect(await store.ticks.once('daily', claim, async () => undefined)).toBe('ran')
    })
  })

  describe(`run store contract, opening: ${adapter}`, () => {
    it('makes its tables once when several processes start at once, some of which are killed in the midst', async () => {
      const killedAfterMs = [0, 8]
      const doomed = killedAfterMs.map(() => inChild(`console.log('open')`, `console.log('about to open')`))
      const other = inChild(`console.log('open')`)

      for (const [at, { child, said, gone }] of doomed.entries()) {
        await said
        await sleep(killedAfterMs[at])
        child.kill('SIGKILL')
        await gone
      }

      expect(await other.said).toBe('open')
      expect(await (await openStore()).runs.list()).toEqual([])
    })

    it('owns its leases as a process that can be found', async () => {
      const store = await openStore()

      const lease = await leaseOf(store, 'batch')

      expect(lease.owner.split(':').slice(0, 2)).toEqual(formatOwner(newOwner()).split(':').slice(0, 2))
    })
  })

  describe(`the ledger in ${adapter}`, () => {
    const subjects = ['a', 'b', 'a']

    it('keeps every entry, and knows the newest of each subject', async () => {
      const store = await openStore()
      for (const [n, subject] of subjects.entries())
        await store.ledger.append([{ subject, content: { n } }], { runId: 7 })

      const newest = await store.ledger.newest()

      expect(
        [...newest]
          .map(([subject, { sequence, runId, content }]) => [subject, sequence, runId, content])
          .sort(),
      ).toEqual([
        ['a', 3, 7, { n: 2 }],
        ['b', 2, 7, { n: 1 }],
      ])
      expect(await store.ledger.verify()).toEqual({ entries: 3 })
    })

    it('gives each entry a number of its own, if two processes add at once', async () => {
      const [one, other] = [await openStore(), await openStore()]
      await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          (n % 2 === 0 ? one : other).ledger.append([
            { subject: `s${n}`, content: n },
            { subject: `t${n}`, content: n },
          ]),
        ),
      )

      expect(await one.ledger.verify()).toEqual({ entries: 20 })
    })
  })

  describe(`releases in ${adapter}`, () => {
    const tables = { gold: { version: 3, commit: 'c3', id: 'table' } }

    it('shows the newest one, each by its number, and the release of a run', async () => {
      const { releases } = await openStore()
      expect(await releases.newest()).toBeUndefined()
      const first = await releases.publish({ runId: 4, tables })
      const second = await releases.publish({ runId: 9, tables: {} })

      expect(second.id).toBeGreaterThan(first.id)
      expect(await releases.newest()).toEqual(second)
      expect(await releases.show(first.id)).toEqual({ ...first, runId: 4, tables })
      expect((await releases.list()).map(({ id }) => id)).toEqual([second.id, first.id])
      expect([...(await releases.ofRuns([4, 5]))]).toEqual([[4, first.id]])
      await expect(releases.show(99)).rejects.toSatisfy(code('RELEASE_MISSING'))
    })

    it('refuses what a run publishes after another has taken its lease', async () => {
      const store = await openStore()
      const slept = await leaseOf(store, 'batch')
      await store.leases.release(slept)
      const lease = await leaseOf(store, 'batch')
      const newer = await store.releases.publish({ runId: 2, tables }, { lease })

      await expect(store.releases.publish({ runId: 1, tables: {} }, { lease: slept })).rejects.toSatisfy(
        code('LEASE_LOST'),
      )
      expect(await store.releases.newest()).toEqual(newer)
    })
  })

  describe(`results of checks in ${adapter}`, () => {
    it('keeps each result, and knows the newest of each check and day', async () => {
      const { checks } = await openStore()
      const result = { table: 't', check: 'c', date: '2026-01-31', content: {} } as const
      await checks.append([
        { ...result, state: 'failed' },
        { table: 't', check: 'whole', state: 'passed', content: 1 },
      ])
      await checks.append([{ ...result, state: 'passed' }], { runId: 3 })

      expect(
        (await checks.newest('t')).map(({ check, date, state, runId }) => [check, date, state, runId]).sort(),
      ).toEqual([
        ['c', '2026-01-31', 'passed', 3],
        ['whole', undefined, 'passed', undefined],
      ])
      expect((await checks.list({ check: 'c' })).map(({ state }) => state)).toEqual(['passed', 'failed'])
    })
  })

  describe(`candidates in ${adapter}`, () => {
    it('keeps what a run has made and not published, once for each table, newest run first', async () => {
      const { candidates } = await openStore()
      await candidates.keep({ runId: 3, table: 't', rows: 1, content: { files: ['a'] } })
      await candidates.keep({ runId: 3, table: 't', rows: 2, content: { files: ['b'] } })
      await candidates.keep({ runId: 10, table: 't', rows: 3, content: null })
      await candidates.keep({ runId: 3, table: 'u', rows: 4, content: null })

      const found = async (filter?: CandidateFilter): Promise<unknown> =>
        (await candidates.list(filter)).map(({ runId, table, rows }) => [runId, table, rows])

      expect(await candidates.list({ runId: 3, table: 't' })).toEqual([
        { runId: 3, table: 't', rows: 2, content: { files: ['b'] }, refusedMs: expect.any(Number) },
      ])
      expect(await found()).toEqual([
        [10, 't', 3],
        [3, 't', 2],
        [3, 'u', 4],
      ])
      expect(await found({ table: 't' })).toEqual([
        [10, 't', 3],
        [3, 't', 2],
      ])
      expect(await found({ runId: 4 })).toEqual([])
    })

    it('says since when the files of one are gone, and of that one alone', async () => {
      const { candidates } = await openStore()
      for (const table of ['t', 'u']) await candidates.keep({ runId: 3, table, rows: 1, content: null })

      await candidates.vacuumed({ runId: 3, table: 't' })
      const [first, other] = await candidates.list()
      await candidates.vacuumed({ runId: 3, table: 't' })

      expect(first?.vacuumedMs).toBeGreaterThanOrEqual(first?.refusedMs ?? Number.NaN)
      expect(other).not.toHaveProperty('vacuumedMs')
      expect((await candidates.list({ table: 't' }))[0]).toEqual(first)
    })
  })
}
