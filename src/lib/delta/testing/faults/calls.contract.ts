/** Operations on a table whose store fails at one of its calls: each is done or not done. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { type Bench, faultAt, openBench, openTrial } from './calls.fixture.ts'
import type { Fault } from './faulty-store.fixture.ts'
import { faultOperations } from './operations.fixture.ts'

/** @param faultsAt Those that a call is to meet, each in a run of its own; `writes` counts the calls that write. */
export function describeFailingCalls(
  names: readonly string[],
  faultsAt: (call: { readonly isWrite: boolean; readonly writes: number }) => readonly Fault[],
): void {
  const operations = Object.entries(faultOperations).filter(([name]) => names.includes(name))
  let duckdb: DuckDb
  let bench: Bench
  let writes = 0
  const points = { reading: 0, writing: 0 }
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
    bench = await openBench(duckdb)
  })
  afterAll(async () => {
    await bench.built[Symbol.asyncDispose]()
    duckdb[Symbol.dispose]()
    const { reading, writing } = points
    process.stdout.write(
      `fault points: ${writing} at writes, ${reading} at reads, of ${operations.length} operations\n`,
    )
    expect(operations).toHaveLength(names.length)
    expect(writing).toBeGreaterThan(0)
    expect(reading > 0).toBe(faultsAt({ isWrite: false, writes: 0 }).length > 0)
  })

  describe('a store that fails at a call', () => {
    it.each(operations)('leaves %s done or not done', async (name, operation) => {
      const trial = await openTrial(bench, name, operation)
      const wrong: string[] = []
      for (let at = 0; at < trial.calls; at++) {
        const isWrite = trial.writes.includes(at)
        const kinds = faultsAt({ isWrite, writes: isWrite ? writes++ : writes })
        points[isWrite ? 'writing' : 'reading'] += kinds.length
        for (const kind of kinds) wrong.push(...(await faultAt(duckdb, trial, kind, at)))
      }
      await trial.base[Symbol.asyncDispose]()

      expect(trial.writes.length).toBeGreaterThan(0)
      expect(wrong).toEqual([])
    })
  })
}
