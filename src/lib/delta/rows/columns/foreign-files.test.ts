import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import type { Row } from '../../../duckdb/values.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import { append } from '../../change/append.ts'
import { type DataType, type Field, field, structOf } from '../../schema/schema.ts'
import { inlineDeletionVector } from '../../snapshot/deletion-vector.ts'
import { RowSet } from '../../snapshot/row-set.ts'
import type { DeltaTable } from '../../table.ts'
import {
  createRawTable,
  legacyProtocol,
  withFeatures,
  writeRawFile,
} from '../../testing/raw-table.fixture.ts'
import { selectRows } from '../select.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

async function rowsOf(table: DeltaTable, columns = '*'): Promise<readonly Row[]> {
  return duckdb.use(async (session) =>
    session.rows(
      `select ${columns} from (${await table.scan(session, await table.snapshot())}) order by all`,
    ),
  )
}

const mapped = (name: string, type: DataType, id: number, physicalName: string): Field => ({
  ...field(name, type),
  metadata: { 'delta.columnMapping.id': id, 'delta.columnMapping.physicalName': physicalName },
})
const arrayType = (elementType: DataType): DataType => ({ type: 'array', elementType, containsNull: true })
const mapType = (valueType: DataType): DataType => ({
  type: 'map',
  keyType: 'string',
  valueType,
  valueContainsNull: true,
})

const deepSchema = structOf(
  mapped('Key', 'long', 1, 'col-1'),
  mapped('Inner', structOf(mapped('A', 'string', 3, 'col-3'), mapped('B', 'long', 4, 'col-4')), 2, 'col-2'),
  mapped('Items', arrayType(structOf(mapped('C', 'long', 6, 'col-6'))), 5, 'col-5'),
  mapped('Lookup', mapType(structOf(mapped('D', 'long', 8, 'col-8'))), 7, 'col-7'),
)

describe('columns that are mapped by name', () => {
  const table = {
    schema: deepSchema,
    protocol: { minReaderVersion: 2, minWriterVersion: 5 },
    configuration: { 'delta.columnMapping.mode': 'name' },
  }

  it('have the names of the schema at every depth', async () => {
    await using store = await MemoryStore.open()
    const file = await writeRawFile(
      store,
      duckdb,
      'a.parquet',
      `select 1 as "col-1", {'col-4': 2, 'col-3': 'x'} as "col-2", [{'col-6': 3}, null] as "col-5", map {'k': {'col-8': 4}} as "col-7"
       union all select 2, null, null, null`,
    )

    expect(await rowsOf(await createRawTable(store, duckdb, { ...table, files: [file] }))).toEqual([
      {
        Key: 1n,
        Inner: { A: 'x', B: 2n },
        Items: [{ C: 3n }, null],
        Lookup: [{ key: 'k', value: { D: 4n } }],
      },
      { Key: 2n, Inner: null, Items: null, Lookup: null },
    ])
  })

  it('are null in files that have none of them, while the struct around them is not', async () => {
    await using store = await MemoryStore.open()
    const file = await writeRawFile(
      store,
      duckdb,
      'a.parquet',
      `select {'dropped': 1} as "col-2", [{'dropped': 1}] as "col-5" union all select null, null`,
    )
    const { schema } = table

    expect(await rowsOf(await createRawTable(store, duckdb, { ...table, schema, files: [file] }))).toEqual([
      { Key: null, Inner: { A: null, B: null }, Items: [{ C: null }], Lookup: null },
      { Key: null, Inner: null, Items: null, Lookup: null },
    ])
  })

  it('take partition values by the physical name', async () => {
    await using store = await MemoryStore.open()
    const file = await writeRawFile(store, duckdb, 'a.parquet', `select {'col-3': 'x'} as "col-2"`, {
      partitionValues: { 'col-1': '7' },
    })
    const partitionColumns = ['Key']

    expect(
      await rowsOf(
        await createRawTable(store, duckdb, { ...table, partitionColumns, files: [file] }),
        '"Key"',
      ),
    ).toEqual([{ Key: 7n }])
  })

  it('are those of the schema where the mode is none, whatever the metadata still says', async () => {
    await using store = await MemoryStore.open()
    const file = await writeRawFile(store, duckdb, 'a.parquet', 'select 5 as "Key"')
    const schema = structOf(mapped('Key', 'long', 1, 'col-1'))
    const configuration = { 'delta.columnMapping.mode': 'none' }

    expect(
      await rowsOf(await createRawTable(store, duckdb, { ...table, schema, configuration, files: [file] })),
    ).toEqual([{ Key: 5n }])
  })
})

