/**
 * What we write, read by ClickHouse's own reader of Delta tables (delta-kernel-rs), after each kind of change and
 * at the versions before.
 *
 * ClickHouse runs in a process of its own for each table, which answers for all its versions.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { openLocalStore } from '../storage/store.local.ts'
import type { ObjectStore } from '../storage/store.ts'
import { addConstraint } from './alter/check.ts'
import { addColumns, dropColumn, renameColumn, setNotNull, widenColumn } from './alter/columns.ts'
import { setProperties } from './alter/set-properties.ts'
import { arrayOf, field, structOf } from './schema.ts'
import { DeltaTable } from './table.ts'
import { append } from './write/append.ts'
import { cloneDeep } from './write/clone.ts'
import { createFrom } from './write/create.ts'
import { deleteRows } from './write/delete.ts'
import { overwrite } from './write/overwrite.ts'
import { restore } from './write/restore.ts'
import { rowsOf } from './write/write.fixture.ts'

type Row = Readonly<Record<string, unknown>>

let root: string
let duckdb: DuckDb
const stores: ObjectStore[] = []
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lake-interop-'))
  duckdb = await openDuckDb({ threads: 2 })
})
afterAll(async () => {
  for (const store of stores) await store[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
  await rm(root, { recursive: true, force: true })
})

const program = `
const { query } = require('chdb')
const answers = JSON.parse(process.argv[1]).map((sql) => {
  try {
    return { rows: String(query(sql, 'JSONEachRow')).split('\\n').filter((line) => line !== '').map((line) => JSON.parse(line)) }
  } catch (error) {
    return { error: String(error) }
  }
})
process.stdout.write(JSON.stringify(answers))
`

/** What ClickHouse says to each statement, in their order. */
async function ask(
  statements: readonly string[],
): Promise<readonly { readonly rows?: readonly Row[]; readonly error?: string }[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['-e', program, JSON.stringify(statements)],
    {
      cwd: '/',
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, NODE_PATH: join(import.meta.dirname, '../../../node_modules') },
    },
  )
  return JSON.parse(stdout) as readonly { readonly rows?: readonly Row[]; readonly error?: string }[]
}

let tables = 0
function newTable(): { readonly table: DeltaTable; readonly path: string } {
  tables += 1
  const path = join(root, `t${tables}`)
  const store = openLocalStore(path)
  stores.push(store)
  return { table: new DeltaTable({ store, duckdb }), path }
}

const put = (table: DeltaTable, select: string) =>
  duckdb.use((session) => append(table, { session, select }, { missing: 'null', mergeSchema: true }))

/** Rows of every version, by us and by ClickHouse, as lists of JSON texts. */
async function compare(
  { table, path }: { readonly table: DeltaTable; readonly path: string },
  versions: readonly number[],
): Promise<void> {
  const ours: string[][] = []
  for (const version of versions) {
    const rows = await rowsOf(table, { version })
    ours.push(rows.map(canonical).toSorted())
  }
  const settings = (version: number): string =>
    `settings delta_lake_snapshot_version = ${version}, output_format_json_quote_64bit_integers = 0, schema_inference_make_columns_nullable = 1`
  const theirs = await ask(
    versions.map((version) => `select * from deltaLakeLocal('${path}') ${settings(version)}`),
  )
  expect(theirs.map(({ rows, error }) => error ?? rows?.map(canonical).toSorted())).toEqual(ours)
}

/** Equal texts for equal values, however either side spells them. */
function canonical(row: Row): string {
  return JSON.stringify(spelled(row))
}

function spelled(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(spelled)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, inner]) => [name, spelled(inner)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

describe('ClickHouse reads at every version', () => {
  it('a table made from rows, evolved, overwritten and restored', async () => {
    const { table, path } = newTable()
    await duckdb.use((session) =>
      createFrom(
        table,
        {
          session,
          select: "select i as id, 'p' || i % 2 as part, i * 1.5::double as price from range(4) t(i)",
        },
        { partitionBy: ['part'] },
      ),
    )
    await put(table, "select 9 as id, 'p/ q' as part, 0.5::double as price, 'new' as note")
    await addColumns(table, [{ path: 'more', type: 'integer' }])
    await put(table, 'select 10 as id, null::varchar as part, 1 as more')
    await addConstraint(table, 'pos', 'id >= 0')
    await setNotNull(table, 'id')
    await duckdb.use((session) => deleteRows(table, session, { where: 'id = 1' }))
    await duckdb.use((session) =>
      overwrite(
        table,
        { session, select: "select 1 as id, 'whole' as other" },
        { overwriteSchema: true, partitionBy: [] },
      ),
    )
    await restore(table, { version: 1 })

    await compare({ table, path }, [0, 1, 2, 3, 6, 7, 8])
  })

  it('renamed and dropped columns, of a table that began without mapping', async () => {
    const { table, path } = newTable()
    await table.createIfMissing({
      schema: structOf(
        field('day', 'string'),
        field('id', 'long'),
        field('who', structOf(field('name', 'string'), field('age', 'long'))),
      ),
      partitionBy: ['day'],
    })
    await put(table, "select 'a' as day, 1 as id, {'name': 'Ada', 'age': 36} as who")
    await setProperties(table, { 'delta.columnMapping.mode': 'name' })
    await renameColumn(table, 'id', 'key')
    await renameColumn(table, 'who.age', 'years')
    await put(table, "select 'b' as day, 2 as key, {'name': 'Bob', 'years': 7} as who")
    await dropColumn(table, 'key')
    await addColumns(table, [{ path: 'key', type: 'string' }])
    await put(table, "select 'c' as day, {'name': 'Cy', 'years': 8} as who, 'k' as key")

    await compare({ table, path }, [1, 5, 8])

    const copy = newTable()
    await cloneDeep(table, copy.table)
    await compare(copy, [0])
  })

  it('widened columns', async () => {
    const { table, path } = newTable()
    await table.createIfMissing({
      schema: structOf(field('id', 'integer'), field('list', arrayOf('integer')), field('f', 'float')),
      properties: { 'delta.enableTypeWidening': 'true' },
    })
    await put(table, 'select 1 as id, [1, 2] as list, 0.5::float as f')
    await widenColumn(table, 'f', 'double')
    await put(table, 'select 3000000000 as id, [3000000000] as list, 1e300 as f')

    await compare({ table, path }, [1, 3])
  })
})
