import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { text } from '../../duckdb/sql-text.ts'
import { append } from '../change/append.ts'
import { parsePredicate } from '../rows/predicate.ts'
import { pruneFiles } from '../rows/pruning.ts'
import { arrayOf, field, structOf } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'
import { type Fixture, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { decodeStatistics } from './statistics.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const schema = structOf(
  field('day', 'date'),
  field('id', 'long'),
  field('amount', 'decimal(38,9)'),
  field('seen', 'timestamp'),
  field('s', structOf(field('word', 'string'), field('ratio', 'double'))),
  field('tags', arrayOf('string')),
  field('flag', 'boolean'),
)
const rows = (day: string, id: string) =>
  `select date '${day}' as day, ${id}::bigint as id, '${id}.123456789'::decimal(38,9) as amount, timestamptz '${day} 01:02:03.456789+00' as seen, {'word': 'w${id}', 'ratio': 0.1} as s, ['x'] as tags, true as flag`
const asStruct = { 'delta.checkpoint.writeStatsAsStruct': 'true' }
const structOnly = { ...asStruct, 'delta.checkpoint.writeStatsAsJson': 'false' }

/** Two days, a file each, and a checkpoint that is all there is of the log. */
async function openCheckpointed(properties: Record<string, string>): Promise<Fixture> {
  const fixture = await openFixture(duckdb, { schema, properties })
  const { table, store } = fixture
  for (const [day, id] of [
    ['2026-01-01', '9007199254740993'],
    ['2026-01-02', '9007199254740995'],
  ] as const) {
    await duckdb.use((session) => append(table, { session, select: rows(day, id) }))
  }
  await table.checkpoint()
  await store.delete([...store.files.keys()].filter((key) => /\d{20}\.json$/.test(key)))
  return fixture
}

async function fileOf({ store }: Fixture): Promise<string> {
  const isRows = /_delta_log\/(_sidecars\/|\d{20}\.checkpoint).*parquet$/
  const bytes = await store.read([...store.files.keys()].find((key) => isRows.test(key)) ?? '')
  const path = join(store.stagingRoot, 'checkpoint-of-a-test.parquet')
  await writeFile(path, bytes)
  return `read_parquet(${text(path)})`
}

/** What a query says of the checkpoint's files, of those with the lower bounds first. */
async function checkpointed(fixture: Fixture, select: string) {
  const source = await fileOf(fixture)
  return duckdb.use((session) =>
    session.rows(`select ${select} from ${source} where add is not null order by add.stats_parsed.minValues`),
  )
}

async function describeFields(fixture: Fixture, select: string): Promise<readonly string[]> {
  const source = await fileOf(fixture)
  return duckdb.use(async (session) =>
    (await session.describe(`select ${select} from ${source}`)).map(({ name }) => name),
  )
}

async function filesFor({ store }: Fixture, where: string): Promise<number> {
  const snapshot = await new DeltaTable({ store, duckdb }).snapshot()
  return duckdb.use(async (session) => {
    const predicate = await parsePredicate(session, where, snapshot)
    return (await pruneFiles(session, snapshot, snapshot.files, predicate)).files.length
  })
}

