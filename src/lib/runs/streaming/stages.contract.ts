/** What is told of streaming stages, and how they are paused, in any database. */
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../base/clock.ts'
import type { Stores } from '../control/stores.fixture.ts'
import { formatOwner, newOwner } from '../owner.ts'

export function describeStages({ adapter, openStore, inChild }: Stores): void {
  describe(`run store contract, streaming stages: ${adapter}`, () => {
    const report = (stage: string, content = {}, owner = formatOwner(newOwner())) => ({
      owner,
      stage,
      content,
      hasEnded: false,
    })

    it('shows the last report of each process, with its age by the clock of the store', async () => {
      const clock = new ManualClock(1_000_000)
      const [store, other] = [await openStore({ clock }), await openStore({ clock })]
      const landing = report('landing', { next: 9_007_199_254_740_993n, text: 'é 😀' })
      await store.stages.report({ ...landing, content: { next: 1 } })
      clock.advance(5_000)
      await store.stages.report(landing)
      await store.stages.report(report('realtime'))
      clock.advance(2_500)

      expect(await other.stages.list()).toMatchObject([
        {
          stage: 'landing',
          content: { next: 9_007_199_254_740_993n, text: 'é 😀' },
          startedMs: 1_000_000,
          heardMs: 1_005_000,
          silentMs: 2_500,
          pid: process.pid,
          isDead: false,
          hasEnded: false,
        },
        { stage: 'realtime' },
      ])
    })

    it('shows the newest process of a stage first, and forgets one that was silent for a week', async () => {
      const clock = new ManualClock(1_000_000)
      const store = await openStore({ clock })
      await store.stages.report(report('landing', { of: 'first' }))
      clock.advance(6 * 86_400_000)
      await store.stages.report(report('landing', { of: 'second' }))
      const before = await store.stages.list()
      clock.advance(2 * 86_400_000)
      await store.stages.report(report('landing', { of: 'third' }))

      expect(before.map(({ content }) => content)).toEqual([{ of: 'second' }, { of: 'first' }])
      expect((await store.stages.list()).map(({ content }) => content)).toEqual([
        { of: 'third' },
        { of: 'second' },
      ])
    })

    it('knows a killed process of this machine from one that has ended in order', async () => {
      const store = await openStore()
      const { child, said, gone } = inChild(
        `await store.stages.report({ owner: \`h:\${process.pid}:\${machine}.\${started}.r\`, stage: 'landing', content: {}, hasEnded: false })
        console.log('told')`,
        `import { readFileSync } from 'node:fs'
        const stat = readFileSync('/proc/self/stat', 'utf8')
        const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
        const machine = ${JSON.stringify(newOwner().machine)}`,
      )
      await said
      const before = await store.stages.list()
      child.kill('SIGKILL')
      await gone
      await store.stages.report({ ...report('realtime'), hasEnded: true })

      expect(before).toMatchObject([{ stage: 'landing', isDead: false }])
      expect(await store.stages.list()).toMatchObject([
        { stage: 'landing', isDead: true, hasEnded: false },
        { stage: 'realtime', isDead: false, hasEnded: true },
      ])
    })

    it('pauses a stage for all processes until it is resumed, and keeps the first reason', async () => {
      const clock = new ManualClock(1_000)
      const [store, other] = [await openStore({ clock }), await openStore({ clock })]
      expect(await store.stages.report(report('landing'))).toBeUndefined()

      const paused = await other.stages.pause('landing', 'the bucket moves')
      clock.advance(1_000)
      const again = await other.stages.pause('landing', 'another reason')

      expect(paused).toEqual({ stage: 'landing', pausedMs: 1_000, reason: 'the bucket moves' })
      expect(again).toEqual(paused)
      expect(await store.stages.report(report('landing'))).toEqual(paused)
      expect(await store.stages.report(report('realtime'))).toBeUndefined()
      expect(await store.stages.pauses()).toEqual([paused])
      expect(await other.stages.resume('landing')).toEqual(paused)
      expect(await other.stages.resume('landing')).toBeUndefined()
      expect(await store.stages.report(report('landing'))).toBeUndefined()
    })

    it('is paused once where many processes pause it at once', async () => {
      const stores = await Promise.all(Array.from({ length: 4 }, () => openStore()))

      const paused = await Promise.all(stores.map((store, n) => store.stages.pause('landing', `reason ${n}`)))

      const [stored] = (await stores[0]?.stages.pauses()) ?? []
      expect(paused.map(({ reason }) => reason)).toEqual(paused.map(() => stored?.reason))
    })
  })
}
