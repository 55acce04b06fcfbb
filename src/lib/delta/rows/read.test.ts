import { RecordBatchStreamWriter, Table, tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { append } from '../change/append.ts'
import { arrayOf, field, structOf } from '../schema/schema.ts'
import { failureOf, openFixture } from '../testing/write.fixture.ts'
import { readColumns, readRows } from './read.ts'
import { readArrow } from './read-arrow.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const schema = structOf(
  field('id', 'long', { nullable: false }),
  field('small', 'short'),
  field('ratio', 'double'),
  field('ok', 'boolean'),
  field('word', 'string'),
  field('raw', 'binary'),
  field('price', 'decimal(38,4)'),
  field('day', 'date'),
  field('at', 'timestamp'),
  field('local', 'timestamp_ntz'),
  field('tags', arrayOf(structOf(field('name', 'string'), field('n', 'integer')))),
  field('counts', { type: 'map', keyType: 'string', valueType: 'long', valueContainsNull: true }),
)

const select = `
  select 9007199254740993 as id, -7::smallint as small, 0.1 as ratio, true as ok, 'ü🙂' as word, '\\x00\\xFF'::blob as raw,
    -1234567890123456789012345678901234.5678 as price, date '1969-12-31' as day,
    timestamptz '1969-12-31 23:59:59.999999+00' as at, timestamp '12345-06-07 08:09:10.000011' as local,
    [{name: 'a', n: 1}, null, {name: null, n: 2}] as tags, map {'k': 1, 'z': null} as counts
  union all by name select 2 as id`

async function withRows() {
  const fixture = await openFixture(duckdb, { schema, partitionBy: [] })
  await duckdb.use((session) => append(fixture.table, { session, select }))
  return fixture
}

describe('readRows(table, schema)', () => {
  it('gives rows of the declared types, and no value rounded', async () => {
    await using fixture = await withRows()
    const rows = []
    for await (const chunk of readRows(fixture.table, schema, { where: 'id > 2' })) rows.push(...chunk)

    expectTypeOf(rows[0]?.id).toEqualTypeOf<bigint | undefined>()
    expectTypeOf(rows[0]?.price).toEqualTypeOf<string | null | undefined>()
    expectTypeOf(rows[0]?.tags?.[0]?.n).toEqualTypeOf<number | null | undefined>()
    expect(rows).toEqual([
      {
        id: 9007199254740993n,
        small: -7,
        ratio: 0.1,
        ok: true,
        word: 'ü🙂',
        raw: Buffer.from([0, 255]),
        price: '-1234567890123456789012345678901234.5678',
        day: '1969-12-31',
        at: '1969-12-31T23:59:59.999999Z',
        local: '+012345-06-07T08:09:10.000011',
        tags: [{ name: 'a', n: 1 }, null, { name: null, n: 2 }],
        counts: [
          { key: 'k', value: 1n },
          { key: 'z', value: null },
        ],
      },
    ])
  })

  it('refuses a declaration that is not the table’s', async () => {
    await using fixture = await withRows()
    const declared = structOf(
      field('id', 'string'),
      field('nothing', 'long'),
      field('word', 'string', { nullable: false }),
    )
    const read = async (): Promise<void> => {
      for await (const _ of readRows(fixture.table, declared)) expect.unreachable()
    }

    const failure = await failureOf(read())

    expect(failure).toContain('SCHEMA_MISMATCH')
    expect(failure).toContain('id is BIGINT, declared VARCHAR; nothing is not there; word may be null')
  })
})

describe('readColumns(table)', () => {
  it('holds back until it is asked, and ends what it has begun when the reader leaves or aborts', async () => {
    await using fixture = await openFixture(duckdb, { schema: structOf(field('n', 'long')), partitionBy: [] })
    const { table } = fixture
    await duckdb.use((session) => append(table, { session, select: 'select i as n from range(100000) t(i)' }))

    let seen = 0
    for await (const { rowCount, columns } of readColumns(table)) {
      expect(columns['n']).toHaveLength(rowCount)
      seen += rowCount
      if (seen > 5000) break
    }
    expect(seen).toBeLessThan(10_000)

    const stop = new AbortController()
    const read = async (): Promise<void> => {
      for await (const _ of readColumns(table, { signal: stop.signal })) stop.abort(new Error('enough'))
    }
    await expect(read()).rejects.toThrow('enough')
  })
})

describe('readArrow(table)', () => {
  it('gives numbers, and texts of every length, over several chunks of the engine, with null between them', async () => {
    const columns = structOf(field('n', 'long'), field('t', 'string'))
    await using fixture = await openFixture(duckdb, { schema: columns, partitionBy: [] })
    const text = "case when i % 3 = 0 then null else repeat('ü', (i % 20)::integer) end"
    await duckdb.use((session) =>
      append(fixture.table, { session, select: `select i as n, ${text} as t from range(5000) r(i)` }),
    )

    const found: unknown[] = []
    for await (const batch of readArrow(fixture.table)) for (const row of batch) found.push(row?.toArray())

    const expected = Array.from({ length: 5000 }, (_, i) => [
      BigInt(i),
      i % 3 === 0 ? null : 'ü'.repeat(i % 20),
    ])
    expect(found).toEqual(expected)
  })

  it('gives batches that other Arrow readers understand', async () => {
    await using fixture = await withRows()
    const batches = []
    for await (const batch of readArrow(fixture.table)) batches.push(batch)
    const stream = RecordBatchStreamWriter.writeAll(new Table(batches)).toUint8Array(true)

    const table = tableFromIPC(stream)

    expect(table.schema.fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      'id: Int64',
      'small: Int16',
      'ratio: Float64',
      'ok: Bool',
      'word: Utf8',
      'raw: Binary',
      'price: Decimal[38e+4]',
      'day: Date32<DAY>',
      'at: Timestamp<MICROSECOND, UTC>',
      'local: Timestamp<MICROSECOND>',
      'tags: List<Struct<{name:Utf8, n:Int32}>>',
      'counts: Map<{key:Utf8, value:Int64}>',
    ])
    const values = (name: string) => {
      const column = table.getChild(name)
      return [0, 1].map((row) => column?.get(row) as unknown)
    }
    expect(table.numRows).toBe(2)
    const first = values('id').indexOf(9007199254740993n)
    expect(values('small')[first]).toBe(-7)
    expect(values('small')[1 - first]).toBeNull()
    expect(values('word')[first]).toBe('ü🙂')
    expect(values('raw')[first]).toEqual(Uint8Array.from([0, 255]))
    expect(values('day')[first]).toBe(-86_400_000)
    expect(table.getChild('at')?.data[0]?.values[first]).toBe(-1n)
    expect(table.getChild('local')?.data[0]?.values[first]).toBe(
      BigInt(Date.parse('+012345-06-07T08:09:10Z')) * 1000n + 11n,
    )
    expect(BigInt(String(values('price')[first]))).toBe(-12345678901234567890123456789012345678n)
    expect(JSON.stringify(values('tags')[first])).toBe('[{"name":"a","n":1},null,{"name":null,"n":2}]')
    expect(JSON.parse(String(values('counts')[first]))).toEqual({ k: 1, z: null })
  })
})
