/** Tables that Spark and we both write to: one after the other, and both at once. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { append } from '../../change/append.ts'
import { updateRows } from '../../change/update.ts'
import { field, structOf } from '../../schema/schema.ts'
import { ourRows, sorted } from './peer.fixture.ts'
import { runAll, type Sparks, sparkRows, sparkTimeoutMs, tableAt } from './spark.fixture.ts'

const table = 'delta.`PATH`'

export function describeSparkShares(open: () => Sparks): void {
  describe('Spark writes to our tables', () => {
    let sparks: Sparks
    beforeAll(() => {
      sparks = open()
    })

    it.each([
      ['created from rows', 'id'],
      ['mapped', 'who.years'],
      ['vectors and V2 checkpoints', 'id'],
    ])(
      'and we go on from there: %s',
      async (name, key) => {
        const { path } = sparks.told.findLast(({ story, step }) => story === name && step !== 'clone') ?? {
          path: '',
        }
        await using ours = tableAt(sparks, path)
        const { version: begin } = await ours.table.snapshot()
        for (const statement of [
          `insert into ${table} select * from ${table}`,
          `delete from ${table} where ${key} = 2`,
          `update ${table} set ${key} = ${key} + 1 where ${key} = 7`,
          `optimize ${table}`,
          `alter table ${table} set tblproperties ('delta.checkpointInterval' = '2')`,
          `vacuum ${table} retain 0 hours`,
          `insert into ${table} select * from ${table} limit 1`,
        ]) {
          await runAll(sparks, path, [statement])
          const found = await ourRows(ours.table)
          expect.soft([statement, found]).toEqual([statement, await sparkRows(sparks, path)])
          await sparks.duckdb.use(async (session) => {
            const all = await ours.table.scan(session, await ours.table.snapshot())
            await append(ours.table, { session, select: `select * from (${all}) limit 1` })
          })
        }
        await ours.table.checkpoint()
        // Under another name, so that nothing is remembered: the marks that Spark's own file system leaves are stale.
        const copy = `${path}-written`
        await cp(path, copy, { recursive: true })
        expect.soft(await sparkRows(sparks, copy)).toEqual(await ourRows(ours.table))
        expect((await ours.table.snapshot()).version).toBeGreaterThan(begin + 4)
      },
      sparkTimeoutMs,
    )

    it(
      'at the same time as we do, and nothing is lost',
      async () => {
        const path = join(sparks.root, 'race')
        await using ours = tableAt(sparks, path)
        await ours.table.createIfMissing({ schema: structOf(field('id', 'long'), field('n', 'long')) })
        await sparks.duckdb.use((session) =>
          append(ours.table, { session, select: 'select 0 as id, 0 as n' }),
        )
        let rounds = 0
        let appended = 0
        let refused = 0
        /** Whatever Spark does of it, we append meanwhile. */
        const beside = async <T>(theirs: Promise<T>): Promise<T> => {
          let isOpen = true
          void theirs.catch(() => undefined).then(() => (isOpen = false))
          for (let most = 5; isOpen && most > 0; most--) {
            const select = `select ${2000 + appended} as id, 0 as n`
            await sparks.duckdb.use((session) => append(ours.table, { session, select }))
            appended += 1
          }
          return theirs
        }
        // Whose commit comes between the other's is chance: on until Spark was refused, and at least three times.
        for (; rounds < 3 || (refused === 0 && rounds < 12); rounds++) {
          await beside(sparks.spark.ask(`insert into delta.\`${path}\` values (${1000 + rounds}, 0)`))
          const update = `update delta.\`${path}\` set n = n + 1 where id = 0`
          const theirs = beside(sparks.spark.refusalOf(update))
          await sparks.duckdb.use((session) =>
            updateRows(ours.table, session, { set: { n: 'n + 1' }, where: 'id = 0' }),
          )
          for (let refusal = await theirs; refusal !== 'no failure'; refused++) {
            expect(refusal).toMatch(/Concurrent/)
            refusal = await beside(sparks.spark.refusalOf(update))
          }
        }

        const ids = [
          ...Array.from({ length: rounds }, (_, at) => 1000 + at),
          ...Array.from({ length: appended }, (_, at) => 2000 + at),
        ]
        const expected = sorted([
          { id: '0', n: String(2 * rounds) },
          ...ids.map((id) => ({ id: String(id), n: '0' })),
        ])
        expect(await ourRows(ours.table)).toEqual(expected)
        expect(await sparkRows(sparks, path)).toEqual(expected)
        expect((await ours.table.snapshot()).version).toBe(1 + 3 * rounds + appended)
        expect(refused).toBeGreaterThan(0)
      },
      sparkTimeoutMs,
    )
  })
}