describe('columns that are mapped by id', () => {
  const table = {
    schema: deepSchema,
    protocol: { minReaderVersion: 2, minWriterVersion: 7, writerFeatures: ['columnMapping'] },
    configuration: { 'delta.columnMapping.mode': 'id' },
  }

  it('are found under whatever name a file has for them, at every depth', async () => {
    await using store = await MemoryStore.open()
    const ids = `field_ids {k: 1, s: {__duckdb_field_id: 2, a: 3, b: 4}, l: {__duckdb_field_id: 5, element: {__duckdb_field_id: 15, c: 6}}, m: {__duckdb_field_id: 7, key: 16, value: {__duckdb_field_id: 17, d: 8}}}`
    const one = await writeRawFile(
      store,
      duckdb,
      'a.parquet',
      `select 1 as k, {'a': 'x', 'b': 2} as s, [{'c': 3}] as l, map {'k': {'d': 4}} as m`,
      { options: ids },
    )
    const other = await writeRawFile(
      store,
      duckdb,
      'b.parquet',
      `select {'col-4': 'y', 'z': 20} as "Inner", 10 as "col-2"`,
      { options: 'field_ids {"Inner": {__duckdb_field_id: 2, "col-4": 3, z: 4}, "col-2": 1}' },
    )

    expect(await rowsOf(await createRawTable(store, duckdb, { ...table, files: [one, other] }))).toEqual([
      { Key: 1n, Inner: { A: 'x', B: 2n }, Items: [{ C: 3n }], Lookup: [{ key: 'k', value: { D: 4n } }] },
      { Key: 10n, Inner: { A: 'y', B: 20n }, Items: null, Lookup: null },
    ])
  })

  it('are null where a column has the name and another id', async () => {
    await using store = await MemoryStore.open()
    const file = await writeRawFile(store, duckdb, 'a.parquet', `select 1 as "col-1", 2 as x`, {
      options: 'field_ids {"col-1": 99, x: 98}',
    })
    const schema = structOf(mapped('Key', 'long', 1, 'col-1'))

    expect(await rowsOf(await createRawTable(store, duckdb, { ...table, schema, files: [file] }))).toEqual([
      { Key: null },
    ])
  })
})

