import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import type { Row } from '../../../duckdb/values.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import { arrayOf, field, type StructType, structOf } from '../../schema/schema.ts'
import { createRawTable, withFeatures, writeRawFile } from '../../testing/raw-table.fixture.ts'
import { readVariant } from './variant.fixture.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

async function rowsOf(schema: StructType, select: string): Promise<readonly Row[]> {
  await using store = await MemoryStore.open()
  const table = await createRawTable(store, duckdb, {
    schema,
    protocol: withFeatures('variantType', 'variantShredding'),
    files: [await writeRawFile(store, duckdb, 'a.parquet', select)],
  })
  return await duckdb.use(async (session) => session.rows(await table.scan(session, await table.snapshot())))
}

const shown = (value: unknown): unknown => readVariant(value as Parameters<typeof readVariant>[0])

/** Names `a` and `bb`. */
const metadata = String.raw`'\x01\x02\x00\x01\x03abb'::blob`

describe('a variant with parts in columns of their own', () => {
  it.each([
    ['true', 'boolean', true],
    ['-7', 'tinyint', 'integer -7'],
    ['-300', 'smallint', 'integer -300'],
    ['70000', 'integer', 'integer 70000'],
    ['-5000000000', 'bigint', 'integer -5000000000'],
    ['1.5', 'double', 1.5],
    ['0.5', 'float', 'float 0.5'],
    ['-1.25', 'decimal(9,2)', `decimal -125${'0'.repeat(36)}e-38`],
    ['12345678901234567890.123', 'decimal(38,3)', `decimal 12345678901234567890123${'0'.repeat(35)}e-38`],
    ['1969-12-31', 'date', 'day -1'],
    ['1969-12-31 23:59:59.999999', 'timestamptz', 'instant -1'],
    ['1970-01-01 00:00:00.000006', 'timestamp', 'local 6'],
    ['Zoë', 'varchar', 'Zoë'],
    ['x'.repeat(100), 'varchar', 'x'.repeat(100)],
    [String.raw`\x00\xFF`, 'blob', 'binary 00ff'],
  ])('has %s of type %s', async (value, type, expected) => {
    const [row] = await rowsOf(
      structOf(field('v', 'variant')),
      `select {'metadata': ${metadata}, 'value': null::blob, 'typed_value': '${value}'::${type}} as v`,
    )

    expect(shown(row?.['v'])).toEqual(expected)
  })

  it('has the fields that lie apart, and the others', async () => {
    const parts = (rest: string, a: string, aRest: string): string =>
      `{'metadata': ${metadata}, 'value': ${rest}::blob, 'typed_value': {'a': {'value': ${aRest}::blob, 'typed_value': ${a}::integer}}}`
    /** `{"bb": null}`. */
    const rest = String.raw`'\x02\x01\x01\x00\x01\x00'`
    const rows = await rowsOf(
      structOf(field('v', 'variant')),
      [
        parts(rest, '1', 'null'),
        parts('null', '2', 'null'),
        parts('null', 'null', String.raw`'\x09no'`),
        parts('null', 'null', 'null'),
        parts(rest, 'null', 'null'),
        String.raw`{'metadata': ${metadata}, 'value': '\x09no'::blob, 'typed_value': null}`,
        `{'metadata': ${metadata}, 'value': null, 'typed_value': null}`,
      ]
        .map((variant) => `select ${variant} as v`)
        .join(' union all '),
    )

    expect(rows.map(({ v }) => shown(v))).toEqual([
      { a: 'integer 1', bb: null },
      { a: 'integer 2' },
      { a: 'no' },
      {},
      { bb: null },
      'no',
      null,
    ])
  })

  it('has its list, of more than 255 items too, at any depth of the schema', async () => {
    const items = `list_transform(range(300), lambda i: {'value': null::blob, 'typed_value': i})`
    const [row] = await rowsOf(
      structOf(
        field('list', arrayOf('variant')),
        field('inner', structOf(field('n', 'integer'), field('v', 'variant'))),
        field('map', { type: 'map', keyType: 'string', valueType: 'variant', valueContainsNull: true }),
      ),
      `with t as (select {'metadata': ${metadata}, 'value': null::blob, 'typed_value': ${items}} as v)
       select [v, null] as list, {'v': v, 'n': 1} as inner, map {'k': v} as map from t`,
    )
    const expected = Array.from({ length: 300 }, (_, i) => `integer ${i}`)
    const { list, inner, map } = row as unknown as {
      readonly list: readonly unknown[]
      readonly inner: { readonly v: unknown; readonly n: number }
      readonly map: readonly [{ readonly value: unknown }]
    }

    expect(shown(list[0])).toEqual(expected)
    expect(list[1]).toBeNull()
    expect([shown(inner.v), inner.n]).toEqual([expected, 1])
    expect(shown(map[0].value)).toEqual(expected)
  })

  it('is null where the column is', async () => {
    expect(
      await rowsOf(
        structOf(field('v', 'variant')),
        `select case when false then {'metadata': ${metadata}, 'value': null::blob, 'typed_value': 1} end as v`,
      ),
    ).toEqual([{ v: null }])
  })

  it('is refused where a part is of a type that we lack', async () => {
    await expect(
      rowsOf(
        structOf(field('v', 'variant')),
        `select {'metadata': ${metadata}, 'value': null::blob, 'typed_value': time '01:02:03'} as v`,
      ),
    ).rejects.toThrow('variantShredding')
  })
})

describe('a variant that Parquet knows as one', () => {
  it('is the two binaries too', async () => {
    const rows = await rowsOf(
      structOf(field('id', 'integer'), field('v', 'variant')),
      `select i::integer as id, case i when 0 then null
         when 1 then {'value': 1, 'bb': ['x', null], 'at': timestamptz '1970-01-01 00:00:00.000001+00', 'd': -1.25::decimal(38,3)}::variant
         when 2 then 'text'::variant else 0.5::float::variant end as v from range(4) t(i)`,
    )

    expect(rows.map(({ v }) => (v === null ? 'none' : shown(v)))).toEqual([
      'none',
      { at: 'instant 1', bb: ['x', null], d: `decimal -125${'0'.repeat(36)}e-38`, value: 'integer 1' },
      'text',
      'float 0.5',
    ])
  })

  it('is found by a column of another name and id', async () => {
    const mapped = { 'delta.columnMapping.id': 7, 'delta.columnMapping.physicalName': 'col-7' }
    await using store = await MemoryStore.open()
    const table = await createRawTable(store, duckdb, {
      schema: structOf({ ...field('v', 'variant'), metadata: mapped }),
      protocol: withFeatures('variantType', 'columnMapping'),
      configuration: { 'delta.columnMapping.mode': 'id' },
      files: [
        await writeRawFile(store, duckdb, 'a*[1].parquet', `select 'text'::variant as "other name"`, {
          options: 'field_ids {"other name": 7}',
        }),
      ],
    })

    expect(
      await duckdb.use(async (session) => {
        const [row] = await session.rows(await table.scan(session, await table.snapshot()))
        return shown(row?.['v'])
      }),
    ).toBe('text')
  })
})
