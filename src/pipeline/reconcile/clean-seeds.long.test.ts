/**
 * Whatever a lake has been through, its books balance and nothing is unexplained: random sequences of what happens to
 * one, with late, repeated and malformed messages, over midnight, on one partition to ten. `BOOKS_SEEDS` says how many.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { optimize, vacuum } from '../../lib/delta/index.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { openRunStore } from '../../lib/runs/run-store.ts'
import { lakeTableNames } from '../model/tables.ts'
import { type Engines, openEngines } from '../serving/engines.fixture.ts'
import { emptyServing } from '../serving/serving.fixture.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from './books.fixture.ts'
import { auditLedger } from './ledger/ledger.ts'
import { reconcileDays } from './reconcile-days.ts'

const seeds = Array.from({ length: Number(process.env['BOOKS_SEEDS'] ?? 4) }, (_, n) => n + 1)
const days = ['2026-11-20', '2026-11-21', '2026-11-22']

let engines: Engines
beforeAll(async () => {
  engines = await openEngines()
})
afterAll(() => engines[Symbol.asyncDispose]())

function randomFrom(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
}

/** What may happen to a lake between two audits. */
const happenings: Readonly<
  Record<string, (platform: SmallPlatform, random: (below: number) => number) => Promise<void>>
> = {
  send: (platform, random) =>
    platform.send(someMessages(10 + random(60), random(1_000_000), days[random(days.length)])),
  'send to one partition': (platform, random) =>
    platform.log.append(
      someMessages(20, random(1_000_000), days[random(days.length)]).map((message) => ({
        key: Buffer.from('one user'),
        value: message === null ? null : Buffer.from(message),
      })),
    ),
  mark: async (platform) => platform.log.mark(),
  land: (platform) => platform.land(),
  realtime: (platform) => platform.realtime(),
  batch: (platform) => platform.batch(),
  rebuild: (platform) => platform.batch({ kind: 'full' }),
  compact: async ({ context }) => {
    for (const name of ['bronze/events', 'silver/events'] as const) {
      if (await context.table(name).exists()) await optimize(context.table(name))
    }
  },
  vacuum: async ({ context }) => {
    for (const name of lakeTableNames) {
      if (await context.table(name).exists())
        await vacuum(context.table(name), { retentionMs: 0, force: true })
    }
  },
}

describe('the books of a lake in which nothing was lost', () => {
  it.each(seeds)('balance, and nothing is unexplained, seed %i', async (seed) => {
    const random = randomFrom(seed)
    await emptyServing(engines.clickhouse)
    const partitions = [1, 3, 10][random(3)] ?? 3
    const log = createMemoryEventLog({ topic: 'user-events', clusterId: `clean-${seed}`, partitions })
    await using platform = await openSmallPlatform(engines.duckdb, engines.clickhouse, { log })
    await using store = await openRunStore({ url: `sqlite:${join(platform.folder, 'runs.db')}` })
    const names = Object.keys(happenings)
    const done: string[] = ['send', 'land', 'batch']
    for (let n = 0; n < 14; n++) done.push(names[random(names.length)] ?? 'send')
    done.push('land', 'realtime', 'batch')

    for (const [at, name] of done.entries()) {
      await happenings[name]?.(platform, random)
      // Layers that are not equally far are no difference either.
      if (at < 3 || (at % 5 !== 0 && at < done.length - 1)) continue
      const ledger = await auditLedger(platform.context, { ledger: store.ledger })
      const windows = await reconcileDays(platform.context, { ledger: store.ledger })
      const problems = [...ledger.identities, ...windows.days].filter(({ problem }) => problem !== undefined)
      expect(problems, `after ${done.slice(0, at + 1).join(', ')}`).toEqual([])
    }
  })
})
