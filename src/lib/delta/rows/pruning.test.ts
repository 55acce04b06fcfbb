import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { type DataType, field, structOf } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'
import { createRawTable } from '../testing/raw-table.fixture.ts'
import { parsePredicate } from './predicate.ts'
import { pruneFiles } from './pruning.ts'

let duckdb: DuckDb
let store: MemoryStore
let table: DeltaTable
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  store = await MemoryStore.open()
  table = new DeltaTable({ store, duckdb })
  const schema = structOf(
    field('part', 'integer'),
    field('n', 'long'),
    field('word', 'string'),
    field('x', 'double'),
    field('moment', 'timestamp'),
    field('d', 'decimal(6,2)'),
    field('wide', 'decimal(38,2)'),
    field('flag', 'boolean'),
    field('s', structOf(field('we.ird "b"', 'long'))),
  )
  await table.createIfMissing({ schema, partitionBy: ['part'] })
  // Four files: n is 1–3, 10–12 and 9223372036854775807, and null alone.
  await append(`select 1 as part, unnest([1, 2, 3]) as n, unnest(['a', 'b', 'c']) as word`)
  await append(`select 1 as part, unnest([10, 11, 12]) as n, unnest(['10', '9', null]) as word`)
  await append(`select 2 as part, 9223372036854775807 as n, 'é😀' || repeat('z', 40) as word`)
  await append(`select null as part, null as n, null as word`)
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

async function append(select: string): Promise<void> {
  const snapshot = await table.snapshot()
  const full = `select part, n, word, case when part = 1 then n::double when part = 2 then 'nan'::double end as x,
    timestamptz '2026-01-01 00:00:00.000999+00' + interval (n % 100) day as moment, n % 1000 + 0.25 as d,
    12345678901234567890.12 as wide, n < 5 as flag, struct_pack("we.ird ""b""" := n) as s from (${select})`
  const staged = await duckdb.use((session) => table.stage(session, snapshot, full))
  await table.commit(snapshot, { add: staged.files, reads: { kind: 'none' }, operation: { name: 'WRITE' } })
}

/** The files that are left for a condition, as the letters A to D in the order of their commits. */
async function left(condition: string): Promise<string> {
  return (await pruned(condition)).files
}

interface Letters {
  readonly files: string
  readonly whole: string
  readonly partition: string
  readonly statistics: string
}

async function pruned(condition: string): Promise<Letters> {
  const snapshot = await table.snapshot()
  const letters = (files: Iterable<unknown>): string => {
    const all: readonly unknown[] = snapshot.files
    return [...files]
      .map((file) => 'ABCD'[all.indexOf(file)])
      .sort()
      .join('')
  }
  return duckdb.use(async (session) => {
    const { schema, partitionColumns } = snapshot
    const predicate = await parsePredicate(session, condition, { schema, partitionColumns })
    const found = await pruneFiles(session, snapshot, snapshot.files, predicate)
    // Many files go another way into the engine than few.
    const often = Array.from({ length: 100 }, () => snapshot.files).flat()
    const ofMany = await pruneFiles(session, snapshot, often, predicate)
    expect(letters(new Set(ofMany.files))).toBe(letters(found.files))
    expect(letters(ofMany.whole)).toBe(letters(found.whole))
    return {
      files: letters(found.files),
      whole: letters(found.whole),
      partition: letters(found.skippedByPartition),
      statistics: letters(found.skippedByStatistics),
    }
  })
}

