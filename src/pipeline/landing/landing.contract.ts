import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../lib/base/clock.ts'
import { isLakeError, LakeError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { DeltaTable } from '../../lib/delta/index.ts'
import { commitKey, version } from '../../lib/delta/testing/inside.fixture.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog, type MemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { MemoryStore } from '../../lib/storage/store.memory.ts'
import type { ObjectStore, PutOutcome } from '../../lib/storage/store.ts'
import { type LandingOptions, type LandingReport, land } from './landing.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const event = (id: string, overrides: object = {}): string =>
  JSON.stringify({
    event_id: id,
    user_id: 7,
    event_type: 'click',
    page: '/home',
    timestamp: '2026-11-20T10:00:00Z',
    source: 'web',
    ...overrides,
  })

interface Lake extends AsyncDisposable {
  readonly log: MemoryEventLog
  readonly stores: { readonly events: MemoryStore; readonly rejected: MemoryStore }
  readonly send: (...values: readonly (string | Uint8Array | null)[]) => Promise<void>
  readonly drain: (options?: Partial<LandingOptions>) => Promise<LandingReport>
  /** `partition/offset` of each row of both tables, sorted. */
  readonly places: (table: 'events' | 'rejected') => Promise<readonly string[]>
  readonly sent: () => Promise<readonly string[]>
}

async function openLake(): Promise<Lake> {
  const log = createMemoryEventLog({ topic: 'user-events' })
  const stores = { events: await MemoryStore.open(), rejected: await MemoryStore.open() }
  const tableOn = (store: ObjectStore): DeltaTable => new DeltaTable({ store, duckdb })
  return {
    log,
    stores,
    send: (...values) =>
      log.append(
        values.map((value, index) => ({
          key: Buffer.from(`user-${index}`),
          value: typeof value === 'string' ? Buffer.from(value) : value,
        })),
      ),
    drain: (options = {}) =>
      land({
        log,
        tables: { events: tableOn(stores.events), rejected: tableOn(stores.rejected) },
        duckdb,
        triggerMs: 1_000,
        maxRows: 4,
        drain: true,
        ...options,
      }),
    places: async (name) => {
      const table = tableOn(stores[name])
      const rows = await duckdb.use(async (session) => {
        const select = await table.scan(session, await table.snapshot())
        return await session.rows(`select kafka_partition || '/' || kafka_offset as place from (${select})`)
      })
      return rows.map((row) => String(row['place'])).sort()
    },
    sent: async () =>
      (await log.partitions())
        .flatMap(({ partition, end }) => Array.from({ length: Number(end) }, (_, at) => `${partition}/${at}`))
        .sort(),
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      await stores.events[Symbol.asyncDispose]()
      await stores.rejected[Symbol.asyncDispose]()
    },
  }
}

const mixed = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => (n % 5 === 4 ? `{"broken": ${n}` : event(`e${n}`)))