describe('a checkpoint with delta.checkpoint.writeStatsAsStruct', () => {
  it.each([
    [asStruct],
    [structOnly],
    [{ ...structOnly, 'delta.checkpointPolicy': 'v2' }],
  ])('holds statistics and partition values in columns of their types (%j)', async (properties) => {
    await using fixture = await openCheckpointed(properties)

    const [first] = await checkpointed(
      fixture,
      'add.stats_parsed as stats, add.partitionValues_parsed as partition, typeof(add.stats_parsed.minValues) as type',
    )

    const bounds = {
      id: 9007199254740993n,
      amount: '9007199254740993.123456789',
      s: { word: 'w9007199254740993', ratio: 0.1 },
    }
    expect(first).toEqual({
      stats: {
        numRecords: 1n,
        minValues: { ...bounds, seen: '2026-01-01T01:02:03.456000Z' },
        maxValues: { ...bounds, seen: '2026-01-01T01:02:03.457000Z' },
        nullCount: { id: 0n, amount: 0n, seen: 0n, s: { word: 0n, ratio: 0n }, tags: null, flag: 0n },
        tightBounds: true,
      },
      partition: { day: '2026-01-01' },
      type: 'STRUCT(id BIGINT, amount DECIMAL(38,9), seen TIMESTAMP WITH TIME ZONE, s STRUCT(word VARCHAR, ratio DOUBLE))',
    })
  })

  it.each([
    [structOnly],
    [{ ...structOnly, 'delta.columnMapping.mode': 'name' }],
    [{ ...structOnly, 'delta.checkpointPolicy': 'v2' }],
  ])('is enough to leave out files by, where it has no JSON (%j)', async (properties) => {
    await using fixture = await openCheckpointed(properties)

    const snapshot = await new DeltaTable({ store: fixture.store, duckdb }).snapshot()
    expect(snapshot.numRecords).toBe(2)
    expect(snapshot.files.map(({ stats }) => decodeStatistics(stats)?.numRecords)).toEqual([1, 1])
    for (const where of [
      'id = 9007199254740993',
      "seen < '2026-01-02'",
      "s.word = 'w9007199254740993'",
      "day = '2026-01-01'",
    ]) {
      expect([where, await filesFor(fixture, where)]).toEqual([where, 1])
    }
    expect(await filesFor(fixture, 's.ratio > 0.05')).toBe(2)
    expect(await filesFor(fixture, 'id is null')).toBe(0)
    expect(await rowsOf(new DeltaTable({ store: fixture.store, duckdb }))).toHaveLength(2)
  })

  it('carries bounds that are not tight, and files without statistics or with others, as they are', async () => {
    await using fixture = await openFixture(duckdb, { schema, properties: structOnly })
    const { table, store } = fixture
    await duckdb.use((session) => append(table, { session, select: rows('2026-01-01', '1') }))
    const snapshot = await table.snapshot()
    const [file] = snapshot.files
    if (file === undefined) throw new Error('Expected a file')
    const stats = [
      '{"numRecords":3,"minValues":{"id":1,"s":7,"seen":"soon"},"maxValues":{"id":5},"nullCount":{"id":1},"tightBounds":false}',
      '{"stats_json":"{}"}',
      'no JSON',
    ]
    await table.commit(snapshot, {
      add: [
        ...stats.map((each, index) => ({ ...file, path: `${index}`, stats: each })),
        withoutStatistics(file),
      ],
      reads: { kind: 'none' },
      operation: { name: 'TEST' },
    })

    await table.checkpoint()
    const found = (await new DeltaTable({ store, duckdb }).snapshot()).files

    const of = (path: string) => JSON.parse(found.find((each) => each.path === path)?.stats ?? '{}') as object
    expect(of('0')).toMatchObject({
      numRecords: 3,
      minValues: { id: 1, seen: null },
      maxValues: { id: 5 },
      nullCount: { id: 1 },
      tightBounds: false,
    })
    expect(of('1')).not.toHaveProperty('numRecords', expect.any(Number))
    expect(of('2')).toEqual({})
    expect(of('3')).toEqual({})
  })

  it.each([
    [{}, ['stats']],
    [asStruct, ['partitionValues_parsed', 'stats', 'stats_parsed']],
    [structOnly, ['partitionValues_parsed', 'stats_parsed']],
    [{ 'delta.checkpoint.writeStatsAsJson': 'false' }, []],
  ])('has the forms that the properties ask for (%j)', async (properties, expected) => {
    await using fixture = await openCheckpointed(properties)

    const fields = await describeFields(fixture, 'add.*')

    expect(fields.filter((name) => /^stats|_parsed$/.test(name)).toSorted()).toEqual(expected)
    expect(await rowsOf(new DeltaTable({ store: fixture.store, duckdb }))).toHaveLength(2)
  })
})

function withoutStatistics<T extends { readonly stats?: string }>(
  file: T,
): Omit<T, 'stats'> & { path: string } {
  const { stats: _, ...others } = file
  return { ...others, path: '3' }
}
