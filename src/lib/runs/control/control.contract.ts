/** A run from its request to its end, and backfills, in any database. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../base/clock.ts'
import { LakeError } from '../../base/errors.ts'
import { code, type Stores } from './stores.fixture.ts'
import { withRun } from './with-run.ts'

export function describeRequests({ adapter, openStore, leaseOf }: Stores): void {
  describe(`run store contract, runs from request to end: ${adapter}`, () => {
    const request = { dag: 'd', trigger: 'manual' } as const
    const untilAborted = (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    const until = async <T>(ask: () => Promise<T | undefined>): Promise<T> => {
      for (;;) {
        const found = await ask()
        if (found !== undefined) return found
        await sleep(20)
      }
    }

    it('ends a run in order when another process asks for that', async () => {
      const [store, other] = [await openStore(), await openStore()]
      const running = withRun(store, request, async ({ recorder, signal }) => {
        const mine = recorder({ parameters: { a: 1 } })
        const id = await mine.runStarted({ nodes: [], startedMs: 1 })
        await untilAborted(signal)
        await mine.runEnded({ state: 'cancelled', endedMs: 2 })
        return { id, reason: signal.reason }
      })
      const [run] = await until(async () => {
        const found = await other.runs.list({ states: ['running'] })
        return found.length > 0 ? found : undefined
      })

      await other.runs.requestCancel(run?.id ?? 0)

      const { id, reason } = await running
      expect(reason).toMatchObject({ code: 'RUN_CANCELLED', details: { runId: id } })
      expect(await other.runs.show(id)).toMatchObject({ state: 'cancelled', parameters: { a: 1 } })
    })

    it('records what failed before a task was planned', async () => {
      const store = await openStore()
      const failing = withRun(store, { ...request, trigger: 'schedule' }, () =>
        Promise.reject(new LakeError('STORE_REFUSED', 's3://lake: access denied')),
      )

      await expect(failing).rejects.toSatisfy(code('STORE_REFUSED'))
      expect(await store.runs.list()).toMatchObject([
        {
          trigger: 'schedule',
          state: 'failed',
          error: { code: 'STORE_REFUSED', message: 's3://lake: access denied' },
          attempts: [],
        },
      ])
    })

    it('waits on under a new number if it was taken for dead while its machine slept', async () => {
      const [store, other] = [await openStore(), await openStore()]
      const lease = await leaseOf(store, 'd')
      const clock = new ManualClock(1_000_000)
      const waiting = withRun(
        other,
        request,
        async ({ recorder }) => {
          const mine = recorder()
          const id = await mine.runStarted({ nodes: [], startedMs: 1 })
          await mine.runEnded({ state: 'succeeded', endedMs: 2 })
          return id
        },
        { clock },
      )
      const first = await until(async () => (await store.runs.list({ states: ['queued'] }))[0])
      // As another process closes it after half a minute without a sign of life.
      await other.runs.leaveQueue({ id: first.id, token: '' }, new LakeError('INTERRUPTED', 'silent'))

      clock.advance(60_000)
      const second = await until(async () => (await store.runs.list({ states: ['queued'] }))[0])
      await store.leases.release(lease)

      expect(second.id).toBeGreaterThan(first.id)
      expect(await waiting).toBe(second.id)
    })

    it('shows a run that waits as queued, and lets it be cancelled before its turn', async () => {
      const [store, other] = [await openStore(), await openStore()]
      let letGo: () => void = () => undefined
      const first = withRun(store, request, async ({ recorder }) => {
        const mine = recorder()
        await mine.runStarted({ nodes: [], startedMs: 1 })
        await new Promise<void>((resolve) => {
          letGo = resolve
        })
        await mine.runEnded({ state: 'succeeded', endedMs: 2 })
      })
      await until(async () => (await other.runs.list({ states: ['running'] }))[0])
      const begun: number[] = []
      const begin = (): Promise<void> =>
        withRun(other, { ...request, trigger: 'retry', firstRun: 1 }, async ({ recorder }) => {
          const mine = recorder()
          begun.push(await mine.runStarted({ nodes: [], startedMs: 3 }))
          await mine.runEnded({ state: 'succeeded', endedMs: 4 })
        })
      const dropped = begin()
      dropped.catch(() => undefined)
      const queued = await until(async () => (await store.runs.list({ states: ['queued'] }))[0])
      await store.runs.requestCancel(queued.id)
      await expect(dropped).rejects.toSatisfy(code('RUN_CANCELLED'))
      const waiting = begin()
      const next = await until(async () => (await store.runs.list({ states: ['queued'] }))[0])

      letGo()
      await Promise.all([first, waiting])

      expect(queued).toMatchObject({ trigger: 'retry', firstRun: 1 })
      expect((await store.runs.show(queued.id)).state).toBe('cancelled')
      expect(begun).toEqual([next.id])
      expect((await store.runs.show(next.id)).state).toBe('succeeded')
    })
  })
}

export function describeBackfills({ adapter, openStore }: Stores): void {
  describe(`backfills in ${adapter}`, () => {
    const work = { dag: 'batch', from: '2026-01-01', to: '2026-02-01', tasks: ['a', 'b'] }

    it('are found again by their work until each day is made, with each day as it was recorded last', async () => {
      const { backfills } = await openStore()
      const error = { code: 'CHECK_FAILED', message: 'no "day"' }
      expect(await backfills.unfinished(work)).toBeUndefined()
      const { id, days } = await backfills.begin(work, ['2026-01-01', '2026-01-02'])
      expect(days).toEqual([
        { day: '2026-01-01', state: 'waiting' },
        { day: '2026-01-02', state: 'waiting' },
      ])
      await backfills.record(id, [{ day: '2026-01-02', state: 'failed', runId: 7, error }])
      await backfills.record(id, [
        { day: '2026-01-03', state: 'waiting' },
        { day: '2026-01-01', state: 'made', runId: 8 },
      ])

      expect(await (await openStore()).backfills.unfinished(work)).toEqual({
        ...work,
        id,
        startedMs: expect.any(Number),
        days: [
          { day: '2026-01-01', state: 'made', runId: 8 },
          { day: '2026-01-02', state: 'failed', runId: 7, error },
          { day: '2026-01-03', state: 'waiting' },
        ],
      })
      for (const other of [{ dag: 'x' }, { from: '2026-01-02' }, { to: '2026-02-02' }, { tasks: [] }]) {
        expect(await backfills.unfinished({ ...work, ...other })).toBeUndefined()
      }
      await backfills.record(id, [
        { day: '2026-01-02', state: 'made', runId: 9 },
        { day: '2026-01-03', state: 'made', runId: 9 },
      ])
      expect(await backfills.unfinished(work)).toBeUndefined()
      expect((await backfills.show(id)).days.map(({ runId }) => runId)).toEqual([8, 9, 9])
    })

    it('hold ten years of days', async () => {
      const { backfills } = await openStore()
      const days = Array.from({ length: 3_660 }, (_, n) =>
        new Date(Date.UTC(2020, 0, 1 + n)).toISOString().slice(0, 10),
      )
      const { id } = await backfills.begin(work, days)
      await backfills.record(
        id,
        days.map((day) => ({ day, state: 'made', runId: 1 })),
      )

      const found = (await backfills.show(id)).days
      expect(found.map(({ day }) => day)).toEqual(days)
      expect(new Set(found.map(({ state }) => state))).toEqual(new Set(['made']))
    })

    it('say which one is missing', async () => {
      const { backfills } = await openStore()

      await expect(backfills.show(99)).rejects.toSatisfy(code('RUN_MISSING'))
    })
  })
}
