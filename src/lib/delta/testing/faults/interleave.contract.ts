/** Pairs of operations, of which one overtakes the other: the table is as if they had followed each other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { type Bench, openBench } from './calls.fixture.ts'
import { expectedMark, interleave, pairsOf } from './interleave.fixture.ts'

/** @param names All pairs of them, in both orders. */
export function describeInterleaved(names: Parameters<typeof pairsOf>[0]): void {
  const pairs = pairsOf(names)
  let duckdb: DuckDb
  let bench: Bench
  let made = 0
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
    bench = await openBench(duckdb)
  })
  afterAll(async () => {
    await bench.built[Symbol.asyncDispose]()
    duckdb[Symbol.dispose]()
    process.stdout.write(`interleaved pairs: ${made}\n`)
    expect(made).toBe(pairs.length)
  })

  describe('an operation that another one overtakes', () => {
    it.each(pairs)('%s after %s: as if begun after it', async (late, early) => {
      const { mark, wrong } = await interleave(duckdb, bench.built, late, early)
      made += 1

      expect(wrong).toBeUndefined()
      expect(mark).toBe(expectedMark(late, early))
    })
  })
}
