/**
 * Tables that others wrote: OSS Delta 0.1 to 4.3, Databricks 7.3 to 17.3, delta-rs, Trino, the Java kernel. They
 * lie beside the checkout and are not part of it; the index says what is to be read of each. `npm test` reads
 * one table of each feature, `npm run test:long` all of them, at every version.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type DuckDb, type DuckDbSession, openDuckDb } from '../../duckdb/duckdb.ts'
import { identifier, list, text } from '../../duckdb/sql-text.ts'
import { openLocalStore } from '../../storage/store.local.ts'
import { misjudgedConditions } from '../rows/engine-pruning.fixture.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { DeltaTable } from '../table.ts'

const folder = fileURLToPath(new URL('../../../../../shared/delta-corpus', import.meta.url))
const isThere = existsSync(folder)
if (!isThere) console.warn(`The corpus of Delta tables is not there, its tests are skipped: ${folder}`)

const entries = z
  .array(
    z.object({
      key: z.string(),
      status: z.enum(['valid', 'refuse', 'log-only', 'lenient']),
      why: z.string(),
      features: z.array(z.string()),
      version: z.number().nullable(),
      files: z.number().nullable(),
      rows: z.number().nullable(),
      hasExpected: z.boolean(),
      versions: z.record(z.string(), z.number()),
    }),
  )
  .parse(isThere ? JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) : [])

type Entry = (typeof entries)[number]

/** What the message of a refusal must name, for tables whose reason is not one feature. */
const refusals: Readonly<Record<string, RegExp>> = {
  // One of them also has a path that leads out of the table.
  'log fragment, no metaData': /no protocol or no metadata|names no file below the table/,
  'checkpoint lacks metaData': /no protocol or no metadata/,
  'checkpoint lacks protocol': /no protocol or no metadata/,
  'no metaData action': /no protocol or no metadata/,
  'no protocol action': /no protocol or no metadata/,
  'no _delta_log: "not a Delta table"': /not a Delta table/,
  'version 1 missing': /version 1 is missing/,
  'no commit, only a broken .crc': /not a Delta table/,
  'reader version 5 + unknown feature': /blahabl.*reader version 5/,
  'commit gap without covering checkpoint': /version 12 is missing/,
  'catalogOwned feature': /catalogOwned/,
  'catalogOwned feature, gaps/multi-part mixture': /catalogOwned/,
  'catalogManaged: no path-based access': /catalogManaged/,
}

const ran = new Set<string>()

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

function tableOf({ key }: Entry): DeltaTable {
  ran.add(key)
  return new DeltaTable({ store: openLocalStore(join(folder, key, 'delta')), duckdb })
}

async function countRows(table: DeltaTable, snapshot: Snapshot): Promise<number> {
  return duckdb.use(async (session) => {
    const select = await table.scan(session, snapshot)
    return Number((await session.row(`select count(*) as n from (${select})`))['n'])
  })
}

/** Folders of expected rows: `expected` itself, or one for each version. */
async function expectedRows({ key, version }: Entry): Promise<ReadonlyMap<number, readonly string[]>> {
  const found = new Map<number, readonly string[]>()
  const root = join(folder, key, 'expected')
  for (const [name, of] of [
    ['.', version],
    ['latest/table_content', version],
    ...Array.from({ length: (version ?? -1) + 1 }, (_, at) => [`v${at}/table_content`, at] as const),
  ] as const) {
    const within = join(root, name)
    const files = existsSync(within) ? await readdir(within) : []
    const parquet = files.filter((file) => /^[^._].*\.parquet$/.test(file))
    if (of !== null && parquet.length > 0)
      found.set(
        of,
        parquet.map((file) => join(within, file)),
      )
  }
  return found
}

const none = { columns: 0, onlyOurs: [], onlyTheirs: [] }

/** Equal where the rows are, in whatever order. Reads every value. */
async function hashOf(session: DuckDbSession, select: string): Promise<string> {
  const { n, sum } = await session.row(
    `select count(*) as n, sum(hash(each)::hugeint) as sum from (${select}) as each`,
  )
  return `${n} ${sum}`
}

/** The rows that one side has and the other has not. */
async function difference(session: DuckDbSession, ours: string, files: readonly string[]): Promise<unknown> {
  const theirs = `select * from read_parquet(${list(files.map((file) => text(file.replace(/[*?[]/g, '[$&]'))))}, hive_partitioning = false)`
  const columns = (await session.describe(theirs)).map(({ name }) => identifier(name)).join(', ')
  const [left, right] = [`select ${columns} from (${ours})`, `select ${columns} from (${theirs})`]
  const extra = (await session.describe(ours)).length - (await session.describe(theirs)).length
  const hashes = await Promise.all([left, right].map((select) => hashOf(session, select)))
  if (extra === 0 && hashes[0] === hashes[1]) return none
  return {
    columns: extra,
    onlyOurs: await session.rows(`(${left}) except all (${right}) limit 3`),
    onlyTheirs: await session.rows(`(${right}) except all (${left}) limit 3`),
  }
}

