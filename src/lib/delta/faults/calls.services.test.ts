import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { type Bench, faultAt, openBench, openTrial } from './calls.fixture.ts'
import { faults } from './faulty-store.fixture.ts'
import { faultOperations } from './operations.fixture.ts'

let duckdb: DuckDb
let bench: Bench
const points = { reading: 0, writing: 0 }
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
  bench = await openBench(duckdb)
})
afterAll(async () => {
  await bench.built[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
  const { reading, writing } = points
  const operations = Object.keys(faultOperations).length
  process.stdout.write(
    `fault points: ${writing} at writes, ${reading} at reads, of ${operations} operations\n`,
  )
  expect(Math.min(reading, writing)).toBeGreaterThan(0)
})

describe('a store that fails at any call in any way', () => {
  it.each(Object.entries(faultOperations))('leaves %s done or not done', async (name, operation) => {
    const trial = await openTrial(bench, name, operation)
    const wrong: string[] = []
    for (let at = 0; at < trial.calls; at++) {
      const isWrite = trial.writes.includes(at)
      points[isWrite ? 'writing' : 'reading'] += isWrite ? faults.length : 1
      for (const kind of isWrite ? faults : (['refused'] as const)) {
        wrong.push(...(await faultAt(duckdb, trial, kind, at)))
      }
    }
    await trial.base[Symbol.asyncDispose]()

    expect(trial.writes.length).toBeGreaterThan(0)
    expect(wrong).toEqual([])
  })
})
