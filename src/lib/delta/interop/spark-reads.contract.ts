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
        for (const { version, rows } of versionsOf(sparks.told, name)) {
          if (version > newest) continue
          expect.soft([version, await sparkRows(sparks, path, version)]).toEqual([version, rows])
        }
        expect(await sparks.spark.ask(`describe history delta.\`${path}\``)).toHaveLength(newest + 1)
      },
      sparkTimeoutMs,
    )

    it.each(storyNames)(
      'checkpointed, cleaned, vacuumed and cloned: %s',
      async (name) => {
        for (const { step, path, rows } of withoutVersion(told(name))) {
          expect.soft([step, await sparkRows(sparks, path)]).toEqual([step, rows])
        }
      },
      sparkTimeoutMs,
    )

    it.each(storyNames)(
      'from a checkpoint of ours, older commits gone: %s',
      async (name) => {
        const own = told(name)
        for (const each of own.filter((_, at) => at % 6 === 1 || at === own.length - 2)) {
          const found = await sparkRows(sparks, await checkpointed(sparks.duckdb, each))
          expect.soft([each.step, found]).toEqual([each.step, each.rows])
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
