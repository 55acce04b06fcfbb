/** Which messages are replayed, and where they are now, in any database. */
import { describe, expect, it } from 'vitest'
import { code, type Stores } from '../control/stores.fixture.ts'

export function describeReplays({ adapter, openStore, leaseOf }: Stores): void {
  describe(`run store contract, replays of messages: ${adapter}`, () => {
    const begun = { topic: 't', actor: 'ann on lap', note: 'torn é 😀', content: { where: null } }
    const place = (offset: number, appendedMs = 1_000) => ({
      partition: 0,
      offset: BigInt(offset),
      appendedMs,
    })
    const logEnds = new Map([
      [0, 7n],
      [1, 9_007_199_254_740_993n],
    ])

    it('shows who replayed what and why, and what came of it', async () => {
      const { replays } = await openStore()
      const first = await replays.begin(begun)
      const second = await replays.begin({ ...begun, note: 'again' })
      await replays.end(first, { sent: 3 })

      expect(await replays.show(first)).toEqual({
        ...begun,
        id: first,
        startedMs: expect.any(Number),
        endedMs: expect.any(Number),
        outcome: { sent: 3 },
      })
      expect((await replays.list({ limit: 2 })).map(({ id }) => id)).toEqual([second, first])
      expect((await replays.list({ limit: 1 }))[0]).not.toHaveProperty('endedMs')
      await expect(replays.show(99)).rejects.toSatisfy(code('RUN_MISSING'))
    })

    it('knows an intended message until it is confirmed, and forgets one that is withdrawn', async () => {
      const [store, other] = [await openStore(), await openStore()]
      const lease = await leaseOf(store, 'replay')
      const replay = await store.replays.begin(begun)
      await store.replays.intend({ lease, replay, topic: 't', places: [place(1), place(2)], logEnds })

      expect(await other.replays.messages({ topic: 't' })).toEqual([
        { from: place(1), replay, logEnds },
        { from: place(2), replay, logEnds },
      ])

      const to = { partition: 1, offset: 9n, appendedMs: 2_000 }
      await other.replays.confirm('t', [{ from: place(1), to }])
      await other.replays.withdraw('t', [place(1), place(2)])

      expect(await store.replays.messages({ topic: 't', replay })).toEqual([
        { from: place(1), replay, logEnds, to },
      ])
      expect(await store.replays.messages({ topic: 'T' })).toEqual([])
    })

    it('finds a message by where it was and by where it is, each log by its times', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'replay')
      const replay = await store.replays.begin(begun)
      const places = [place(1, 1_000), place(1, 5_000)]
      await store.replays.intend({ lease, replay, topic: 't', places, logEnds })
      await store.replays.confirm('t', [{ from: place(1, 5_000), to: place(8) }])

      const there = await store.replays.at('t', place(8))
      const here = await store.replays.at('t', place(1))

      expect(there.to.map(({ from }) => from)).toEqual([place(1, 5_000)])
      expect(there.from).toEqual([])
      expect(here.from.map(({ to }) => to)).toEqual(expect.arrayContaining([undefined, place(8)]))
    })

    it('refuses to send a message a second time, and lets nobody send who has lost the lease', async () => {
      const store = await openStore()
      const lease = await leaseOf(store, 'replay')
      const [first, second] = [await store.replays.begin(begun), await store.replays.begin(begun)]
      const many = Array.from({ length: 250 }, (_, at) => place(at))
      await store.replays.intend({ lease, replay: first, topic: 't', places: many, logEnds })

      await expect(
        store.replays.intend({ lease, replay: second, topic: 't', places: [place(300), place(7)], logEnds }),
      ).rejects.toSatisfy(code('BUG'))
      await store.leases.release(lease)
      await leaseOf(store, 'replay')
      await expect(
        store.replays.intend({ lease, replay: second, topic: 't', places: [place(301)], logEnds }),
      ).rejects.toSatisfy(code('LEASE_LOST'))

      expect(await store.replays.messages({ topic: 't' })).toHaveLength(250)
    })
  })
}
