/** What a condition leaves unread holds no row of it: on random tables, for random conditions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, type DuckDbSession, openDuckDb } from '../../duckdb/duckdb.ts'
import type { Row } from '../../duckdb/values.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { append } from '../change/append.ts'
import { deleteRows } from '../change/delete.ts'
import { parsePredicate } from '../rows/predicate.ts'
import { pruneFiles } from '../rows/pruning.ts'
import { selectRows } from '../rows/select.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { DeltaTable } from '../table.ts'
import { conditionSchema, randomCondition, randomPartitions, randomRows } from './conditions.fixture.ts'
import { randomOf } from './random.fixture.ts'

export interface ConditionsExtent {
  readonly seed: number
  readonly tables: number
  /** Of each table; a fortieth of them are read, and another deleted. */
  readonly conditions: number
}

export function describeConditions({ seed, tables, conditions }: ConditionsExtent): void {
  let duckdb: DuckDb
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
  })
  afterAll(() => duckdb[Symbol.dispose]())

  const digest = (session: DuckDbSession, select: string): Promise<Row> =>
    session.row(`select count(*) as n, sum(hash(t)) as digest from (${select}) t`)

  /** The snapshot's rows and their files, as the table `everything` of the session. */
  async function readEverything(
    session: DuckDbSession,
    table: DeltaTable,
    snapshot: Snapshot,
  ): Promise<void> {
    const scan = await table.scan(session, snapshot, { withRowPlace: true })
    await session.run(`create or replace temporary table everything as ${scan}`)
  }
  const everything = (where: string): string =>
    `select * exclude (_file, _row) from everything where ${where}`

  async function expectPruned(session: DuckDbSession, snapshot: Snapshot, where: string): Promise<number> {
    const predicate = await parsePredicate(session, where, snapshot)
    const { files, whole } = await pruneFiles(session, snapshot, snapshot.files, predicate)
    const truth = await session.rows(
      `select _file as file, bool_or(coalesce((${where}), false)) as any,
         bool_and(coalesce((${where}), false)) as every from everything group by _file`,
    )
    for (const { file: at, any, every } of truth) {
      const file = snapshot.files[Number(at)]
      if (file === undefined) throw new Error(`No file ${String(at)}`)
      if (any === true) expect(files).toContain(file)
      if (every === false) expect(whole).not.toContain(file)
    }
    return snapshot.files.length - files.length
  }

  describe('a condition on files that statistics and partition values may rule out', () => {
    it(`finds the rows that it finds among all rows, and deletes no others (LAKE_CONDITIONS_SEED=${seed})`, async () => {
      const random = randomOf(seed)
      let leftOut = 0
      for (let each = 0; each < tables; each++) {
        await using store = await MemoryStore.open()
        const writer = new DeltaTable({ store, duckdb })
        const partitionBy = randomPartitions(random)
        await writer.createIfMissing({ schema: conditionSchema, partitionBy })
        for (let file = 0; file < 6; file++) {
          const select = randomRows(random, 1 + random(3))
          await duckdb.use((session) => append(writer, { session, select }))
        }
        // Statistics come from the log's lines, and from the columns of a checkpoint.
        if (each % 2 === 1) await writer.checkpoint()
        const table = new DeltaTable({ store, duckdb })

        await duckdb.use(async (session) => {
          let snapshot = await table.snapshot()
          await readEverything(session, table, snapshot)
          for (let at = 0; at < conditions; at++) {
            const where = randomCondition(random, random(3))
            const story = `table ${each} of seed ${seed}, partitioned by (${partitionBy.join(', ')}): ${where}`
            try {
              leftOut += await expectPruned(session, snapshot, where)
              if (at % 40 === 19) {
                const found = await digest(session, await selectRows(session, table, snapshot, { where }))
                expect(found).toEqual(await digest(session, everything(where)))
              } else if (at % 40 === 39) {
                const kept = await digest(session, everything(`(${where}) is not true`))
                await deleteRows(table, session, { where })
                snapshot = await table.snapshot()
                await readEverything(session, table, snapshot)
                expect(await digest(session, everything('true'))).toEqual(kept)
              }
            } catch (error) {
              throw new Error(story, { cause: error })
            }
          }
        })
      }
      // How many depends on the seed; pruning.test holds what must be left out.
      expect(leftOut).toBeGreaterThan(0)
    })
  })
}
