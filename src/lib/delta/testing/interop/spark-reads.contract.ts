/** Our tables, read by Spark: at every version, and where only a checkpoint is left of the log. */
import { beforeAll, describe, expect, it } from 'vitest'
import { ourChanges } from './peer.fixture.ts'
import { type Sparks, sparkChanges, sparkRows, sparkTimeoutMs, tableAt } from './spark.fixture.ts'
import {
  checkpointed,
  storyNames,
  type Told,
  versionsOf,
  wholeHistory,
  withoutVersion,
} from './stories.fixture.ts'

export function describeSparkReads(open: () => Sparks): void {
  describe('Spark reads what we write', () => {
    let sparks: Sparks
    beforeAll(() => {
      sparks = open()
    })
    const told = (name: string): readonly Told[] => sparks.told.filter(({ story }) => story === name)

    it.each(storyNames)(
      'at every version, with its history: %s',
      async (name) => {
        const { path, version: newest } = wholeHistory(sparks.told, name)
        const versions = versionsOf(sparks.told, name).filter(({ version }) => version <= newest)
        const found = await Promise.all(versions.map(({ version }) => sparkRows(sparks, path, version)))
        for (const [at, { version, rows }] of versions.entries()) {
          expect.soft([version, found[at]]).toEqual([version, rows])
        }
        expect(await sparks.spark.ask(`describe history delta.\`${path}\``)).toHaveLength(newest + 1)
      },
      sparkTimeoutMs,
    )

    it.each(storyNames)(
      'checkpointed, cleaned, vacuumed and cloned: %s',
      async (name) => {
        const others = withoutVersion(told(name))
        const found = await Promise.all(others.map(({ path }) => sparkRows(sparks, path)))
        for (const [at, { step, rows }] of others.entries()) {
          expect.soft([step, found[at]]).toEqual([step, rows])
        }
      },
      sparkTimeoutMs,
    )

    it.each(storyNames)(
      'from a checkpoint of ours, older commits gone: %s',
      async (name) => {
        const own = told(name)
        const some = own.filter((_, at) => at % 6 === 1 || at === own.length - 2)
        const found = await Promise.all(
          some.map(async (each) => sparkRows(sparks, await checkpointed(sparks.duckdb, each))),
        )
        for (const [at, { step, rows }] of some.entries()) {
          expect.soft([step, found[at]]).toEqual([step, rows])
        }
      },
      sparkTimeoutMs,
    )

    it(
      'as a feed of changes',
      async () => {
        const { path } = wholeHistory(sparks.told, 'feed')
        await using ours = tableAt(sparks, path)

        expect(await sparkChanges(sparks, path)).toEqual(await ourChanges(ours.table, 0))
      },
      sparkTimeoutMs,
    )
  })
}
