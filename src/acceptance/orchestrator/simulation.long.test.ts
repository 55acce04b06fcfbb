/** As the test beside it, over more histories; and the simulation finds what is broken on purpose. */
import { describe, expect, it } from 'vitest'
import type { Leases, WithLeaseOptions } from '../../lib/runs/leases.ts'
import { createRunBook } from '../../lib/runs/run-book.ts'
import { createTicks } from '../../lib/runs/ticks.ts'
import { type Parts, parts } from './history.fixture.ts'
import { seedsFrom, seedsToTry, simulate } from './simulate.fixture.ts'

/** `LAKE_SIMULATIONS=10000` asks for more. */
const count = Number(process.env['LAKE_SIMULATIONS'] ?? 100)

describe('the orchestrator in many random histories', () => {
  it('makes each tick once, nothing twice at once, and loses no run', async () => {
    expect(await simulate(seedsToTry(count))).toEqual([])
  }, 3_600_000)
})

type WithLease = <T>(
  leases: Leases,
  name: string,
  work: Parameters<Leases['withLease']>[1],
  options: WithLeaseOptions | undefined,
) => Promise<T>

/** The leases of the product, but for `withLease`. */
const withLeases = (change: WithLease): Parts => ({
  ...parts,
  leases: (database, process) => {
    const leases = parts.leases(database, process)
    return { ...leases, withLease: (name, work, options) => change(leases, name, work, options) }
  },
})

/** A signal that never aborts. */
const forever = (): AbortSignal => new AbortController().signal

const mutants: Readonly<Record<string, Parts>> = {
  'a lease that is taken without a look at its holder': withLeases(async (leases, name, work) => {
    const outcome = await leases.acquire(name)
    const lease = outcome.kind === 'acquired' ? outcome.lease : outcome.holder
    return (await work({ lease, signal: forever() })) as never
  }),
  'a lease that is given back before the work': withLeases(
    async (leases, name, work, options) =>
      (await work(
        await leases.withLease(name, async ({ lease }) => ({ lease, signal: forever() }), options),
      )) as never,
  ),
  'work that goes on when its lease is lost': withLeases(
    async (leases, name, work, options) =>
      (await leases.withLease(name, ({ lease }) => work({ lease, signal: forever() }), options)) as never,
  ),
  'a tick that is settled before the work': {
    ...parts,
    ticks: (database, leases) => {
      const ticks = createTicks(database, leases)
      return {
        ...ticks,
        once: async (schedule, tick, work, options) => {
          const outcome = await ticks.once(schedule, tick, async () => undefined, options)
          if (outcome === 'ran') await work(forever())
          return outcome
        },
      }
    },
  },
  'a run that is not recorded as ended': {
    ...parts,
    runs: (database, { clock }) => {
      const runs = createRunBook(database, clock)
      return { ...runs, recorder: (run) => ({ ...runs.recorder(run), runEnded: async () => undefined }) }
    },
  },
}

describe('the simulation', () => {
  it.each(Object.keys(mutants))('finds %s', async (name) => {
    const mutant = mutants[name]

    const found = await simulate(seedsFrom(1, 100), { ...(mutant && { parts: mutant }), most: 1 })

    expect(found).toHaveLength(1)
  })
})
