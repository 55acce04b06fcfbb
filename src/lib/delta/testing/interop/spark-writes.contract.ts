/** Tables of Spark, read by us: at every version, found by conditions, and written on where we may. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { LakeError } from '../../../base/errors.ts'
import { append } from '../../change/append.ts'
import { readVariant } from '../../rows/columns/variant.fixture.ts'
import { misjudgedConditions } from '../../rows/engine-pruning.fixture.ts'
import type { DeltaTable } from '../../table.ts'
import { ourChanges, ourRows } from './peer.fixture.ts'
import { runAll, type Sparks, sparkChanges, sparkRows, sparkTimeoutMs, tableAt } from './spark.fixture.ts'
import { sparkTables } from './spark-tables.fixture.ts'

const table = 'delta.`PATH`'

export function describeSparkWrites(open: () => Sparks): void {
  let sparks: Sparks
  beforeAll(() => {
    sparks = open()
  })

  describe('we read what Spark writes', () => {
    it.each(sparkTables)(
      'at every version, by conditions, and written on: $name',
      async ({ name, statements, shows, refused }) => {
        const path = join(sparks.root, `theirs-${name.replaceAll(/\W+/g, '-')}`)
        await runAll(sparks, path, statements)
        await using ours = tableAt(sparks, path)
        const { version: newest } = await ours.table.snapshot()
        const versions = Array.from({ length: newest + 1 }, (_, version) => version)
        const expected = await Promise.all(versions.map((version) => sparkRows(sparks, path, version)))
        for (const version of versions) {
          const found = withVariants(await ourRows(ours.table, version))
          expect.soft([version, found]).toEqual([version, withVariants(expected[version] ?? [])])
        }

        const written = await textOf(path)
        for (const each of shows) expect.soft(written).toMatch(each)
        expect.soft(await misjudged(ours.table)).toEqual([])
        expect(await appendAgain(ours.table)).toBe(refused === undefined ? 'appended' : refused)
        if (refused === undefined) {
          expect(await sparkRows(sparks, path)).toEqual(await ourRows(ours.table))
        }
      },
      sparkTimeoutMs,
    )

    it(
      'as a feed of changes',
      async () => {
        const path = join(sparks.root, 'their-feed')
        await runAll(sparks, path, [
          `create table ${table} (id long, p string) using delta partitioned by (p)
            tblproperties ('delta.enableChangeDataFeed' = 'true', 'delta.enableDeletionVectors' = 'true')`,
          `insert into ${table} values (1, 'a'), (2, 'a'), (3, 'b'), (4, 'b')`,
          `delete from ${table} where id = 1`,
          `update ${table} set id = id + 10 where id = 2`,
          `merge into ${table} t using (select 3L id, 'c' p union all select 9, 'd') s on t.id = s.id
            when matched then update set * when not matched then insert *`,
          `delete from ${table} where p = 'b'`,
          `insert overwrite ${table} values (7, 'z')`,
        ])
        await using ours = tableAt(sparks, path)

        expect(await ourChanges(ours.table, 0)).toEqual(await sparkChanges(sparks, path))
      },
      sparkTimeoutMs,
    )
  })
}

/** Rows with the values of their variants, which have more than one spelling. */
function withVariants(rows: readonly string[]): readonly string[] {
  return rows
    .map((row) =>
      JSON.stringify(
        JSON.parse(row, (_, value: unknown) => {
          if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'metadata,value')
            return value
          const { metadata, value: binary } = value as Readonly<Record<'metadata' | 'value', string>>
          return readVariant({ metadata: Buffer.from(metadata, 'hex'), value: Buffer.from(binary, 'hex') })
        }),
      ),
    )
    .sort()
}

/** The commits of a table, and the names of its files. */
async function textOf(path: string): Promise<string> {
  const names = await readdir(path, { recursive: true })
  const commits = names.filter((name) => /^_delta_log\/\d+\.json$/.test(name))
  return [...names, ...(await Promise.all(commits.map((name) => readFile(join(path, name), 'utf8'))))].join(
    '\n',
  )
}

function misjudged(delta: DeltaTable): Promise<readonly string[]> {
  return delta.duckdb.use(async (session) =>
    misjudgedConditions(session, delta, await delta.snapshot(), { values: 4 }),
  )
}

/** Appends a row that the table has. @returns `appended`, or the features that we lack for it. */
async function appendAgain(delta: DeltaTable): Promise<string> {
  try {
    await delta.duckdb.use(async (session) => {
      const all = await delta.scan(session, await delta.snapshot())
      return append(delta, { session, select: `select * from (${all}) limit 1` })
    })
    return 'appended'
  } catch (error) {
    if (!(error instanceof LakeError) || error.code !== 'PROTOCOL_UNSUPPORTED') throw error
    return String(error.details['lacking']).split(',').sort().join()
  }
}