/** @param extent `short` leaves out what repeats a promise in rarer cases. */
export function describeLanding(extent: 'short' | 'whole'): void {
  describe('land(options)', () => {
    it('lands each offset once, events and rejects together, and nothing more when run again', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(23), null, '')

      const report = await lake.drain()
      const again = await lake.drain()

      expect(report).toMatchObject({ events: 19, rejected: 6 })
      expect(again).toEqual({ events: 0, rejected: 0, commits: 0 })
      expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
        await lake.sent(),
      )
    })

    it('keeps the bytes, key, headers, place and reasons of what it rejects', async () => {
      await using lake = await openLake()
      await lake.log.append([
        {
          key: Buffer.from([1, 255]),
          value: Buffer.from([0x7b, 0xff]),
          headers: [
            { key: 'trace', value: Buffer.from('a') },
            { key: 'trace', value: null },
          ],
        },
      ])

      await lake.drain()

      const table = new DeltaTable({ store: lake.stores.rejected, duckdb })
      const rows = await duckdb.use(async (session) =>
        session.rows(await table.scan(session, await table.snapshot())),
      )
      expect(rows).toMatchObject([
        {
          raw: Buffer.from([0x7b, 0xff]),
          key: Buffer.from([1, 255]),
          headers: [
            { key: 'trace', value: Buffer.from('a') },
            { key: 'trace', value: null },
          ],
          reasons: ['utf8_invalid'],
          kafka_topic: 'user-events',
          kafka_offset: 0n,
        },
      ])
    })

    it('loses and doubles nothing when it dies between any two commits', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(30))

      for (let dieAt = 1; dieAt < 16; dieAt++) {
        const failing = dyingAfter(dieAt % 4)
        await lake
          .drain({
            tables: {
              events: new DeltaTable({ store: failing(lake.stores.events), duckdb }),
              rejected: new DeltaTable({ store: failing(lake.stores.rejected), duckdb }),
            },
          })
          .catch((error: unknown) => {
            if (!isLakeError(error, 'STORE_REFUSED')) throw error
          })
      }
      await lake.drain()

      expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
        await lake.sent(),
      )
    })

    it('lets two run at once on the same messages', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(30))

      await Promise.all([lake.drain(), lake.drain(), lake.drain({ maxRows: 7 })])

      expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
        await lake.sent(),
      )
    })

    if (extent === 'whole') {
      it('makes one file of the many of a day, and lands on beside that', async () => {
        await using lake = await openLake()
        await lake.send(...mixed(60))

        await lake.drain({ compactFrom: 4 })
        const [events, rejected] = await Promise.all(
          [lake.stores.events, lake.stores.rejected].map((store) =>
            new DeltaTable({ store, duckdb }).snapshot(),
          ),
        )

        expect(events?.files.length).toBeLessThan(10)
        expect(rejected?.files.length).toBeLessThan(10)
        expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
          await lake.sent(),
        )
        expect(await lake.drain({ compactFrom: 4 })).toMatchObject({ events: 0, rejected: 0 })
      })
    }

    it('lands no reject twice that another writer has landed right behind its own', async () => {
      await using lake = await openLake()
      await lake.drain()
      await lake.send(...mixed(40))
      const tableOn = (store: ObjectStore): DeltaTable => new DeltaTable({ store, duckdb })
      const overtake = once(async () => {
        // Lands the rejects of all that there is, and dies before its events.
        const tables = {
          events: tableOn(dyingAfter(0)(lake.stores.events)),
          rejected: tableOn(lake.stores.rejected),
        }
        await expect(lake.drain({ maxRows: 100, tables })).rejects.toThrow('killed')
      })
      const rejected = Object.assign(Object.create(lake.stores.rejected) as ObjectStore, {
        putIfAbsent: async (key: string, bytes: Uint8Array): Promise<PutOutcome> => {
          const outcome = await lake.stores.rejected.putIfAbsent(key, bytes)
          await overtake()
          return outcome
        },
      })

      await lake.drain({ tables: { events: tableOn(lake.stores.events), rejected: tableOn(rejected) } })

      expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
        await lake.sent(),
      )
    })

    it('comes to the end of partitions that end in a marker, be there messages before it or not', async () => {
      await using lake = await openLake()
      await lake.log.append(
        [1, 2, 3].map((n) => ({ key: Buffer.from('one partition'), value: Buffer.from(event(`e${n}`)) })),
      )
      lake.log.mark()

      const report = await lake.drain()
      const again = await lake.drain()

      expect(report).toMatchObject({ events: 3, rejected: 0 })
      expect(again).toEqual({ events: 0, rejected: 0, commits: 0 })
      expect(await lake.places('events')).toEqual(['1/0', '1/1', '1/2'])
    })

    it('says that retention was faster, also where a drain finds nothing left to read', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(9))
      await lake.drain()
      await lake.send(...mixed(9))
      lake.log.expire()

      await expect(lake.drain()).rejects.toMatchObject({
        code: 'EVENTLOG_GAP',
      })
    })

    it.each([
      0, 9,
    ])('goes on after an accepted gap, with %i messages left, and says in a commit what it skipped', async (left) => {
      await using lake = await openLake()
      await lake.send(...mixed(9))
      await lake.drain()
      const before = await lake.sent()
      const landedEnds = new Map((await lake.log.partitions()).map(({ partition, end }) => [partition, end]))
      await lake.send(...mixed(9))
      lake.log.expire()
      const gaps = (await lake.log.partitions())
        .map(({ partition, start }) => ({ partition, from: landedEnds.get(partition) ?? 0n, to: start }))
        .filter(({ from, to }) => to > from)
      if (left > 0) await lake.send(...mixed(left))
      const warnings: string[] = []
      const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) }

      const report = await lake.drain({ acceptGap: true, logger })
      const again = await lake.drain()

      expect(report.skipped).toEqual(gaps)
      expect(report.events + report.rejected).toBe(left)
      expect(again).toEqual({ events: 0, rejected: 0, commits: 0 })
      for (const { partition, from } of gaps) {
        expect(warnings.join()).toContain(`partition ${partition}: offset`)
        expect(warnings.join()).toContain(String(from))
      }
      const table = new DeltaTable({ store: lake.stores.events, duckdb })
      const recorded: unknown[] = []
      for await (const { operationParameters } of table.history()) {
        const skipped = operationParameters?.['skipped']
        if (skipped !== undefined) recorded.push(JSON.parse(String(skipped)))
      }
      expect(recorded).toEqual([
        gaps.map(({ partition, from, to }) => ({ partition, from: Number(from), to: Number(to) })),
      ])
      const isLost = (place: string): boolean => {
        const [partition, at] = place.split('/').map(Number)
        return gaps.some(
          (gap) => gap.partition === partition && gap.from <= Number(at) && Number(at) < gap.to,
        )
      }
      const held = (await lake.log.partitions()).flatMap(({ partition, start, end }) =>
        Array.from({ length: Number(end - start) }, (_, n) => `${partition}/${Number(start) + n}`),
      )
      expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
        [...before, ...held].filter((place) => !isLost(place)).sort(),
      )
    })

    if (extent === 'whole') {
      it('goes on after a gap that comes about while it runs, where that is accepted', async () => {
        await using lake = await openLake()
        await lake.send(...mixed(9))
        const controller = new AbortController()
        const running = land(
          {
            log: lake.log,
            tables: {
              events: new DeltaTable({ store: lake.stores.events, duckdb }),
              rejected: new DeltaTable({ store: lake.stores.rejected, duckdb }),
            },
            duckdb,
            triggerMs: 1,
            maxRows: 100,
            acceptGap: true,
            clock: { now: () => Date.now(), sleep: (_, io) => systemClock.sleep(1, io) },
          },
          { signal: controller.signal },
        )
        const landed = async (): Promise<number> =>
          (await Promise.all([lake.places('events'), lake.places('rejected')])).flat().length
        await expect.poll(() => landed().catch(() => 0)).toBe(9)

        const sending = lake.send(...mixed(9))
        lake.log.expire()
        await sending
        await lake.send(...mixed(9))

        await expect.poll(landed).toBe(18)
        controller.abort(new Error('enough'))
        expect((await running).skipped).toHaveLength(3)
      })
    }

    it('stops loudly where the newest commit of the rejects was lost, and goes on without them when told', async () => {
      await using lake = await openLake()
      await lake.send('{', event('a'))
      await lake.drain()
      await lake.send('{', event('b'))
      await lake.drain()
      await lake.stores.rejected.delete([commitKey(version(2))])

      await expect(lake.drain()).rejects.toMatchObject({
        code: 'LOG_CORRUPT',
        message: expect.stringContaining('expected version 2 or later'),
        details: expect.objectContaining({ fault: 'rejects-lost' }),
      })
      await lake.send('{', event('c'))
      expect(await lake.drain({ acceptGap: true })).toMatchObject({ events: 1, rejected: 1 })
      expect(await lake.drain()).toMatchObject({ commits: 0 })
    })

    it('stops loudly where another commit has the number of the rejects that were lost', async () => {
      await using lake = await openLake()
      await lake.send('{', event('a'))
      await lake.drain()
      const other = await openLake()
      await other.send('{')
      await other.drain()
      await lake.stores.rejected.delete([commitKey(version(1))])
      await lake.stores.rejected.putIfAbsent(
        commitKey(version(1)),
        await other.stores.rejected.read(commitKey(version(1))),
      )

      await expect(lake.drain()).rejects.toMatchObject({
        code: 'LOG_CORRUPT',
        message: expect.stringContaining('version 1 is another commit'),
      })
    })

    if (extent === 'whole') {
      it('refuses a log of an unknown cluster where the topic was landed from another, unless told', async () => {
        await using lake = await openLake()
        await lake.send(...mixed(9))
        await lake.drain()
        const other = createMemoryEventLog({ topic: 'user-events', clusterId: 'another' })
        await other.append([{ key: null, value: Buffer.from(event('x')) }])

        await expect(lake.drain({ log: other })).rejects.toMatchObject({
          code: 'EVENTLOG_RESET',
          message: expect.stringContaining('got cluster another'),
          details: expect.objectContaining({ fault: 'another-log', stage: 'landing' }),
        })
        expect(await lake.drain({ log: other, acceptNewLog: true })).toMatchObject({ events: 1 })
        expect(await lake.drain({ log: other })).toMatchObject({ commits: 0 })
        expect(await lake.drain()).toMatchObject({ commits: 0 })
      })
    }

    it('does not accept that the topic was made anew', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(9))
      await lake.drain()
      lake.log.reset()

      await expect(lake.drain({ acceptGap: true })).rejects.toMatchObject({ code: 'EVENTLOG_RESET' })
    })

    const moments = ['between two batches', 'right behind a commit']
    it.each(
      extent === 'whole' ? moments : moments.slice(0, 1),
    )('lands again what is gone from bronze, where it is restored from a copy under it: %s', async (moment) => {
      await using lake = await openLake()
      // Of events alone: the table of rejects would tell as well that it was restored.
      await lake.send(...Array.from({ length: 40 }, (_, n) => event(`e${n}`)))
      const { events, rejected } = lake.stores
      const copies: ReadonlyMap<string, { bytes: Uint8Array; modifiedMs: number }>[] = []
      let commits = 0
      const step = (): void => {
        commits += 1
        if (commits === 3) copies.push(new Map(events.files), new Map(rejected.files))
        if (commits !== 7) return
        for (const [at, store] of [events, rejected].entries()) {
          store.files.clear()
          for (const [key, { bytes, modifiedMs }] of copies[at] ?? [])
            store.files.set(key, { bytes, modifiedMs })
        }
      }
      const watched = Object.assign(Object.create(events) as ObjectStore, {
        putIfAbsent: async (key: string, bytes: Uint8Array): Promise<PutOutcome> => {
          const outcome = await events.putIfAbsent(key, bytes)
          step()
          return outcome
        },
      })
      const tableOn = (store: ObjectStore): DeltaTable => new DeltaTable({ store, duckdb })

      await lake.drain(
        moment === 'between two batches'
          ? { onProgress: step }
          : { tables: { events: tableOn(watched), rejected: tableOn(rejected) } },
      )

      expect(commits).toBeGreaterThan(7)
      expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
        await lake.sent(),
      )
    })

    it('says that the topic was made anew, also where it holds nothing yet', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(9))
      await lake.drain()
      lake.log.reset()

      await expect(lake.drain()).rejects.toMatchObject({ code: 'EVENTLOG_RESET' })
    })

    it('says what mends a log that is the same, and has lost its newest messages', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(9))
      await lake.drain()
      lake.log.reset()
      const log = { ...lake.log, folder: '/lake/log' }
      const refusal = { code: 'EVENTLOG_RESET', details: expect.objectContaining({ folder: '/lake/log' }) }

      await expect(lake.drain({ log })).rejects.toMatchObject({
        ...refusal,
        message: expect.stringContaining('the log ends at 0'),
      })
      await lake.send(...mixed(9))
      await expect(lake.drain({ log })).rejects.toMatchObject({
        ...refusal,
        message: expect.stringContaining('the log has another message there'),
      })
    })

    it('stops loudly when the log holds other messages than those that were landed', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(9))
      await lake.drain()
      const id = await lake.log.clusterId()
      const other = createMemoryEventLog({
        topic: 'user-events',
        clusterId: id,
        clock: { now: () => 1, sleep: async () => {} },
      })
      await other.append(
        mixed(9).map((value, index) => ({ key: Buffer.from(`user-${index}`), value: Buffer.from(value) })),
      )

      await expect(lake.drain({ log: other })).rejects.toSatisfy((error) =>
        isLakeError(error, 'EVENTLOG_RESET'),
      )
    })

    it('ends in time where the store stalls, and a commit that comes about later lands nothing twice', async () => {
      await using lake = await openLake()
      await lake.drain()
      await lake.send(...mixed(30))
      const held: (() => Promise<unknown>)[] = []
      const stalling = Object.assign(Object.create(lake.stores.events) as ObjectStore, {
        putIfAbsent: (key: string, bytes: Uint8Array) =>
          new Promise<PutOutcome>((resolve, reject) => {
            held.push(() => lake.stores.events.putIfAbsent(key, bytes).then(resolve, reject))
          }),
      })
      const controller = new AbortController()

      const running = land(
        {
          log: lake.log,
          tables: {
            events: new DeltaTable({ store: stalling, duckdb }),
            rejected: new DeltaTable({ store: lake.stores.rejected, duckdb }),
          },
          duckdb,
          triggerMs: 60_000,
          maxRows: 12,
          shutdownDeadlineMs: 100,
        },
        { signal: controller.signal },
      )
      await expect.poll(() => held.length).toBe(1)
      controller.abort(new Error('asked to end'))
      const { commits, unconfirmed = [] } = await running

      expect(commits).toBe(0)
      expect(unconfirmed.reduce((sum, { from, to }) => sum + Number(to - from), 0)).toBe(12)
      await lake.drain()
      await Promise.all(held.map((put) => put()))
      await lake.drain()
      expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
        await lake.sent(),
      )
    })

    it('lands what it has read when it is stopped, and goes on from there', async () => {
      await using lake = await openLake()
      await lake.send(...mixed(12))
      const controller = new AbortController()

      const running = land(
        {
          log: lake.log,
          tables: {
            events: new DeltaTable({ store: lake.stores.events, duckdb }),
            rejected: new DeltaTable({ store: lake.stores.rejected, duckdb }),
          },
          duckdb,
          triggerMs: 60_000,
          maxRows: 4,
          onProgress: ({ commits }) => {
            if (commits === 2) controller.abort(new Error('stop'))
          },
        },
        { signal: controller.signal },
      )

      expect((await running).commits).toBe(2)
      await lake.drain()
      expect([...(await lake.places('events')), ...(await lake.places('rejected'))].sort()).toEqual(
        await lake.sent(),
      )
    })
  })
}

/** Does its work at the first call alone. */
function once(work: () => Promise<void>): () => Promise<void> {
  let isDone = false
  return async () => {
    if (isDone) return
    isDone = true
    await work()
  }
}

/** A store that refuses every commit after the first `survived` ones, over both tables together. */
function dyingAfter(survived: number): (store: MemoryStore) => ObjectStore {
  let commits = 0
  return (store) =>
    Object.assign(Object.create(store) as ObjectStore, {
      putIfAbsent: async (key: string, bytes: Uint8Array): Promise<PutOutcome> => {
        if (commits++ >= survived) throw new LakeError('STORE_REFUSED', 'killed')
        return store.putIfAbsent(key, bytes)
      },
    })
}