const withStatus = (status: Entry['status']): readonly Entry[] =>
  entries.filter((entry) => entry.status === status)

/** Tables whose log states a bound that leaves rows out: a reader that trusts it misses them, and Spark does. */
const untrueStatistics = ['delta-rs/issue_1374']

/** Of tables with few rows first, those that have a feature that none before them has. */
function oneOfEachFeature(tables: readonly Entry[]): readonly Entry[] {
  const seen = new Set<string>()
  return tables
    .toSorted((one, other) => (one.rows ?? 0) - (other.rows ?? 0))
    .filter(({ features }) => {
      const isNew = features.some((feature) => !seen.has(feature))
      for (const feature of features) seen.add(feature)
      return isNew
    })
}

export interface CorpusOptions {
  /** All of the tables that are valid, or one of each feature; all others are refused or replayed in any case. */
  readonly tables: 'all' | 'one of each feature'
  /** Of the versions of a table that the index tells of, those that are read. */
  readonly sample: (versions: readonly number[]) => readonly number[]
  /** Of each column, how many values conditions are tried on. */
  readonly valuesOfConditions: number
}

export function describeCorpus(title: string, { tables, sample, valuesOfConditions }: CorpusOptions): void {
  const valid = tables === 'all' ? withStatus('valid') : oneOfEachFeature(withStatus('valid'))
  describe.skipIf(!isThere)(title, () => {
    it.each(valid)('$key is read', async (entry) => {
      const table = tableOf(entry)
      const newest = await table.snapshot()
      const expected = await expectedRows(entry)

      expect([newest.version, newest.files.length]).toEqual([entry.version, entry.files])
      expect(await countRows(table, newest)).toBe(entry.rows)
      expect(expected.size > 0 || !entry.hasExpected).toBe(true)
      for (const version of sample([...expected.keys()].sort((one, other) => one - other))) {
        const files = expected.get(version) ?? []
        const snapshot = await table.snapshot({ version })
        const compared = await duckdb.use(async (session) =>
          difference(session, await table.scan(session, snapshot), files),
        )
        expect(compared).toEqual(none)
      }
      // Where nobody says what the rows are, they must at least come to be read.
      if (!entry.hasExpected) {
        await duckdb.use(async (session) =>
          session.rows(`select * from (${await table.scan(session, newest)})`),
        )
      }
      for (const version of sample(Object.keys(entry.versions).map(Number))) {
        const snapshot = await table.snapshot({ version })
        const rows = entry.versions[version]
        expect({ version, rows: await countRows(table, snapshot) }).toEqual({ version, rows })
      }
    })

    const judged = valid.filter(({ key }) => valuesOfConditions > 0 && !untrueStatistics.includes(key))
    it.each(judged)('conditions find the rows of $key', async (entry) => {
      const table = tableOf(entry)
      const newest = await table.snapshot()

      const misjudged = await duckdb.use((session) =>
        misjudgedConditions(session, table, newest, { values: valuesOfConditions }),
      )

      expect(misjudged).toEqual([])
    })

    const changing = valid.filter(
      ({ features, rows }) => rows !== 0 && features.some((name) => /^(?:cdc-actions$|dv:)/.test(name)),
    )
    it.each(changing)('the changes of $key add up to its rows', async (entry) => {
      const table = tableOf(entry)
      const newest = await table.snapshot()

      await duckdb.use(async (session) => {
        const columns = newest.schema.fields.map(({ name }) => identifier(name)).join(', ')
        const changes = await table.changes(session, newest, { from: 0 })
        const came = `select ${columns} from (${changes}) where _change_type in ('insert', 'update_postimage')`
        const went = `select ${columns} from (${changes}) where _change_type in ('delete', 'update_preimage')`
        const left = `select ${columns} from (${await table.scan(session, newest)}) union all ${went}`
        expect(await session.rows(`(${came}) except all (${left})`)).toEqual([])
        expect(await session.rows(`(${left}) except all (${came})`)).toEqual([])
      })
    })

    it.each(withStatus('refuse'))('$key is refused: $why', async (entry) => {
      expect(refusals[entry.why]).toBeDefined()
      await expect(tableOf(entry).snapshot()).rejects.toThrow(refusals[entry.why])
    })

    it.each(withStatus('log-only'))('the log of $key is replayed', async (entry) => {
      const snapshot = await tableOf(entry).snapshot()

      expect([snapshot.version, snapshot.files.length]).toEqual([entry.version, entry.files])
    })

    it.each(withStatus('lenient'))('$key is refused, or read whole', async (entry) => {
      const table = tableOf(entry)
      const read = table.snapshot().then((snapshot) => countRows(table, snapshot))

      expect(await read.catch((error: unknown) => String(error))).toSatisfy(
        (answer: unknown) => answer === entry.rows || /LakeError.*line 1: not JSON/.test(String(answer)),
      )
    })

    it('left no table out', () => {
      expect(entries.length).toBeGreaterThan(0)
      const wanted = entries.filter((entry) => entry.status !== 'valid' || valid.includes(entry))
      expect([...ran].sort()).toEqual(wanted.map(({ key }) => key).sort())
    })
  })
}
