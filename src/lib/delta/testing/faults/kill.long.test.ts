import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomOf } from '../random.fixture.ts'
import { askClickHouse } from './ask-clickhouse.fixture.ts'
import { killWriters, type Turn } from './kill.fixture.ts'
import { crashPoints } from './writer-task.fixture.ts'
import { Writers } from './writers.fixture.ts'

const seed = Number(process.env['LAKE_KILL_SEED'] ?? Date.now() % 1_000_000_007)
/** So many, as far as the time goes; a few in any case. */
const wantedKills = Number(process.env['LAKE_KILLS'] ?? 1_000)
const forMs = Number(process.env['LAKE_KILL_MS'] ?? 60_000)
const fewestAtRandom = 6

let writers: Writers
beforeAll(async () => {
  writers = await Writers.open()
})
afterAll(() => writers[Symbol.asyncDispose]())

describe('writers under SIGKILL', () => {
  it(`write once what they write, whenever they are killed (seed ${seed})`, async () => {
    const random = randomOf(seed)
    const points = [...crashPoints]
    let atRandom = 0
    const endMs = performance.now() + forMs
    const nextTurn = (): Turn | undefined => {
      const kill = points.shift()
      if (kill !== undefined) return { kill, afterMs: undefined }
      const isEnough = writers.kills >= wantedKills || performance.now() >= endMs
      if (isEnough && atRandom >= fewestAtRandom) return undefined
      atRandom += 1
      return { kill: undefined, afterMs: random(150) }
    }

    const { errors, faults, rows, path } = await killWriters(writers, seed, nextTurn)
    const [theirs] = await askClickHouse([
      `select concat(kind, ' ', name, ' ', toString(n)) as row from deltaLakeLocal('${path}')`,
    ])

    expect(errors).toEqual([])
    expect(faults).toEqual([])
    expect([...writers.reached].sort()).toEqual([...crashPoints].sort())
    expect(theirs?.error ?? theirs?.rows?.map((each) => String(each['row'])).sort()).toEqual(rows)
    expect(writers.kills).toBeGreaterThan(crashPoints.length)
  }, 3_600_000)
})
