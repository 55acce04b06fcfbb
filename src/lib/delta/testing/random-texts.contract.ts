/** Files of random texts, as CSV and as NDJSON: what `fileRows` reads of them prints as it stood there. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { csvField, printed, trickyTexts } from '../../rowfile/row-file.fixture.ts'
import { fileRows } from '../rows/file-rows.ts'
import { randomOf } from './random.fixture.ts'

const seed = Number(process.env['LAKE_FUZZ_SEED'] ?? Date.now() % 1_000_000_007)

export function describeRandomTexts({ files }: { readonly files: number }): void {
  let duckdb: DuckDb
  let folder: string
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
    folder = await mkdtemp(join(tmpdir(), 'lakeshore-random-texts-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
    duckdb[Symbol.dispose]()
  })

  describe(`fileRows(session, path), seed ${seed}`, () => {
    it(`reads the values of ${files} random files as they stood there`, async () => {
      const random = randomOf(seed)
      for (let index = 0; index < files; index++) {
        const width = 1 + random(4)
        // A few texts a column, so that many columns have a type.
        const pools = Array.from({ length: width }, () => [anyText(random), anyText(random)])
        const records = Array.from({ length: 1 + random(5) }, () =>
          pools.map((pool) => (random(4) === 0 ? null : (pool[random(pool.length)] ?? null))),
        )
        const isCsv = random(2) === 0
        const path = join(folder, isCsv ? 'random.csv' : 'random.ndjson')
        await writeFile(path, isCsv ? csvOf(width, records, random) : ndjsonOf(records))

        const found = await duckdb.use(async (session) => {
          await using rows = await fileRows(session, path)
          return await session.rows(rows.select)
        })

        expect(found.map((row) => Object.values(row).map(printed))).toEqual(records)
      }
    })
  })
}

type Random = (below: number) => number

const anyText = (random: Random): string => trickyTexts[random(trickyTexts.length)] ?? ''

const nameOf = (_: unknown, index: number): string => `c${index}`

function csvOf(width: number, records: readonly (readonly (string | null)[])[], random: Random): string {
  const end = random(2) === 0 ? '\n' : '\r\n'
  const lines = records.map((record) => record.map((value) => csvField(value, random(3) === 0)).join(','))
  return [Array.from({ length: width }, nameOf).join(','), ...lines, ''].join(end)
}

function ndjsonOf(records: readonly (readonly (string | null)[])[]): string {
  return records
    .map(
      (record) =>
        `${JSON.stringify(Object.fromEntries(record.map((value, index) => [`c${index}`, value])))}\n`,
    )
    .join('')
}
