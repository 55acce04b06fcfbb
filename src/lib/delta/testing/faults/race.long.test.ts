import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askClickHouse } from './ask-clickhouse.fixture.ts'
import { judgeTable, tableIn } from './kill.fixture.ts'
import { Writers } from './writers.fixture.ts'

const names = ['a', 'b', 'c']
const steps = Number(process.env['LAKE_RACE_STEPS'] ?? 20)
const inserts = 20

let writers: Writers
beforeAll(async () => {
  writers = await Writers.open()
})
afterAll(() => writers[Symbol.asyncDispose]())

describe('processes that write to one table at once, ClickHouse among them', () => {
  it('lose nothing and double nothing', async () => {
    const path = tableIn(writers.folder)
    await writers.run({ path, name: 'first', steps: 1 })
    const statements = Array.from(
      { length: inserts },
      (_, n) =>
        `insert into function deltaLakeLocal('${path}') (name, kind, n) settings allow_delta_lake_writes = 1 values ('house', 'foreign', ${n})`,
    )

    const [answers, ...runs] = await Promise.all([
      askClickHouse(statements),
      ...names.map((name) => writers.run({ path, name, steps })),
    ])
    const committed = answers.flatMap(({ error }, n) => (error === undefined ? [`foreign house ${n}`] : []))
    const { faults, replay, rows } = await judgeTable(path, writers.acknowledged, committed)
    const [theirs] = await askClickHouse([
      `select concat(kind, ' ', name, ' ', toString(n)) as row from deltaLakeLocal('${path}')`,
    ])

    process.stdout.write(
      `races: ${replay.races} of ${replay.versions} versions by ${names.length} processes and ClickHouse, which committed ${committed.length} of ${inserts}\n`,
    )
    expect(runs.map(({ end, errors }) => `${end} ${errors}`)).toEqual(names.map(() => '0 '))
    expect(faults).toEqual([])
    expect(theirs?.error ?? theirs?.rows?.map((row) => String(row['row'])).sort()).toEqual(rows)
    expect(committed.length, answers[0]?.error).toBeGreaterThan(0)
    expect(replay.races).toBeGreaterThan(0)
  }, 600_000)
})
