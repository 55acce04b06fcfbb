import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { append } from '../change/append.ts'
import { arrayOf, field, type StructType, structOf } from '../schema/schema.ts'
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
    const select = await fileRows(session, path, { schema })
    await append(fixture.table, { session, select }, { missing: 'null' })
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
      '{"code":"01","n":9007199254740993,"d":"123456789012345678.90","at":"2026-01-02T03:04:05.000006Z","bytes":"AP8=","s":{"b":"AQ==","t":"2026-01-02"},"m":[{"key":"k","value":7}],"l":[0.5,"NaN"]}\n{}\n',
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

    const columns = await duckdb.use(async (session) => session.describe(await fileRows(session, path)))

    expect(columns).toEqual([{ name: 'a', type: 'VARCHAR' }])
  })

  it('leaves columns and fields that the table lacks to whoever evolves it', async () => {
    const path = await file('more.ndjson', '{"n":1,"more":2,"s":{"t":"2026-01-02","z":true}}\n')
    const schema = structOf(field('n', 'long'), field('s', structOf(field('t', 'date'))))
    await using fixture = await openFixture(duckdb, { schema, partitionBy: [] })

    await duckdb.use(async (session) => {
      const select = await fileRows(session, path, { schema })
      await append(fixture.table, { session, select }, { mergeSchema: true })
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
    ['a.ndjson', '{"n":1\n', 'a.ndjson: cannot be read'],
    ['a.parquet', 'n\n1\n', 'SOURCE_FAILED: '],
    ['a.csv', 'n\nx\n', 'SQL_INVALID: memory:: Column n is long, which does not hold the VARCHAR x'],
    ['a.ndjson', '{"code":"1:12345678901234567890"}\n{"d":123456789012345678.90}\n', 'line 2'],
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
