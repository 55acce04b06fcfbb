import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { decimal256, nanoseconds, sameNames } from '../../rowfile/parquet.fixture.ts'
import { csvField, printed, trickyTexts } from '../../rowfile/row-file.fixture.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { append } from '../change/append.ts'
import { arrayOf, field, type StructType, structOf } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'
import { failureOf, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { fileRows } from './file-rows.ts'

let duckdb: DuckDb
let folder: string
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-file-rows-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  duckdb[Symbol.dispose]()
})

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

/** What a table of that schema holds once the file was appended to it. */
async function appended(path: string, schema: StructType): Promise<unknown> {
  await using fixture = await openFixture(duckdb, { schema, partitionBy: [] })
  await duckdb.use(async (session) => {
    await using rows = await fileRows(session, path, { schema })
    await append(fixture.table, { session, select: rows.select }, { missing: 'null' })
  })
  return await rowsOf(fixture.table)
}

const kinds = structOf(
  field('code', 'string'),
  field('n', 'long'),
  field('d', 'decimal(20,2)'),
  field('at', 'timestamp'),
  field('bytes', 'binary'),
  field('s', structOf(field('b', 'binary'), field('t', 'date'))),
  field('m', { type: 'map', keyType: 'string', valueType: 'long', valueContainsNull: true }),
  field('l', arrayOf('double')),
)
const row = {
  code: '01',
  n: 9007199254740993n,
  d: '123456789012345678.90',
  at: '2026-01-02T03:04:05.000006Z',
  bytes: Buffer.from([0, 255]),
  s: { b: Buffer.from([1]), t: '2026-01-02' },
  m: [{ key: 'k', value: 7n }],
  l: [0.5, Number.NaN],
}
const nothing = { code: null, n: null, d: null, at: null, bytes: null, s: null, m: null, l: null }

describe('fileRows(session, path)', () => {
  it('reads NDJSON in the types of the table', async () => {
    const path = await file(
      'rows.ndjson',
      '{"code":"01","n":9007199254740993,"d":123456789012345678.90,"at":"2026-01-02T03:04:05.000006Z","bytes":"AP8=","s":{"b":"AQ==","t":"2026-01-02"},"m":[{"key":"k","value":7}],"l":[0.5,"NaN"]}\n{}\n',
    )

    expect(await appended(path, kinds)).toEqual([row, nothing])
  })

  it('takes a JSON object for a map too', async () => {
    const path = await file('map.ndjson', '{"m":{"k":7}}\n')

    expect(await appended(path, kinds)).toEqual([{ ...nothing, m: row.m }])
  })

  it('reads CSV in the types of the table', async () => {
    const path = await file(
      'rows.csv',
      'code,n,d,at,bytes,s,m,l\n01,9007199254740993,123456789012345678.90,2026-01-02T03:04:05.000006Z,AP8=,"{""b"":""AQ=="",""t"":""2026-01-02""}","[{""key"":""k"",""value"":7}]","[0.5,""NaN""]"\n"",,,,,,,\n,,,,,,,\n',
    )

    expect(await appended(path, kinds)).toEqual([{ ...nothing, code: '' }, row, nothing])
  })

  it('finds the types of columns that the table lacks in the whole file', async () => {
    const lines = Array.from({ length: 30_000 }, (_, n) => `${n}\n`).join('')
    const path = await file('late.csv', `a\n${lines}x\n`)

    const columns = await duckdb.use(async (session) => {
      await using rows = await fileRows(session, path)
      return await session.describe(rows.select)
    })

    expect(columns).toEqual([{ name: 'a', type: 'VARCHAR' }])
  })

  it('leaves columns and fields that the table lacks to whoever evolves it', async () => {
    const path = await file('more.ndjson', '{"n":1,"more":2,"s":{"t":"2026-01-02","z":true}}\n')
    const schema = structOf(field('n', 'long'), field('s', structOf(field('t', 'date'))))
    await using fixture = await openFixture(duckdb, { schema, partitionBy: [] })

    await duckdb.use(async (session) => {
      await using rows = await fileRows(session, path, { schema })
      await append(fixture.table, { session, select: rows.select }, { mergeSchema: true })
    })

    expect(await rowsOf(fixture.table)).toEqual([{ n: 1n, s: { t: '2026-01-02', z: true }, more: 2n }])
  })

  it.each([
    ['a.csv', 'n\n1.5\n', 'which does not hold'],
    ['a.csv', 'n,other\n1,2\n', 'not in the table: other'],
    ['a.csv', 's\n"{""b"":null,""t"":null,""z"":1}"\n', 'not in the table: s.z'],
    ['a.csv', 'n,code\n1\n', 'CSV'],
    ['a.ndjson', '{"n":1}\n{"n":1.5}\n', 'which does not hold'],
    ['a.ndjson', '{"s":{"z":1}}\n', 'not in the table: s.z'],
    ['a.ndjson', '{"n":1\n', 'a.ndjson, line 2, column 1: expected a comma or }, got the end of the file'],
    ['a.parquet', 'n\n1\n', 'SOURCE_FAILED: '],
    ['a.csv', 'n\n1\nx\n', 'a.csv, line 3: column n is long, which does not hold "x"'],
    [
      'a.ndjson',
      '{"n":1}\n\n{"d":1.234}\n',
      'line 3: column d is decimal(20,2), which does not hold "1.234"',
    ],
    ['a.csv', 'bytes\nAP8\n', 'line 2: column bytes is binary, which does not hold "AP8"'],
    [
      'a.ndjson',
      '{"n":1}\n{"s":{"t":"x"}}\n{}\n',
      'a.ndjson, line 2: column s: invalid date field format: "x"',
    ],
    [
      'a.ndjson',
      '{"n":1}\n{"l":5}\n',
      'a.ndjson, line 2: column l: Column l is array, which does not hold the VARCHAR 5',
    ],
    ['a.csv', 'n,l\n1,[1]\n2,"[""z""]"\n', 'a.csv, line 3: column l: Could not convert string'],
    ['a.csv', 'n,l\n1,[1\n', 'a.csv, line 2: column l: expected a comma or ]'],
    ['a.txt', 'n\n1\n', 'expected a name that ends in'],
  ])('refuses %s: %j', async (name, content, words) => {
    expect(await failureOf(appended(await file(name, content), kinds))).toContain(words)
  })

  it('says which file is not there, and takes no name for a pattern', async () => {
    await file('a1.csv', 'n\n1\n')
    const path = await file('a[1].csv', 'n\n2\n')

    expect(await appended(path, kinds)).toEqual([{ ...nothing, n: 2n }])
    expect(await failureOf(appended(join(folder, 'none.csv'), kinds))).toMatch(/^FILE_MISSING.*none\.csv/)
  })
})

