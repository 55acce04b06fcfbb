/** Random row-level writes, against a list of rows. The same seed gives the same writes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { DeltaTable } from '../table.ts'
import {
  dayText,
  type ModelChange,
  type ModelCondition,
  type ModelOperation,
  type ModelRow,
  type ModelRows,
  modelOperations,
  modelSchema,
  rowTexts,
  textsOf,
} from './model.fixture.ts'
import { randomOf } from './random.fixture.ts'
import { beforeNextCommit, type Fixture, openFixture } from './write.fixture.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const days = ['2026-01-01', '2026-01-02', '2026-01-03'] as const

class Generator {
  readonly below: (limit: number) => number
  readonly #isPartitioned: boolean
  readonly #operations = modelOperations(duckdb)

  /** @param below whole numbers from 0 up to, not including, what is asked for. */
  constructor(below: (limit: number) => number, isPartitioned: boolean) {
    this.below = below
    this.#isPartitioned = isPartitioned
  }

  operation(): ModelOperation {
    const { append, overwrite, overwriteDays, overwriteWhere, delete: remove } = this.#operations
    const { update, upsert, sync, insertIfAbsent } = this.#operations
    const makers: readonly (() => ModelOperation)[] = [
      () => append(this.#rows(6)),
      () => append(this.#rows(6)),
      () => insertIfAbsent(this.#rows(3)),
      () => insertIfAbsent(this.#rows(3)),
      () => upsert(this.#rows(3)),
      () => upsert(this.#rows(3)),
      () => sync(this.#rows(3), this.#day()),
      () => update(this.#condition(), this.#change()),
      () => update(this.#condition(), this.#change()),
      () => remove(this.#condition()),
      () => (this.#isPartitioned ? overwriteDays(this.#rows(3)) : append(this.#rows(3))),
      () => {
        const condition = this.#condition()
        return overwriteWhere(
          condition,
          this.#rows(4).filter((row) => condition.holds(row) || this.below(8) === 0),
        )
      },
      () => (this.below(4) === 0 ? overwrite(this.#rows(8)) : append(this.#rows(8))),
    ]
    const maker = makers[this.below(makers.length)]
    if (maker === undefined) throw new Error('No such operation')
    return maker()
  }

  #day(): string {
    return days[this.below(days.length)] ?? days[0]
  }

  #rows(most: number): ModelRows {
    return Array.from(
      { length: this.below(most + 1) },
      (): ModelRow => ({
        id: this.below(12) === 0 ? null : this.below(16),
        day: this.below(8) === 0 ? null : this.#day(),
        word: this.below(6) === 0 ? null : (['gone', 'red', `it's ${this.below(9)}`][this.below(3)] ?? null),
      }),
    )
  }

  #condition(): ModelCondition {
    const from = this.below(14)
    const to = from + this.below(5)
    const day = this.#day()
    const conditions: readonly ModelCondition[] = [
      { sql: `id between ${from} and ${to}`, holds: ({ id }) => id !== null && id >= from && id <= to },
      { sql: `id = ${from}`, holds: ({ id }) => id === from },
      {
        sql: `id % 3 = 1 and day > date '2026-01-01'`,
        holds: ({ id, day: of }) => id !== null && id % 3 === 1 && of !== null && of > '2026-01-01',
      },
      { sql: `day = date '${day}'`, holds: (row) => row.day === day },
      { sql: `day is null or word = 'red'`, holds: (row) => row.day === null || row.word === 'red' },
      { sql: `not (id < ${from})`, holds: ({ id }) => id !== null && id >= from },
      { sql: `word is null`, holds: ({ word }) => word === null },
      {
        sql: `word <> 'red' and id > ${from}`,
        holds: ({ word, id }) => word !== null && word !== 'red' && id !== null && id > from,
      },
    ]
    return conditions[this.below(conditions.length)] ?? { sql: 'true', holds: () => true }
  }

  #change(): ModelChange {
    const day = this.#day()
    const changes: readonly ModelChange[] = [
      {
        set: { word: `word || '!'` },
        to: (row) => ({ ...row, word: row.word === null ? null : `${row.word}!` }),
      },
      {
        set: { id: '(id + 1) % 16' },
        to: (row) => ({ ...row, id: row.id === null ? null : (row.id + 1) % 16 }),
      },
      {
        set: { day: `'${day}'`, word: 'id' },
        to: ({ id }) => ({ id, day, word: id === null ? null : String(id) }),
      },
      { set: { day: 'null' }, to: (row) => ({ ...row, day: null }) },
    ]
    return changes[this.below(changes.length)] ?? { set: {}, to: (row) => row }
  }
}

/** What the changes of a version make of the rows before it. */
async function followed(table: DeltaTable, before: ModelRows, version: number): Promise<readonly string[]> {
  const snapshot = await table.snapshot({ version })
  const changes = await duckdb.use(async (session) => {
    const select = await table.changes(session, snapshot, { from: version })
    return await session.rows(`select _change_type as change, id, day, word from (${select})`)
  })
  const rows = [...textsOf(before)]
  const texts = changes.map(({ change, id, day, word }) => ({
    isGone: change === 'delete' || change === 'update_preimage',
    row: `${String(id)} ${dayText(day)} ${String(word)}`,
  }))
  for (const { row } of texts.filter(({ isGone }) => isGone)) {
    const at = rows.indexOf(row)
    if (at < 0) throw new Error(`Version ${version} takes a row that was not there: ${row}`)
    rows.splice(at, 1)
  }
  return [...rows, ...texts.filter(({ isGone }) => !isGone).map(({ row }) => row)].sort()
}

/** Runs `operation`, now and then with another coming in just before its commit. */
async function step(
  { table, hooked, store }: Fixture,
  generator: Generator,
  states: ModelRows[],
  log: string[],
): Promise<void> {
  const run = async (each: ModelOperation, through: DeltaTable, isRetried: () => boolean): Promise<void> => {
    const { version } = await table.snapshot()
    const failure = await each.run(through)
    log.push(`${each.name} → ${failure}`)
    const after = (await table.snapshot()).version
    const next = each.on(states.at(-1) ?? [])
    expect(failure === 'no failure', log.at(-1)).toBe(next !== undefined)
    if (after > version + (isRetried() ? 1 : 0)) states.push(next ?? [])
    else
      expect(textsOf(next ?? []), log.at(-1)).toEqual(next === undefined ? [] : textsOf(states.at(-1) ?? []))
  }
  let cameBetween = false
  if (generator.below(3) === 0) {
    const between = generator.operation()
    beforeNextCommit(hooked, async () => {
      const { version } = await table.snapshot()
      await run(between, new DeltaTable({ store, duckdb }), () => false)
      cameBetween = (await table.snapshot()).version > version
    })
  }
  await run(generator.operation(), table, () => cameBetween)
  delete hooked.hooks.before
}

export interface ModelOptions {
  readonly seed: number
  /** Writes to each table, besides those that come in between. */
  readonly steps: number
}

export function describeModel({ seed, steps }: ModelOptions): void {
  describe('row-level writes', () => {
    it.each([
      ['a partitioned table', ['day']],
      ['a table without partitions', []],
    ])(`leave %s as a list of rows would be, at every version (LAKE_MODEL_SEED=${seed})`, async (_, partitionBy) => {
      await using fixture = await openFixture(duckdb, {
        schema: modelSchema,
        partitionBy,
        properties: { 'delta.enableChangeDataFeed': 'true' },
      })
      const generator = new Generator(randomOf(seed + partitionBy.length), partitionBy.length > 0)
      const states: ModelRows[] = [[]]
      const log: string[] = []

      for (let at = 0; at < steps; at++) await step(fixture, generator, states, log)

      const story = `seed ${seed}:\n${log.join('\n')}`
      expect((await fixture.table.snapshot()).version, story).toBe(states.length - 1)
      for (const [version, rows] of states.entries()) {
        expect(await rowTexts(fixture.table, version), `version ${version} of ${story}`).toEqual(
          textsOf(rows),
        )
        if (version === 0) continue
        const before = states[version - 1] ?? []
        expect(await followed(fixture.table, before, version), `changes of ${version} of ${story}`).toEqual(
          textsOf(rows),
        )
      }
    })
  })
}
