import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../../base/clock.ts'
import { LakeError } from '../../base/errors.ts'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { openLocalStore } from '../../storage/store.local.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import type { Metadata, StringMap } from '../protocol/metadata.ts'
import { encodeSchema, field, type StructType, structOf } from '../schema/schema.ts'
import { decodeStatistics } from '../snapshot/statistics.ts'
import { stageRows } from './stage.ts'

let duckdb: DuckDb
let store: MemoryStore
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
  store = await MemoryStore.open()
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

function metadataOf(
  schema: StructType,
  {
    partitionColumns = [],
    configuration = {},
  }: { partitionColumns?: string[]; configuration?: StringMap } = {},
): Metadata {
  const format = { provider: 'parquet', options: {} }
  return { id: 'id', format, schemaString: encodeSchema(schema), partitionColumns, configuration }
}

function stage(metadata: Metadata, select: string, missing: 'error' | 'null' = 'error') {
  const target = { store, clock: new ManualClock(1_000), metadata }
  return duckdb.use((session) => stageRows(session, target, select, { missing }))
}

async function rejected(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof LakeError ? `${error.code}: ${error.message}` : `no LakeError: ${String(error)}`
}

describe('stageRows(session, target, select)', () => {
  it('finds columns by name, ignoring case, and leaves absent ones null where that is asked for', async () => {
    const metadata = metadataOf(structOf(field('Id', 'long'), field('note', 'string')))

    const staged = await stage(metadata, 'select 7 as ID', 'null')

    expect(decodeStatistics(staged.files[0]?.stats)).toMatchObject({
      numRecords: 1,
      minValues: { Id: 7 },
      nullCount: { Id: 0, note: 1 },
    })
    expect(await rejected(stage(metadata, 'select 7 as id'))).toContain('missing: note')
    expect(await rejected(stage(metadata, "select 7 as id, '' as note, 1 as extra"))).toContain(
      'not in the table: extra',
    )
  })

  it.each([
    ['a fraction in a whole number', 'long', '1.5::double'],
    ['a decimal that would be rounded', 'decimal(5,1)', '1.75::decimal(5,2)'],
    ['a whole number that a double rounds', 'double', '9007199254740993'],
    ['a time of day in a date', 'date', "timestamp '2026-01-01 10:00:00'"],
    ['a nanosecond in a timestamp', 'timestamp_ntz', "timestamp_ns '2026-01-01 00:00:00.000000001'"],
    ['a number out of range', 'byte', '300'],
    ['a word for a number', 'integer', "'three'"],
    ['an infinite date', 'date', "date 'infinity'"],
    ['an infinite time', 'timestamp', "timestamptz '-infinity'"],
  ] as const)('refuses %s', async (_, type, value) => {
    expect(await rejected(stage(metadataOf(structOf(field('c', type))), `select ${value} as c`))).toMatch(
      /^(SQL_INVALID|CONSTRAINT_VIOLATED): /,
    )
  })

  it.each([
    ['long', '2.0::double', 2],
    ['decimal(5,1)', '1.70::decimal(5,2)', 1.7],
    ['date', "timestamp '2026-01-01 00:00:00'", '2026-01-01'],
    ['double', '1.25::decimal(5,2)', 1.25],
    ['float', '0.5::double', 0.5],
    ['timestamp_ntz', "timestamp_ns '2026-01-01 00:00:00.000001'", '2026-01-01T00:00:00.000'],
  ] as const)('lets through to %s what fits: %s', async (type, value, min) => {
    const staged = await stage(metadataOf(structOf(field('c', type))), `select ${value} as c`)
    expect(decodeStatistics(staged.files[0]?.stats)?.minValues).toEqual({ c: min })
  })

  it('writes partition values as the log has them, and takes the empty text for null', async () => {
    const schema = structOf(
      field('n', 'long'),
      field('s', 'string'),
      field('t', 'timestamp'),
      field('z', 'timestamp_ntz'),
      field('d', 'decimal(10,2)'),
      field('f', 'double'),
      field('b', 'boolean'),
    )
    const metadata = metadataOf(schema, { partitionColumns: ['s', 't', 'z', 'd', 'f', 'b'] })

    const { files } = await stage(
      metadata,
      `select 1 as n, 'a/b %c=ü' as s, timestamptz '2026-01-01 02:00:00.000001+02' as t,
        timestamp '0001-01-01 00:00:00' as z, 5 as d, 'inf'::double as f, true as b
       union all select 2, '', null, null, null, null, null union all select 3, null, null, null, null, null, null`,
    )

    const values = files.map(({ partitionValues }) => partitionValues)
    expect(values).toHaveLength(2)
    expect(values).toContainEqual({
      s: 'a/b %c=ü',
      t: '2026-01-01T00:00:00.000001Z',
      z: '0001-01-01 00:00:00.000000',
      d: '5.00',
      f: 'Infinity',
      b: 'true',
    })
    expect(values).toContainEqual({
      s: null,
      t: null,
      z: null,
      d: null,
      f: null,
      b: null,
    })
  })

  it('gives statistics to the columns that the properties name, or to so many', async () => {
    const schema = structOf(field('a', 'long'), field('s', structOf(field('b', 'long'), field('c', 'long'))))
    const select = "select 1 as a, {'b': 2, 'c': 3} as s"
    const minimums = async (configuration: StringMap): Promise<unknown> => {
      const staged = await stage(metadataOf(schema, { configuration }), select)
      return decodeStatistics(staged.files[0]?.stats)?.minValues
    }

    expect(await minimums({ 'delta.dataSkippingNumIndexedCols': '2' })).toEqual({ a: 1, s: { b: 2 } })
    expect(await minimums({ 'delta.dataSkippingNumIndexedCols': '0' })).toEqual({})
    expect(await minimums({ 'delta.dataSkippingStatsColumns': 's.c' })).toEqual({ s: { c: 3 } })
  })

  describe('with constraints', () => {
    const schema = structOf(
      field('age', 'integer'),
      field('name', 'string', { nullable: false }),
      field('tags', {
        type: 'array',
        elementType: structOf(field('k', 'string', { nullable: false })),
        containsNull: false,
      }),
    )
    const select = (age: string, name = "'x'", tags = "[{'k': 'v'}]"): string =>
      `select 20 as age, 'y' as name, null as tags union all select ${age}, ${name}, ${tags}`

    it.each([
      ['age >= 18', select('17'), 'CHECK adult (age >= 18)'],
      ['age >= 18', select('null'), 'CHECK adult'],
      ['`age` between 0 and 150 and name <> "bad"', select('1', "'bad'"), 'CHECK adult'],
      ['true', select('1', 'null'), 'NOT NULL in name'],
      ['true', select('1', "'x'", '[null]'), 'NOT NULL in tags'],
      ['true', select('1', "'x'", "[{'k': null}]"), 'NOT NULL in tags'],
    ])('refuses under %s a row that violates it, and stages nothing', async (check, rows, name) => {
      await using own = await MemoryStore.open()
      const metadata = metadataOf(schema, { configuration: { 'delta.constraints.adult': check } })
      const target = { store: own, clock: new ManualClock(0), metadata }

      const outcome = rejected(duckdb.use((session) => stageRows(session, target, rows)))

      expect(await outcome).toContain('CONSTRAINT_VIOLATED')
      expect(await outcome).toContain(name)
      const keys: string[] = []
      for await (const { key } of own.list('')) keys.push(key)
      expect(keys).toEqual([])
    })

    it('writes rows that satisfy them', async () => {
      const metadata = metadataOf(schema, { configuration: { 'delta.constraints.adult': 'age >= 18' } })
      expect(await stage(metadata, select('18'))).toMatchObject({ rows: 2 })
    })

    it.each([
      ['rlike(name, "x")'],
      ["name = 'It''s'"],
      ["name = 'a\\nb'"],
      ['age / 2 > 1'],
      ['age in (select 1)'],
      ['age >'],
    ])('refuses to write under %s, which the engines may read differently', async (check) => {
      const metadata = metadataOf(schema, { configuration: { 'delta.constraints.c': check } })
      expect(await rejected(stage(metadata, select('1')))).toMatch(/^PROTOCOL_UNSUPPORTED: .*CHECK c/)
    })
  })

  it('stages partitions and change files within a table whose folder ends in a letter beyond ASCII', async () => {
    const above = await mkdtemp(join(tmpdir(), 'stage-'))
    try {
      await using local = openLocalStore(join(above, 'straße-ü'))
      const schema = structOf(field('n', 'long'), field('p', 'string'))
      const target = {
        store: local,
        clock: new ManualClock(1_000),
        metadata: metadataOf(schema, { partitionColumns: ['p'] }),
      }
      const select = `select * from (values (1, 'a'), (2, 'é')) r(n, p)`

      const staged = await duckdb.use(async (session) => [
        await stageRows(session, target, select),
        await stageRows(session, target, select, { folder: '_change_data' }),
        await stageRows(session, target, "select 3 as n, 'é' as p", { folder: 'p=é', partition: { p: 'é' } }),
      ])

      expect(await readdir(above)).toEqual(['straße-ü'])
      for (const { path } of staged.flatMap(({ files }) => files)) {
        expect(path).toMatch(/^(?:_change_data\/)?p=(?:a|%25C3%25A9|%C3%A9)\/part-/)
        expect(await local.head(decodeURIComponent(path))).toBeDefined()
      }
    } finally {
      await rm(above, { recursive: true })
    }
  })

  it('writes what begins with a byte order mark with it: in statistics and as partition values', async () => {
    const metadata = metadataOf(structOf(field('t', 'string'), field('p', 'string')), {
      partitionColumns: ['p'],
    })

    const staged = await stage(
      metadata,
      `select chr(65279) || t as t, chr(65279) || 'p' as p from (values ('a'), ('b')) r(t)`,
    )

    expect(staged.files.map(({ partitionValues }) => partitionValues)).toEqual([{ p: '\uFEFFp' }])
    expect(decodeStatistics(staged.files[0]?.stats)).toMatchObject({
      minValues: { t: '\uFEFFa' },
      maxValues: { t: '\uFEFFb' },
    })
  })

  it('tells the text that stands for null in names of folders from null', async () => {
    const metadata = metadataOf(structOf(field('n', 'long'), field('p', 'string')), {
      partitionColumns: ['p'],
    })
    const texts = ['__HIVE_DEFAULT_PARTITION__', '__HIVE_DEFAULT_PARTITION__x', null]
    const values = texts.map((each, n) => `(${n}, ${each === null ? 'null' : `'${each}'`})`)

    const staged = await stage(metadata, `select * from (values ${values.join(', ')}) r(n, p)`)

    const found = staged.files.map(({ partitionValues, stats }) => [
      decodeStatistics(stats)?.minValues['n'],
      partitionValues['p'],
    ])
    expect(Object.fromEntries(found)).toEqual({ ...texts })
    expect(staged.rows).toBe(3)
  })
})