describe('columns whose type was widened', () => {
  const widened = (name: string, type: DataType, fromType: string): Field => ({
    ...field(name, type),
    metadata: {
      'delta.typeChanges': [{ fromType, toType: String(type) }],
    },
  })

  it('hold old and new values exactly', async () => {
    await using store = await MemoryStore.open()
    const schema = structOf(
      widened('l', 'long', 'integer'),
      widened('d', 'decimal(38,18)', 'decimal(20,0)'),
      widened('t', 'timestamp_ntz', 'date'),
      widened('f', 'double', 'float'),
    )
    const old = await writeRawFile(
      store,
      duckdb,
      'old.parquet',
      `select 2147483647::integer as l, 12345678901234567890::decimal(20,0) as d, date '2026-01-02' as t, 1.5::float as f`,
    )
    const young = await writeRawFile(
      store,
      duckdb,
      'young.parquet',
      `select 9223372036854775807 as l, 0.000000000000000001::decimal(38,18) as d, timestamp '2026-01-02 03:04:05.000006' as t, 0.1::double as f`,
    )
    const protocol = withFeatures('typeWidening', 'timestampNtz')

    expect(
      await rowsOf(await createRawTable(store, duckdb, { schema, protocol, files: [old, young] })),
    ).toEqual([
      {
        l: 2147483647n,
        d: '12345678901234567890.000000000000000000',
        t: '2026-01-02T00:00:00.000000',
        f: 1.5,
      },
      { l: 9223372036854775807n, d: '0.000000000000000001', t: '2026-01-02T03:04:05.000006', f: 0.1 },
    ])
  })

  it.each([
    ['string', 'integer'],
    ['long', 'double'],
    ['integer', 'decimal(9,0)'],
    ['decimal(10,2)', 'decimal(11,4)'],
    ['date', 'timestamp'],
  ])('refuse the change from %s to %s, which the protocol does not know', async (from, to) => {
    await using store = await MemoryStore.open()
    const inner = {
      ...field('n', 'long'),
      metadata: { 'delta.typeChanges': [{ fromType: from, toType: to }] },
    }
    const schema = structOf(field('s', arrayType(structOf(inner))))
    const table = await createRawTable(store, duckdb, { schema, protocol: withFeatures('typeWidening') })

    await expect(table.snapshot()).rejects.toThrow(`typeWidening of column s.element.n from ${from} to ${to}`)
  })
})

describe('columns of type void', () => {
  it('are null, at the top and within', async () => {
    await using store = await MemoryStore.open()
    const schema = structOf(
      field('n', 'long'),
      field('v', 'void'),
      field('s', structOf(field('a', 'long'), field('v', 'void'))),
    )
    const file = await writeRawFile(store, duckdb, 'a.parquet', `select 1 as n, {'a': 2} as s`)

    expect(await rowsOf(await createRawTable(store, duckdb, { schema, files: [file] }))).toEqual([
      { n: 1n, v: null, s: { a: 2n, v: null } },
    ])
  })
})

describe('columns with names of the engine', () => {
  it('are read as any other', async () => {
    await using store = await MemoryStore.open()
    const names = ['filename', 'file_row_number', 'file_index', 'c0', 'a"b', 'p0', 'row']
    const schema = structOf(...names.map((name) => field(name, 'long')))
    const file = await writeRawFile(
      store,
      duckdb,
      'a [1]*.parquet',
      `select ${names.map((name, at) => `${at} as "${name.replaceAll('"', '""')}"`).join(', ')}`,
      { path: 'a%20%5B1%5D*.parquet', deletionVector: inlineDeletionVector(RowSet.of([9])) },
    )
    const protocol = withFeatures('deletionVectors')

    expect(await rowsOf(await createRawTable(store, duckdb, { schema, protocol, files: [file] }))).toEqual([
      Object.fromEntries(names.map((name, at) => [name, BigInt(at)])),
    ])
  })
})

describe('texts of old writers, which Parquet does not know as such', () => {
  it('are texts', async () => {
    await using store = await MemoryStore.open()
    const file = await writeRawFile(store, duckdb, 'a.parquet', `select encode('é') as word`)

    expect(
      await rowsOf(
        await createRawTable(store, duckdb, { schema: structOf(field('word', 'string')), files: [file] }),
      ),
    ).toEqual([{ word: 'é' }])
  })
})

describe('files with deletion vectors', () => {
  it('lack the rows that are deleted, and keep the places of the others', async () => {
    await using store = await MemoryStore.open()
    const schema = structOf(field('n', 'long'), field('part', 'string'))
    const files = await Promise.all(
      ['a', 'b', 'c'].map((name, at) =>
        writeRawFile(
          store,
          duckdb,
          `${name}.parquet`,
          `select range as n from range(${100 * at}, ${100 * at} + 4)`,
          {
            partitionValues: { part: name },
            ...(at > 0 && { deletionVector: inlineDeletionVector(RowSet.of([at, 3])) }),
          },
        ),
      ),
    )
    const protocol = withFeatures('deletionVectors')
    const table = await createRawTable(store, duckdb, { schema, protocol, files, partitionColumns: ['part'] })

    const rows = await duckdb.use(async (session) =>
      session.rows(
        `select n, part, _file, _row from (${await table.scan(session, await table.snapshot(), { withRowPlace: true })}) order by n`,
      ),
    )

    expect(rows.map(({ n, part, _file, _row }) => [n, part, _file, _row].join(' '))).toEqual([
      '0 a 0 0',
      '1 a 0 1',
      '2 a 0 2',
      '3 a 0 3',
      '100 b 1 0',
      '102 b 1 2',
      '200 c 2 0',
      '201 c 2 1',
    ])
  })
})

