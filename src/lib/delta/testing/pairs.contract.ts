/** Pairs of row-level writes, one of which comes in just before the commit of the other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { DeltaTable } from '../table.ts'
import {
  type ModelCondition,
  type ModelOperation,
  type ModelOperations,
  type ModelRows,
  modelOperations,
  modelSchema,
  rowTexts,
  textsOf,
} from './model.fixture.ts'
import { beforeNextCommit, openFixture } from './write.fixture.ts'

let duckdb: DuckDb
let operations: ModelOperations
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  operations = modelOperations(duckdb)
})
afterAll(() => duckdb[Symbol.dispose]())

const [first, second] = ['2026-01-01', '2026-01-02']

const start: ModelRows = [
  { id: 1, day: first, word: 'one' },
  { id: 2, day: first, word: 'two' },
  { id: 3, day: second, word: 'three' },
  { id: 4, day: second, word: 'four' },
]

const upTo3: ModelCondition = {
  sql: 'id between 2 and 5',
  holds: ({ id }) => id !== null && id > 1 && id < 6,
}

/** All of them about rows that the others are about too, and none the same in another order. */
const kinds: Readonly<Record<string, (word: string) => ModelOperation>> = {
  append: (word) => operations.append([{ id: 5, day: second, word }]),
  'overwrite of the table': (word) => operations.overwrite([{ id: 3, day: first, word }]),
  'overwrite of partitions': (word) => operations.overwriteDays([{ id: 4, day: second, word }]),
  'overwrite by a condition': (word) => operations.overwriteWhere(upTo3, [{ id: 5, day: first, word }]),
  delete: () => operations.delete(upTo3),
  update: (word) =>
    operations.update(upTo3, {
      set: { word: `word || '${word}'`, day: `'${first}'` },
      to: (row) => ({ ...row, day: first, word: `${String(row.word)}${word}` }),
    }),
  upsert: (word) =>
    operations.upsert([
      { id: 2, day: first, word },
      { id: 5, day: second, word },
    ]),
  sync: (word) =>
    operations.sync(
      [
        { id: 3, day: second, word },
        { id: 4, day: second, word: 'gone' },
        { id: 7, day: first, word },
      ],
      first,
    ),
  insertIfAbsent: (word) =>
    operations.insertIfAbsent([
      { id: 2, day: first, word },
      { id: 5, day: second, word },
    ]),
}

/**
 * @param isTried of each operation, by how many places its pair comes after it, which pairs run: 0 is the operation
 *   with itself, and every number has each operation once as the first and once as the second.
 */
export function describePairs(isTried: (distance: number) => boolean): void {
  describe('a write that another one overtakes', () => {
    const names = Object.keys(kinds)
    const pairs = names.flatMap((ours, at) =>
      names
        .filter((_, other) => isTried((other - at + names.length) % names.length))
        .map((theirs) => [ours, theirs] as const),
    )

    it.each(pairs)('%s after %s: as if made one after the other', async (ours, theirs) => {
      await using fixture = await openFixture(duckdb, { schema: modelSchema, partitionBy: ['day'] })
      const { table, hooked, store } = fixture
      await operations.append(start).run(table)
      const [late, early] = [kinds[ours]?.(' late'), kinds[theirs]?.(' early')]
      if (late === undefined || early === undefined) throw new Error('No such operation')
      let overtaken = 'no commit'
      beforeNextCommit(hooked, async () => {
        overtaken = await early.run(new DeltaTable({ store, duckdb }))
      })

      const failure = await late.run(table)

      const between = early.on(start) ?? []
      const after = late.on(between) ?? []
      const { version } = await table.snapshot()
      expect([overtaken, failure]).toEqual(['no failure', 'no failure'])
      expect(await rowTexts(table, version)).toEqual(textsOf(after))
      expect(version).toBe(textsOf(after).join() === textsOf(between).join() ? 2 : 3)
    })
  })
}
