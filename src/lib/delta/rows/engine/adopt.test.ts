/** Files of another engine, written by DuckDB as an engine would: held to the table, and kept with their statistics. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { openLocalStore } from '../../../storage/store.local.ts'
import { field, type StructType, structOf } from '../../schema/schema.ts'
import { DeltaTable } from '../../table.ts'

const schema = structOf(
  field('day', 'date'),
  field('id', 'long', { nullable: false }),
  field('name', 'string'),
  field('at', 'timestamp'),
  field('price', 'decimal(12,2)'),
  field('score', 'double'),
)
const rows = `select date '2026-11-20' + (i % 2)::integer as day, i as id,
    case when i % 7 = 0 then null else 'é' || i end as name,
    timestamptz '2026-11-20 10:00:00.000001+00' + to_seconds(i) as at,
    (i * 1.25)::decimal(12,2) as price,
    case when i = 11 then 'NaN'::double else i / 4 end as score
  from range(5000) t(i)`

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

let root = ''
let table: DeltaTable
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lake-adopt-'))
  table = await madeOf(schema, ['day'])
  return () => rm(root, { recursive: true, force: true })
})

async function madeOf(of: StructType, partitionBy: readonly string[] = []): Promise<DeltaTable> {
  const made = new DeltaTable({ store: openLocalStore(join(root, `t${Math.random()}`)), duckdb })
  await made.createIfMissing({ schema: of, partitionBy })
  return made
}

/** Small row groups: a bound of the file is made of many. */
async function written(select = rows, options = 'partition_by (day), '): Promise<void> {
  await mkdir(join(table.uri, 'staged-1'), { recursive: true })
  const to = join(table.uri, 'staged-1', options === '' ? 'a.parquet' : '.')
  await duckdb.use((session) =>
    session.run(`copy (${select}) to '${to}' (${options}format parquet, row_group_size 2048)`),
  )
}

const adopted = async (): ReturnType<DeltaTable['adopt']> =>
  duckdb.use(async (session) => table.adopt(session, await table.snapshot(), 'staged-1'))

const folder = async (): Promise<readonly string[]> =>
  (await readdir(join(table.uri, 'staged-1'), { recursive: true })).filter((name) => name.includes('.'))

describe('DeltaTable.adopt(session, snapshot, folder)', () => {
  it('keeps the statistics that a writer of ours keeps of the same rows', async () => {
    await written()
    const staged = await adopted()
    const ours = await duckdb.use(async (session) => table.stage(session, await table.snapshot(), rows))

    const said = (of: typeof staged): readonly unknown[] =>
      of.files
        .map(({ partitionValues, stats = '' }) => ({ partitionValues, stats: JSON.parse(stats) as unknown }))
        .toSorted((a, b) => String(a.partitionValues['day']).localeCompare(String(b.partitionValues['day'])))
    expect(said(staged)).toEqual(said(ours))
    expect(staged.rows).toBe(5_000)
    expect(staged.files.every(({ tags, size }) => tags?.['lakeshoreCrc32'] !== undefined && size > 0)).toBe(
      true,
    )
  })

  it('says no bound of a text that may be bytes in the words of the engine that reads the footer', async () => {
    table = await madeOf(structOf(field('name', 'string'), field('id', 'long')))
    await written(String.raw`select 'a\x41' as name, 1::bigint as id union all select 'b', 2`, '')

    const [file] = (await adopted()).files

    expect(JSON.parse(file?.stats ?? '')).toMatchObject({
      minValues: { id: 1 },
      maxValues: { id: 2 },
      nullCount: { name: 0 },
    })
    expect(file?.stats).not.toContain('x41')
  })

  it('removes what engines write beside the data, and files without rows', async () => {
    await written()
    const data = await folder()
    await mkdir(join(table.uri, 'staged-1', '_temporary', '0'), { recursive: true })
    for (const name of ['_SUCCESS', '.a.parquet.crc', '_temporary/0/part-0.parquet']) {
      await writeFile(join(table.uri, 'staged-1', name), '')
    }
    await adopted()
    expect((await folder()).toSorted()).toEqual(data.toSorted())

    table = await madeOf(structOf(...schema.fields.slice(1)))
    await written(`select * exclude (day) from (${rows}) limit 0`, '')
    expect(await adopted()).toEqual({ files: [], rows: 0, sizeBytes: 0 })
    expect(await folder()).toEqual([])
  })

  it.each([
    ['a column of another type', `select * replace (id::integer as id) from (${rows})`, 'SCHEMA_MISMATCH'],
    ['a column too few', `select * exclude (score) from (${rows})`, 'SCHEMA_MISMATCH'],
    ['a column too many', `select *, 1 as more from (${rows})`, 'SCHEMA_MISMATCH'],
    [
      'a null where there must be none',
      `select * replace (nullif(id, 4999) as id) from (${rows})`,
      'CONSTRAINT_VIOLATED',
    ],
    [
      'a time that is infinite',
      `select * replace ('infinity'::timestamptz as "at") from (${rows})`,
      'CONSTRAINT_VIOLATED',
    ],
  ])('refuses %s', async (_, select, code) => {
    await written(select)
    await expect(adopted()).rejects.toMatchObject({ code })
    expect((await table.snapshot()).files).toEqual([])
  })

  it('refuses a file that lies in no folder of a partition', async () => {
    await written(`select * exclude (day) from (${rows})`, '')
    await expect(adopted()).rejects.toMatchObject({ code: 'SOURCE_FAILED' })
  })

  it('refuses a table whose partitions a folder cannot name without doubt', async () => {
    table = await madeOf(structOf(field('place', 'string'), field('id', 'long')), ['place'])
    await expect(adopted()).rejects.toMatchObject({ code: 'PROTOCOL_UNSUPPORTED' })
  })
})
