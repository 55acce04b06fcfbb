import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { type Bench, faultAt, openBench, openTrial } from './calls.fixture.ts'
import { faults } from './faulty-store.fixture.ts'
import { faultOperations } from './operations.fixture.ts'

/** Each call of theirs that writes has one of the faults; `calls.services.test.ts` does all to all. */
const names = ['append', 'merge', 'restore', 'renameColumn', 'optimize', 'checkpoint', 'vacuum', 'createFrom']
const operations = Object.entries(faultOperations).filter(([name]) => names.includes(name))

let duckdb: DuckDb
let bench: Bench
let points = 0
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
  bench = await openBench(duckdb)
})
afterAll(async () => {
  await bench.built[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
  process.stdout.write(`faults at calls that write: ${points} points of ${operations.length} operations\n`)
  expect(points).toBeGreaterThan(0)
})

describe('a store that fails at a call that writes', () => {
  it.each(operations)('leaves %s done or not done', async (name, operation) => {
    const trial = await openTrial(bench, name, operation)
    const wrong: string[] = []
    for (const at of trial.writes) {
      const kind = faults[points++ % faults.length] ?? 'lost'
      wrong.push(...(await faultAt(duckdb, trial, kind, at)))
    }
    await trial.base[Symbol.asyncDispose]()

    expect(trial.writes.length).toBeGreaterThan(0)
    expect(wrong).toEqual([])
  })
})