describe('pruneFiles(session, snapshot, files, predicate)', () => {
  it.each([
    ['n > 3', 'BC'],
    ['3 < n', 'BC'],
    ['n = 2', 'A'],
    ['n = 5', ''],
    ['n <> 5', 'ABC'],
    ['n between 2 and 10', 'AB'],
    ['n in (3, 500)', 'A'],
    ['n >= 9223372036854775807', 'C'],
    ['n > 9223372036854775806 and n < 100', ''],
    ['not (n < 10)', 'BC'],
    ['not (n < 10 or n > 12)', 'B'],
    ['not (n < 12 or n > 100)', 'B'],
    ['not (n > 10 or n < 0)', 'AB'],
    ['n > 3.5', 'BC'],
    ['n is null', 'D'],
    ['n is not null', 'ABC'],
    ["word = 'b'", 'A'],
    ["word >= 'd'", 'C'],
    ["word > 'é😀zzzz'", 'C'],
    ['word is null', 'BD'],
    ["moment < '2026-01-04'", 'A'],
    ["moment >= timestamptz '2026-01-13 00:00:00.000999+00'", 'B'],
    ['d < 3', 'A'],
    ['wide < 12345678901234567890.12', ''],
    ['wide <= 12345678901234567890.12', 'ABCD'],
    ['not (wide > 12345678901234567890.11)', ''],
    ['n > 2 + 1', 'BC'],
    ["word = lower('B')", 'A'],
    ["moment < date '2026-01-01' + 3", 'A'],
    ['n in (1 + 1, abs(-11))', 'AB'],
    ['n between 5 * 2 and 10 * 10', 'B'],
    ['n > length(word)', 'ABCD'],
    ["n > abs(cast('x' as integer))", 'ABCD'],
    ['flag', 'ABCD'],
    ['flag = false', 'ABC'],
    [`s."we.ird ""b""" = 11`, 'B'],
    ["N > 3 AND Word < 'b'", 'B'],
  ])('leaves for %s the files %s', async (condition, files) => {
    expect(await left(condition)).toBe(files)
  })

  it.each([
    ['part = 1', 'AB'],
    ['part + 1 = 3', 'C'],
    ['part is null', 'D'],
    ['coalesce(part, 7) = 7', 'D'],
    ['part = 1 and n > 5', 'B'],
    ['part = 2 or n < 5', 'AC'],
  ])('knows of partition values in %s', async (condition, files) => {
    expect(await left(condition)).toBe(files)
  })

  it.each([
    ['a column that is computed', 'n + 1 > 100'],
    ['numbers compared with texts', 'word < 9.5'],
    ['a function that may change its answer', 'part = floor(random() * 0)'],
    ['a subquery', 'n in (select 5000)'],
    ['a time that would be another later', 'moment > now()'],
  ])('leaves every file in for %s', async (_, condition) => {
    expect(await left(condition)).toMatch(/ABC/)
  })

  it('never takes the upper bound of a float for one: NaN is above it', async () => {
    expect(await left('x > 1000')).toContain('C')
    expect(await left('x < 2')).toBe('AC')
  })

  it.each([
    [
      'a time may be later than its bound by what was cut off',
      `moment > timestamptz '2026-01-01 00:00:00.0005+00'`,
      1,
    ],
    ['a time is not later by more', `moment > timestamptz '2026-01-01 00:00:00.002+00'`, 0],
    ['a float may be NaN, of which bounds say nothing', 'x > 1000', 1],
  ])('knows of other writers that %s', async (_, condition, expected) => {
    const snapshot = await table.snapshot()
    const bounds = { moment: '2026-01-01T00:00:00.000Z', x: 3 }
    const stats = JSON.stringify({ numRecords: 3, minValues: bounds, maxValues: bounds, nullCount: {} })
    const files = snapshot.files.slice(0, 1).map((file) => ({ ...file, stats }))

    const { files: left } = await duckdb.use(async (session) =>
      pruneFiles(session, snapshot, files, await parsePredicate(session, condition, snapshot)),
    )

    expect(left).toHaveLength(expected)
  })

  it('tells partitions from statistics, and the files of which every row is meant', async () => {
    expect(await pruned('part = 1 and n > 5')).toEqual({
      files: 'B',
      whole: '',
      partition: 'CD',
      statistics: 'A',
    })
    expect(await pruned('not (part = 1)')).toEqual({
      files: 'C',
      whole: 'C',
      partition: 'ABD',
      statistics: '',
    })
  })
})

describe('times whose offset lacks its seconds, as Spark 3.2 wrote them', () => {
  it.each([
    ['1850-01-01T00:00:00.000+00:53', "moment < timestamptz '1849-12-31 23:06:40+00'", true],
    ['1850-01-01T00:00:00.000+00:53', "moment < timestamptz '1849-12-31 23:05:59+00'", false],
    ['1850-01-01T00:00:00.000-00:53', "moment > timestamptz '1850-01-01 00:53:20+00'", true],
    ['1850-01-01T00:00:00.000-00:53', "moment > timestamptz '1850-01-01 00:54:01+00'", false],
    ['1850-01-01T00:00:00.000Z', "moment < timestamptz '1850-01-01 00:00:00+00'", false],
  ])('a bound of %s leaves a file in for %s: %s', async (bound, condition, isLeft) => {
    await using own = await MemoryStore.open()
    const schema = structOf(field('moment', 'timestamp'))
    const values = { moment: bound }
    const stats = JSON.stringify({
      numRecords: 1,
      minValues: values,
      maxValues: values,
      nullCount: { moment: 0 },
    })
    const raw = await createRawTable(own, duckdb, {
      schema,
      files: [{ path: 'a', partitionValues: {}, size: 1, modificationTime: 0, dataChange: true, stats }],
    })
    const snapshot = await raw.snapshot()

    const { files } = await duckdb.use(async (session) => {
      const predicate = await parsePredicate(session, condition, { schema, partitionColumns: [] })
      return pruneFiles(session, snapshot, snapshot.files, predicate)
    })

    expect(files.length > 0).toBe(isLeft)
  })
})

describe('bounds of long decimals that a writer rounded to doubles', () => {
  it.each([
    ['6.023456789012346e19', '6.023456789012346e19', '60234567890123456789.01'],
    ['-6.023456789012346e19', '-6.023456789012346e19', '-60234567890123456789.01'],
    ['9007199254740993.5', '9007199254740993.5', '9007199254740993.49'],
    ['1.5', '1.5', '1.50'],
    ['1e-25', '1e-25', '0.0000000000000000000000001', 'decimal(38,30)'],
  ])('leave in the file of %s to %s for %s', async (min, max, value, type = 'decimal(38,2)') => {
    await using store = await MemoryStore.open()
    const stats = `{"numRecords":1,"minValues":{"m":${min}},"maxValues":{"m":${max}},"nullCount":{"m":0}}`
    const file = { path: 'a', partitionValues: {}, size: 1, modificationTime: 0, dataChange: true, stats }
    const raw = await createRawTable(store, duckdb, {
      schema: structOf(field('m', type as DataType)),
      files: [file],
    })
    const snapshot = await raw.snapshot()

    const kept = await duckdb.use(async (session) => {
      const predicate = await parsePredicate(session, `m = ${value}`, snapshot)
      return (await pruneFiles(session, snapshot, snapshot.files, predicate)).files
    })

    expect(kept).toHaveLength(1)
  })
})
