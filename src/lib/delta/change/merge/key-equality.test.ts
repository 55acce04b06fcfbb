import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { pruneFiles } from '../../rows/pruning.ts'
import { field, structOf } from '../../schema/schema.ts'
import type { DeltaTable } from '../../table.ts'
import { type Fixture, openFixture } from '../../testing/write.fixture.ts'
import { append } from '../append.ts'
import { keyEqualities, reachableRows } from './key-equality.ts'

const schema = structOf(
  field('n', 'long'),
  field('x', 'double'),
  field('word', 'string'),
  field('at', 'timestamp'),
  field('price', 'decimal(12,2)'),
  field('part', 'integer'),
  field('deep', structOf(field('n', 'long'))),
)

let duckdb: DuckDb
let fixture: Fixture
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  fixture = await openFixture(duckdb, { schema, partitionBy: ['part'] })
  await duckdb.use((session) =>
    append(fixture.table, {
      session,
      select: `select i as n, i / 2.0 as x, 'w' || i as word, timestamptz '2026-01-01 00:00:00Z' + i * interval 1 hour as at, i * 1.25 as price, (i // 10)::integer as part, {n: i} as deep from range(40) t(i) union all select null, null, null, null, null, null, null`,
    }),
  )
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

/** Partitions of which files are looked into. */
async function reached(table: DeltaTable, on: string, source: string): Promise<readonly (string | null)[]> {
  return duckdb.use(async (session) => {
    const snapshot = await table.snapshot()
    await session.run(`create temporary table src as ${source}`)
    const keys = await keyEqualities(session, schema, on)
    const predicate = await reachableRows(session, snapshot, { on, source: 'src', keys })
    const { files } = await pruneFiles(session, snapshot, snapshot.files, predicate)
    return files.map(({ partitionValues }) => partitionValues['part'] ?? null).sort()
  })
}

const all = ['0', '1', '2', '3', null]

describe('reachableRows(on, source)', () => {
  it.each([
    ['a few values', 't.n = s.n', 'select unnest([5, 35]) as n', ['0', '3']],
    [
      'the least and greatest of many',
      't.n = s.n',
      'select i as n from range(12, 25, 1) t(i), range(9)',
      ['1', '2'],
    ],
    ['a range', 't.n = s.n', 'select 12 + i / 100 as n from range(1000) t(i)', ['1', '2']],
    ['another spelling, the other way round', 'S.N + 1 = T.N and s.n > 0', 'select 9 as n', ['1']],
    ['values of a partition', 't.part = s.p', 'select 2 as p', ['2']],
    [
      'what the condition says of the table alone',
      't.n = s.n and t.part < 2',
      'select unnest([5, 35]) as n',
      ['0'],
    ],
    ['texts', 't.word = s.w', `select 'w25' as w`, ['0', '2']],
    ['instants', 't.at = s.at', `select timestamptz '2026-01-02 02:00:00+02:00' as at`, ['2']],
    ['dates beside instants', 't.at = s.day', `select date '2026-01-01' as day`, ['0']],
    ['decimals', 't.price = s.p', 'select 18.75 as p', ['1']],
    ['whole numbers beside doubles', 't.n = s.x', 'select 15.0::double as x', ['1']],
    ['fields within', 't.deep.n = s.n', 'select 15 as n', ['1']],
    ['no null', 't.n = s.n', 'select null::bigint as n union all select 15', ['1']],
    [
      'null where it is a value',
      't.n is not distinct from s.n',
      'select null::bigint as n union all select 15',
      ['1', null],
    ],
    ['that nothing matches where there are no rows', 't.n = s.n', 'select 1 as n where false', []],
    [
      'doubles above their greatest, where a NaN may be',
      't.x = s.x',
      `select 'nan'::double as x`,
      ['0', '1', '2', '3'],
    ],
  ])('knows %s of the source', async (_, on, source, expected) => {
    expect(await reached(fixture.table, on, source)).toEqual(expected)
  })

  it.each([
    ['one of two may hold', 't.n = s.n or t.word = s.w', `select 5 as n, 'x' as w`],
    ['values are compared in another order', 't.word = s.n', 'select 5 as n'],
    ['names do not say whose they are', 'n = m', 'select 5 as m'],
    ['both sides are of the table', 't.n = t.part + s.n', 'select 5 as n'],
    ['an enumeration has an order of its own', 't.n = s.n', `select '5'::enum('7', '5', '9') as n`],
  ])('leaves out nothing where %s', async (_, on, source) => {
    expect(await reached(fixture.table, on, source)).toEqual(all)
  })
})
