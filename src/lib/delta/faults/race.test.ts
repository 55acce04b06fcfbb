import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { judgeTable, tableIn } from './kill.fixture.ts'
import { Writers } from './writers.fixture.ts'

const names = ['a', 'b', 'c']
const steps = 4

let writers: Writers
beforeAll(async () => {
  writers = await Writers.open()
})
afterAll(() => writers[Symbol.asyncDispose]())

describe('processes that write to one table at once', () => {
  it('lose nothing and double nothing', async () => {
    const path = tableIn(writers.folder)

    const runs = await Promise.all(names.map((name) => writers.run({ path, name, steps })))
    const { faults, replay, rows } = await judgeTable(path, writers)

    process.stdout.write(
      `races: ${replay.races} of ${replay.versions} versions by ${names.length} processes\n`,
    )
    expect(runs.map(({ end, errors }) => `${end} ${errors}`)).toEqual(names.map(() => '0 '))
    expect(faults).toEqual([])
    expect(rows.filter((row) => row.startsWith('append'))).toHaveLength(names.length * steps * 2)
    expect(replay.races).toBeGreaterThan(0)
  })
})