describe('partition values', () => {
  it.each<[DataType, string | null, unknown]>([
    ['string', 'a b/%20', 'a b/%20'],
    ['string', '', null],
    ['string', null, null],
    ['long', '9223372036854775807', 9223372036854775807n],
    ['integer', '-5', -5],
    ['double', '-Infinity', Number.NEGATIVE_INFINITY],
    ['double', '1.7976931348623157E308', 1.7976931348623157e308],
    ['boolean', 'true', true],
    ['decimal(38,18)', '12345678901234567890.123456789012345678', '12345678901234567890.123456789012345678'],
    ['date', '2026-01-02', '2026-01-02'],
    ['timestamp', '2026-01-02 03:04:05', '2026-01-02T03:04:05.000000Z'],
    ['timestamp', '2026-01-02T03:04:05.123456Z', '2026-01-02T03:04:05.123456Z'],
    ['timestamp', '+10000-01-01 00:00:00', '+010000-01-01T00:00:00.000000Z'],
    ['timestamp_ntz', '2026-01-02 03:04:05.5', '2026-01-02T03:04:05.500000'],
    ['binary', '\u0001\\x41', Buffer.from('\u0001\\x41')],
  ])('of type %s: %j', async (type, value, expected) => {
    await using store = await MemoryStore.open()
    const schema = structOf(field('n', 'long'), field('p', type))
    const file = await writeRawFile(store, duckdb, 'a.parquet', 'select 1 as n', {
      partitionValues: { P: value },
    })
    const table = await createRawTable(store, duckdb, {
      schema,
      protocol: withFeatures('timestampNtz'),
      files: [file],
      partitionColumns: ['p'],
    })

    expect(await rowsOf(table, 'p')).toEqual([{ p: expected }])
  })

  it('that are none of their type are refused', async () => {
    await using store = await MemoryStore.open()
    const schema = structOf(field('p', 'long'))
    const file = await writeRawFile(store, duckdb, 'a.parquet', 'select 1 as n', {
      partitionValues: { p: 'x' },
    })
    const table = await createRawTable(store, duckdb, { schema, files: [file], partitionColumns: ['p'] })

    await expect(rowsOf(table)).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })
})

describe('files elsewhere', () => {
  it('are read by their absolute path, and refused at a store that is not ours', async () => {
    await using store = await MemoryStore.open()
    const schema = structOf(field('n', 'long'))
    const file = await writeRawFile(store, duckdb, 'a b.parquet', 'select 1 as n')
    const path = `${store.stagingRoot}/a%20b.parquet`

    for (const absolute of [path, `file:${path}`, `file://${path}`]) {
      await using empty = await MemoryStore.open()
      const table = await createRawTable(empty, duckdb, { schema, files: [{ ...file, path: absolute }] })
      expect(await rowsOf(table)).toEqual([{ n: 1n }])
    }
    const remote = await createRawTable(store, duckdb, {
      schema,
      files: [{ ...file, path: 's3://elsewhere/a.parquet' }],
    })
    await expect(rowsOf(remote)).rejects.toThrow(/s3:\/\/elsewhere\/a\.parquet lies at another store/)
  })
})

