import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomOf } from '../random.fixture.ts'
import { judgeTable, killWriters, type Turn } from './kill.fixture.ts'
import { crashPoints } from './writer-task.fixture.ts'
import { Writers } from './writers.fixture.ts'

const seed = Number(process.env['LAKE_KILL_SEED'] ?? Date.now() % 1_000_000_007)
/** An eighth of them, by the seed; `npm run test:long` reaches all. */
const points = crashPoints.filter((_, at) => at % 8 === seed % 8)
const randomKills = 1

let writers: Writers
beforeAll(async () => {
  writers = await Writers.open()
})
afterAll(() => writers[Symbol.asyncDispose]())

describe('writers under SIGKILL', () => {
  it(`write once what they write, whenever they are killed (seed ${seed})`, async () => {
    const random = randomOf(seed)
    const turns: Turn[] = [
      ...points.map((kill) => ({ kill, afterMs: undefined })),
      ...Array.from({ length: randomKills }, () => ({ kill: undefined, afterMs: random(200) })),
    ]

    const { errors, faults } = await killWriters(writers, seed, () => turns.shift())

    expect(errors).toEqual([])
    expect(faults).toEqual([])
    expect([...writers.reached].sort()).toEqual([...points].sort())
    expect(writers.kills).toBe(points.length + randomKills)
  })
})

describe('processes that write to one table at once', () => {
  it('lose nothing and double nothing', async () => {
    const path = join(writers.folder, 'race')
    const names = ['x', 'y', 'z']

    const runs = await Promise.all(names.map((name) => writers.run({ path, name, steps: 3 })))
    const acknowledged = new Map([...writers.acknowledged].filter(([key]) => /^[xyz]/.test(key)))
    const { faults, replay, rows } = await judgeTable(path, acknowledged)

    process.stdout.write(
      `races: ${replay.races} of ${replay.versions} versions by ${names.length} processes\n`,
    )
    expect(runs.map(({ end, errors }) => `${end} ${errors}`)).toEqual(['0 ', '0 ', '0 '])
    expect(faults).toEqual([])
    expect(rows.filter((row) => row.startsWith('append'))).toHaveLength(18)
    expect(replay.races).toBeGreaterThan(0)
  })
})
