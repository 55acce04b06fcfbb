import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../base/clock.ts'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { openLocalStore } from '../../../storage/store.local.ts'
import { optimize } from '../../maintain/optimize.ts'
import { vacuum } from '../../maintain/vacuum.ts'
import { DeltaTable } from '../../table.ts'
import {
  type ModelCondition,
  type ModelOperation,
  type ModelRow,
  type ModelRows,
  modelOperations,
  modelSchema,
  rowTexts,
  textsOf,
} from '../model.fixture.ts'
import { randomOf } from '../random.fixture.ts'
import { askClickHouse } from './ask-clickhouse.fixture.ts'

const seed = Number(process.env['LAKE_HISTORY_SEED'] ?? Date.now() % 1_000_000_007)
const seeds = Array.from({ length: Number(process.env['LAKE_HISTORY_SEEDS'] ?? 3) }, (_, at) => seed + at)
const steps = 25
const dayMs = 86_400_000

let duckdb: DuckDb
let root = ''
const figures = { histories: 0, versions: 0, vacuumed: 0 }
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  root = await mkdtemp(join(tmpdir(), 'lakeshore-history-'))
})
afterAll(async () => {
  duckdb[Symbol.dispose]()
  await rm(root, { recursive: true, force: true })
  process.stdout.write(
    `random histories: seeds ${seed} to ${seed + seeds.length - 1}, ${figures.versions} versions read by ClickHouse, ${figures.vacuumed} files vacuumed\n`,
  )
  expect(Math.min(...Object.values(figures))).toBeGreaterThan(0)
})

function randomOperation(random: (below: number) => number, isPartitioned: boolean): ModelOperation {
  const {
    append,
    overwriteDays,
    overwriteWhere,
    delete: remove,
    update,
    upsert,
    sync,
    insertIfAbsent,
  } = modelOperations(duckdb)
  const day = (): string => `2026-01-0${1 + random(3)}`
  const rows = (): ModelRows =>
    Array.from(
      { length: 1 + random(4) },
      (_, at): ModelRow => ({
        id: random(8) * 4 + at,
        day: random(8) === 0 ? null : day(),
        word: random(6) === 0 ? null : `it's ${random(9)}`,
      }),
    )
  const from = random(28)
  const condition: ModelCondition = {
    sql: `id between ${from} and ${from + 6}`,
    holds: ({ id }) => id !== null && id >= from && id <= from + 6,
  }
  const makers: readonly (() => ModelOperation)[] = [
    () => append(rows()),
    () => insertIfAbsent(rows()),
    () => upsert(rows()),
    () => sync(rows(), day()),
    () => (isPartitioned ? overwriteDays(rows()) : overwriteWhere(condition, rows().filter(condition.holds))),
    () => remove(condition),
    () =>
      update(condition, {
        set: { word: `word || '!'` },
        to: (row) => ({ ...row, word: row.word === null ? null : `${row.word}!` }),
      }),
  ]
  return (makers[random(makers.length)] ?? (() => append(rows())))()
}

/** Rows of the versions, by ClickHouse, beside what they must be. */
async function compare(path: string, states: ReadonlyMap<number, readonly string[]>): Promise<void> {
  const versions = [...states.keys()]
  const nullable = (column: string): string => `ifNull(toString(${column}), 'null')`
  const row = ['id', 'day', 'word'].map(nullable).join(`, ' ', `)
  const answers = await askClickHouse(
    versions.map(
      (version) =>
        `select concat(${row}) as row from deltaLakeLocal('${path}') settings delta_lake_snapshot_version = ${version}, schema_inference_make_columns_nullable = 1`,
    ),
  )
  expect(
    answers.map(({ rows, error }, at) => [
      versions[at],
      error ?? rows?.map((each) => String(each['row'])).sort(),
    ]),
  ).toEqual([...states])
  figures.versions += versions.length
}

describe('a random history', () => {
  it.each(
    seeds,
  )('is read by ClickHouse at every version, before and after maintenance (seed %i)', async (of) => {
    const random = randomOf(of)
    const path = join(root, String(of))
    const clock = new ManualClock(Date.now())
    const table = new DeltaTable({ store: openLocalStore(path), duckdb, clock })
    const isPartitioned = random(2) !== 0
    await table.createIfMissing({
      schema: modelSchema,
      partitionBy: isPartitioned ? ['day'] : [],
      // Versions are as old as the test's clock says, not as their files.
      properties: { 'delta.enableInCommitTimestamps': 'true' },
    })
    let rows: ModelRows = []
    const states = new Map<number, readonly string[]>([[0, []]])
    const write = async (count: number): Promise<void> => {
      for (let step = 0; step < count; step++) {
        const operation = randomOperation(random, isPartitioned)
        const failure = await operation.run(table)
        const next = operation.on(rows)
        expect(failure === 'no failure', `${operation.name}: ${failure}`).toBe(next !== undefined)
        rows = next ?? rows
        if (random(6) === 0) await optimize(table)
        const { version } = await table.snapshot()
        for (let at = Math.max(...states.keys()) + 1; at <= version; at++) states.set(at, textsOf(rows))
      }
    }
    const ours = async (): Promise<void> => {
      for (const [version, texts] of states) expect(await rowTexts(table, version)).toEqual(texts)
    }

    await write(steps)
    await ours()
    await compare(path, states)

    const kept = (await table.snapshot()).version
    clock.advance(40 * dayMs)
    await table.checkpoint()
    const { files } = await vacuum(table)
    for (const version of [...states.keys()].filter((each) => each < kept)) states.delete(version)
    await write(steps)
    await table.checkpoint()
    await ours()
    await compare(path, states)

    figures.histories += 1
    figures.vacuumed += files.length
    await expect(table.snapshot({ version: 0 })).rejects.toMatchObject({ code: 'VERSION_MISSING' })
  })
})