describe('protocols', () => {
  const schema = structOf(field('n', 'long'))

  it.each([
    [{ minReaderVersion: 2, minWriterVersion: 7, writerFeatures: ['columnMapping'] }],
    [{ minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['somethingNew'] }],
    [withFeatures('vacuumProtocolCheck', 'variantType-preview', 'typeWidening-preview', 'v2Checkpoint')],
    [legacyProtocol],
  ])('%j is read', async (protocol) => {
    await using store = await MemoryStore.open()

    expect(await rowsOf(await createRawTable(store, duckdb, { schema, protocol }))).toEqual([])
  })

  it.each([
    [{ minReaderVersion: 3, minWriterVersion: 5 }, /protocol 3\/5 is not legal/],
    [{ minReaderVersion: 4, minWriterVersion: 7 }, /reader version 4/],
    [withFeatures('somethingNew', 'deletionVectors'), /needs somethingNew \(/],
    [withFeatures('catalogOwned-preview'), /catalogOwned-preview/],
    [{ minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['catalogManaged'] }, /catalogManaged/],
  ])('%j is refused', async (protocol, message) => {
    await using store = await MemoryStore.open()
    const table = await createRawTable(store, duckdb, { schema, protocol })

    await expect(table.snapshot()).rejects.toThrow(message)
  })

  it.each([
    [
      {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: [],
        writerFeatures: ['columnMapping', 'icebergCompatV1'],
      },
    ],
    [{ minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['columnMapping'] }],
  ])('%j allows mapped columns, though it does not tell readers', async (protocol) => {
    await using store = await MemoryStore.open()
    const metadata = { 'delta.columnMapping.id': 1, 'delta.columnMapping.physicalName': 'col-1' }
    const table = await createRawTable(store, duckdb, {
      schema: structOf({ ...field('n', 'long'), metadata }),
      protocol,
      configuration: { 'delta.columnMapping.mode': 'name' },
      files: [await writeRawFile(store, duckdb, 'a.parquet', 'select 7::bigint as "col-1"')],
    })

    expect(await rowsOf(table)).toEqual([{ n: 7n }])
  })

  it('that do not allow mapped columns are refused where columns are mapped', async () => {
    await using store = await MemoryStore.open()
    const table = await createRawTable(store, duckdb, {
      schema: deepSchema,
      configuration: { 'delta.columnMapping.mode': 'name' },
    })

    await expect(table.snapshot()).rejects.toThrow(/does not allow columnMapping/)
  })
})

describe('selectRows(session, table, snapshot)', () => {
  it('finds rows by a partition whose column the log spells in another case', async () => {
    await using store = await MemoryStore.open()
    const file = await writeRawFile(store, duckdb, 'one.parquet', 'select 7::bigint as id', {
      partitionValues: { DAY: '2026-01-01' },
    })
    const table = await createRawTable(store, duckdb, {
      schema: structOf(field('day', 'date'), field('id', 'long')),
      partitionColumns: ['Day'],
      files: [file],
    })

    const rows = await duckdb.use(async (session) => {
      const where = "day = date '2026-01-01'"
      return await session.rows(await selectRows(session, table, await table.snapshot(), { where }))
    })

    expect(rows).toEqual([{ day: '2026-01-01', id: 7n }])
  })
})

describe('append(table, rows) to a table of another writer', () => {
  it('names columns in files as the table does, whatever names an earlier time has left in its schema', async () => {
    await using store = await MemoryStore.open()
    const table = await createRawTable(store, duckdb, {
      schema: structOf(mapped('id', 'long', 1, 'col-1'), mapped('word', 'string', 2, 'col-2')),
      partitionColumns: ['ID'],
      configuration: { 'delta.columnMapping.mode': 'none' },
    })

    await duckdb.use((session) => append(table, { session, select: "select 7 as id, 'seven' as word" }))

    expect(await rowsOf(table)).toEqual([{ id: 7n, word: 'seven' }])
    expect((await table.snapshot()).files[0]?.stats).toContain('"word":"seven"')
    expect((await table.snapshot()).files[0]?.partitionValues).toEqual({ id: '7' })
  })
})