/** A file that DuckDB writes of a SELECT. */
async function parquetOf(name: string, select: string): Promise<string> {
  const path = join(folder, name)
  await duckdb.use((session) => session.run(`copy (${select}) to '${path}' (format parquet)`))
  return path
}

describe('fileRows(session, parquet)', () => {
  it.each<readonly [string, Buffer, string]>([
    ['a decimal of 50 digits', decimal256, 'column s.wide: a decimal of 50 digits'],
    ['nanoseconds with a zone', nanoseconds, 'column at: a timestamp of nanoseconds with a zone'],
    ['names that differ in case alone', sameNames, 'the columns "a" and "A" are one but for case'],
  ])('refuses %s', async (_name, bytes, words) => {
    const path = join(folder, 'odd.parquet')
    await writeFile(path, bytes)

    expect(await failureOf(printedBack(path))).toContain(`SOURCE_FAILED: ${path}: ${words}`)
  })

  it('refuses lists that are nested deeper than anyone waits for', async () => {
    const path = await parquetOf('deep.parquet', `select ${'['.repeat(27)}1${']'.repeat(27)} as l`)

    expect(await failureOf(printedBack(path))).toBe(
      'SCHEMA_MISMATCH: Column l: lists and maps are nested more than 16 deep',
    )
  })

  it('refuses more columns than the engine can plan', async () => {
    const fields = Array.from({ length: 10_000 }, (_, n) => `c${n}: 1::tinyint`)
    const path = await parquetOf('wide.parquet', `select {${fields.join(', ')}} as s`)

    expect(await failureOf(printedBack(path))).toBe(
      `SOURCE_FAILED: ${path}: it has 10001 columns, and 10000 are the most`,
    )
  })

  it('writes lists that are nested as deep as they may be', async () => {
    const path = await parquetOf('lists.parquet', `select ${'['.repeat(16)}1${']'.repeat(16)} as l`)

    expect(await printedBack(path)).toEqual([{ l: '1' }])
  })

  it('prints dates and timestamps of any year', async () => {
    const path = await parquetOf(
      'years.parquet',
      `select date '5881580-07-10' as a, date '5877642-06-25 (BC)' as b, date '275760-09-14' as c,
         make_timestamp(9223372036854775806) as d, make_timestamp(-9223372022400000000)::timestamptz as e`,
    )

    expect(await printedBack(path)).toEqual([
      {
        a: '+5881580-07-10',
        b: '-5877641-06-25',
        c: '+275760-09-14',
        d: '+294247-01-10T04:00:54.775806',
        e: '-290308-12-22T00:00:00.000000Z',
      },
    ])
  })
})

/** What a table made of the file prints, by columns of texts. */
async function printedBack(path: string): Promise<Readonly<Record<string, string | null>>[]> {
  await using store = await MemoryStore.open()
  const table = new DeltaTable({ store, duckdb })
  await duckdb.use(async (session) => {
    await using rows = await fileRows(session, path)
    await append(table, { session, select: rows.select }, { create: {} })
  })
  return (await rowsOf(table)).map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, printed(value)])),
  )
}

describe('a table made of a file', () => {
  const columns = Object.fromEntries(trickyTexts.map((value, index) => [`c${index}`, value]))

  it('prints every text of CSV as it stood there', async () => {
    const names = Object.keys(columns).join(',')
    const fields = Object.values(columns).map((value) => csvField(value, false))

    const rows = await printedBack(await file('tricky.csv', `${names}\n${fields.join(',')}\n`))

    expect(rows).toEqual([columns])
  })

  it('prints every text of JSON as it stood there', async () => {
    const rows = await printedBack(await file('tricky.ndjson', `${JSON.stringify(columns)}\n`))

    expect(rows).toEqual([columns])
  })
})
