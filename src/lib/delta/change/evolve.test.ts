import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { HookedStore } from '../../storage/store.hooked.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { arrayOf, field, structOf } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'
import { beforeNextCommit, failureOf, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { addConstraint } from './alter/check.ts'
import { type AppendOptions, append } from './append.ts'
import { type CreateOptions, createFrom } from './create.ts'
import { type MergeOptions, merge } from './merge/merge.ts'
import { type OverwriteOptions, overwrite } from './overwrite.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const put = (table: DeltaTable, select: string, options: AppendOptions = {}) =>
  duckdb.use((session) => append(table, { session, select }, options))
const replace = (table: DeltaTable, select: string, options: OverwriteOptions = {}) =>
  duckdb.use((session) => overwrite(table, { session, select }, options))
const mergeIn = (table: DeltaTable, select: string, options: Partial<MergeOptions> = {}) =>
  duckdb.use((session) =>
    merge(table, { session, select }, { on: 't.id = s.id', mergeSchema: true, ...options }),
  )
const merging = { mergeSchema: true }
const schema = structOf(
  field('id', 'integer'),
  field('price', 'double'),
  field('who', structOf(field('name', 'string'))),
  field('items', arrayOf(structOf(field('n', 'integer')))),
)
const first = "select 1 as id, 2.5 as price, {'name': 'Ada'} as who, [{'n': 1}] as items"
const open = async (properties: Record<string, string> = {}) => {
  const fixture = await openFixture(duckdb, { schema, partitionBy: [], properties })
  await put(fixture.table, first)
  return fixture
}
const typesOf = async (table: DeltaTable) =>
  Object.fromEntries((await table.snapshot()).schema.fields.map(({ name, type }) => [name, type]))
const filesIn = (store: MemoryStore): readonly string[] => [...store.files.keys()].toSorted()

describe('append(table, rows, { mergeSchema: true })', () => {
  it.each([
    [{}],
    [{ 'delta.columnMapping.mode': 'name' }],
  ])('adds the columns that rows bring, at any depth, in the commit of the rows (%o)', async (properties) => {
    await using fixture = await open(properties)
    const { table } = fixture

    const outcome = await put(
      table,
      "select 'x' as note, 2 as ID, {'name': 'Bob', 'age': 7} as who, [{'n': 2, 'm': 3}] as items",
      merging,
    )

    expect(outcome).toMatchObject({ kind: 'committed', version: 2 })
    expect(await rowsOf(table)).toEqual([
      { id: 1, price: 2.5, who: { name: 'Ada', age: null }, items: [{ n: 1, m: null }], note: null },
      { id: 2, price: null, who: { name: 'Bob', age: 7 }, items: [{ n: 2, m: 3 }], note: 'x' },
    ])
    expect((await rowsOf(table, { version: 1 }))[0]).not.toHaveProperty('note')
  })

  it('leaves the schema alone where the rows fit', async () => {
    await using fixture = await open()
    const before = (await fixture.table.snapshot()).metadata

    await put(fixture.table, 'select 3::tinyint as id, 4::bigint as price', merging)

    expect((await fixture.table.snapshot()).metadata).toEqual(before)
    expect(await rowsOf(fixture.table)).toHaveLength(2)
  })

  it('widens types only where the table takes wider ones, and names column and types elsewhere', async () => {
    await using plain = await open()
    await using widening = await open({ 'delta.enableTypeWidening': 'true' })
    const wide = "select 3000000000 as id, [{'n': 3000000000}] as items"

    expect(await failureOf(put(plain.table, wide, merging))).toBe(
      'SCHEMA_MISMATCH: Column id is integer in the table and long in the rows',
    )
    expect(await failureOf(put(plain.table, "select 'x' as id", merging))).toContain('string in the rows')
    expect(await failureOf(put(widening.table, "select 'x' as who", merging))).toMatch(
      /^SCHEMA_MISMATCH: Column who is STRUCT.* string in the rows/,
    )
    expect((await plain.table.snapshot()).version).toBe(1)

    await put(widening.table, wide, merging)
    expect(await typesOf(widening.table)).toMatchObject({
      id: 'long',
      items: arrayOf(
        structOf({
          ...field('n', 'long'),
          metadata: { 'delta.typeChanges': [{ fromType: 'integer', toType: 'long' }] },
        }),
      ),
    })
    expect((await rowsOf(widening.table)).map(({ id, items }) => ({ id, items }))).toEqual([
      { id: 1n, items: [{ n: 1n }] },
      { id: 3000000000n, items: [{ n: 3000000000n }] },
    ])
    expect(await rowsOf(widening.table, { version: 1 })).toMatchObject([{ id: 1 }])
  })

  it('lists a feature that a new column needs', async () => {
    await using fixture = await open()

    await put(fixture.table, "select 2 as id, timestamp '2026-01-01 00:00:00' as at", merging)

    expect((await fixture.table.snapshot()).protocol).toMatchObject({
      minReaderVersion: 3,
      readerFeatures: ['timestampNtz'],
    })
  })

  it('keeps the columns that both of two racing writers bring', async () => {
    await using fixture = await open()
    const other = new DeltaTable({ store: fixture.store, duckdb })
    beforeNextCommit(fixture.hooked, () => put(other, "select 2 as id, 'a' as a", merging))

    await put(fixture.table, "select 3 as id, 'b' as b", merging)

    expect((await rowsOf(fixture.table)).map(({ id, a, b }) => [id, a, b])).toEqual([
      [1, null, null],
      [2, 'a', null],
      [3, null, 'b'],
    ])
  })
})

describe('merge(table, source, { mergeSchema: true })', () => {
  const source =
    "select * from (values (1, {'name': 'Eve', 'age': 7}, 'x'), (3, {'name': 'Bob', 'age': 8}, 'y')) s(id, who, note)"
  const second = "select 2 as id, 3.5 as price, {'name': 'Cid'} as who, null as items"

  it.each([
    [{ 'delta.enableChangeDataFeed': 'true' }],
    [{ 'delta.columnMapping.mode': 'name' }],
  ])('adds the columns that * brings, keeps those that the source lacks (%o)', async (properties) => {
    await using fixture = await open(properties)
    const { table } = fixture
    await put(table, second)

    const outcome = await mergeIn(table, source)

    expect(outcome).toMatchObject({ kind: 'committed', version: 3 })
    expect(await rowsOf(table)).toEqual([
      { id: 1, price: 2.5, who: { name: 'Eve', age: 7 }, items: [{ n: 1 }], note: 'x' },
      { id: 2, price: 3.5, who: { name: 'Cid', age: null }, items: null, note: null },
      { id: 3, price: null, who: { name: 'Bob', age: 8 }, items: null, note: 'y' },
    ])
    expect((await rowsOf(table, { version: 2 }))[0]).not.toHaveProperty('note')
  })

  it('tells readers of changes the new columns, null before', async () => {
    await using fixture = await open({ 'delta.enableChangeDataFeed': 'true' })
    const { table } = fixture

    await mergeIn(table, source)

    const changes = await duckdb.use(async (session) => {
      const select = await table.changes(session, await table.snapshot(), { from: 2 })
      return await session.rows(`select _change_type, id, who, note from (${select}) order by 2, 1`)
    })
    expect(changes).toEqual([
      { _change_type: 'update_postimage', id: 1, who: { name: 'Eve', age: 7 }, note: 'x' },
      { _change_type: 'update_preimage', id: 1, who: { name: 'Ada', age: null }, note: null },
      { _change_type: 'insert', id: 3, who: { name: 'Bob', age: 8 }, note: 'y' },
    ])
  })

  it('adds of the columns of the source those alone that a clause names, where none takes all', async () => {
    await using fixture = await open()
    const { table } = fixture
    const wide = "select 1 as id, 'x' as note, 'y' as other"

    await mergeIn(table, wide, { matched: [{ kind: 'update', set: { NOTE: "s.note || '!'" } }] })

    expect(Object.keys((await rowsOf(table))[0] ?? {})).toEqual(['id', 'price', 'who', 'items', 'note'])
    expect(await rowsOf(table)).toMatchObject([{ id: 1, price: 2.5, note: 'x!' }])
    expect(
      await failureOf(mergeIn(table, wide, { matched: [{ kind: 'update', set: { absent: '1' } }] })),
    ).toContain('COLUMN_MISSING: No column absent')
    await mergeIn(table, wide, { matched: [{ kind: 'delete' }] })
    expect((await table.snapshot()).schema.fields).toHaveLength(5)
  })

  it('is an error without it, where the source lacks a column, and ignores the columns that the table lacks', async () => {
    await using fixture = await open()
    const { table } = fixture

    expect(await failureOf(mergeIn(table, source, { mergeSchema: false }))).toContain(
      'no column price, items',
    )
    await mergeIn(table, `${first}, 5 as further`, { mergeSchema: false })

    expect(Object.keys(await typesOf(table))).toEqual(['id', 'price', 'who', 'items'])
  })

  it('widens types where the table takes wider ones', async () => {
    await using fixture = await open({ 'delta.enableTypeWidening': 'true' })
    const { table } = fixture

    await mergeIn(table, 'select 3000000000 as id')

    expect(await rowsOf(table)).toMatchObject([{ id: 1n }, { id: 3_000_000_000n, price: null }])
  })

  it('gives a table its new columns also where no row is another, and plans again beside another writer', async () => {
    await using fixture = await open()
    const { table, hooked, store } = fixture
    const other = new DeltaTable({ store, duckdb })
    beforeNextCommit(hooked, () => put(other, "select 4 as id, 'z' as tag", merging))

    await mergeIn(table, 'select 7 as id, 1 as extra where false')

    expect(Object.keys(await typesOf(table))).toEqual(['id', 'price', 'who', 'items', 'tag', 'extra'])
    expect(await rowsOf(table)).toHaveLength(2)
  })
})

describe('overwrite(table, rows, options)', () => {
  it('merges the schema, also where a part is replaced', async () => {
    await using fixture = await open()
    const { table } = fixture
    await put(table, 'select 2 as id, 1.0 as price, null as who, null as items')

    await replace(table, "select 2 as id, 'x' as note", { mergeSchema: true, replace: { where: 'id = 2' } })

    expect((await rowsOf(table)).map(({ id, note }) => [id, note])).toEqual([
      [1, null],
      [2, 'x'],
    ])
    await replace(table, 'select 3 as id, true as flag', merging)
    expect((await rowsOf(table)).map(({ id, note, flag }) => [id, note, flag])).toEqual([[3, null, true]])
  })

  it.each([
    [{}],
    [{ 'delta.columnMapping.mode': 'name' }],
  ])('tells readers of changes what came and went, also with a column that is new (%o)', async (properties) => {
    await using fixture = await open({ ...properties, 'delta.enableChangeDataFeed': 'true' })
    const { table } = fixture
    const both =
      'select 5 as id, null::double as price, null as who, null as items union all select 6, 1.0, null, null'
    await replace(table, both)

    await replace(table, "select 5 as id, 'x' as note", { mergeSchema: true, replace: { where: 'id = 5' } })

    const changes = await duckdb.use(async (session) => {
      const select = await table.changes(session, await table.snapshot(), { from: 3 })
      return await session.rows(`select id, note, _change_type as change from (${select}) order by change`)
    })
    expect(changes).toEqual([
      { id: 5, note: null, change: 'delete' },
      { id: 5, note: 'x', change: 'insert' },
    ])
  })

  it.each([
    [{}],
    [{ 'delta.columnMapping.mode': 'name' }],
  ])('gives the table the schema of the rows, and new partitions, where that is asked for (%o)', async (properties) => {
    await using fixture = await open(properties)
    const { table } = fixture

    await replace(table, "select 'one' as id, date '2026-01-01' as day", {
      overwriteSchema: true,
      partitionBy: ['day'],
    })
    await put(table, "select 'two' as id, date '2026-01-02' as day")

    expect((await rowsOf(table)).map(({ id }) => id)).toEqual(['one', 'two'])
    expect((await table.snapshot()).partitionColumns).toEqual(['day'])
    expect(await typesOf(table)).toEqual({ id: 'string', day: 'date' })
    expect(await rowsOf(table, { version: 1 })).toMatchObject([{ id: 1, who: { name: 'Ada' } }])
  })

  it('refuses a schema that leaves a constraint without its columns, and options that do not go together', async () => {
    await using fixture = await open()
    const { table } = fixture
    await addConstraint(table, 'pos', 'id > 0')

    expect(await failureOf(replace(table, 'select 1 as other', { overwriteSchema: true }))).toMatch(
      /^SCHEMA_MISMATCH: The rows have no column id, which is used by CHECK pos/,
    )
    expect(
      await failureOf(replace(table, first, { overwriteSchema: true, replace: 'partitions' })),
    ).toContain('USAGE')
    expect(await failureOf(replace(table, first, { overwriteSchema: true, mergeSchema: true }))).toContain(
      'USAGE',
    )
    expect(await failureOf(replace(table, first, { partitionBy: ['id'] }))).toContain('USAGE')
    expect((await table.snapshot()).version).toBe(2)
  })
})

describe('createFrom(table, rows)', () => {
  const rows = "select date '2026-01-01' + (i // 2)::integer as day, i as id from range(4) t(i)"
  const openEmpty = async () => {
    const store = await MemoryStore.open()
    const hooked = new HookedStore(store)
    return {
      store,
      hooked,
      table: new DeltaTable({ store: hooked, duckdb }),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    }
  }
  const make = (table: DeltaTable, select = rows, options: CreateOptions = {}) =>
    duckdb.use((session) => createFrom(table, { session, select }, options))

  it('makes the table with the rows, their schema, and what was asked for, as one version', async () => {
    await using fixture = await openEmpty()
    const { table } = fixture

    const outcome = await make(table, rows, {
      partitionBy: ['DAY'],
      properties: { 'delta.columnMapping.mode': 'name' },
      transaction: { appId: 'app', version: 3 },
    })

    expect(outcome).toMatchObject({
      kind: 'committed',
      version: 0,
      metrics: { numOutputRows: 4, numFiles: 2 },
    })
    expect((await rowsOf(table)).map(({ id }) => id)).toEqual([0n, 1n, 2n, 3n])
    const snapshot = await table.snapshot()
    expect(snapshot.version).toBe(0)
    expect(snapshot.partitionColumns).toEqual(['day'])
    expect(snapshot.transactionVersion('app')).toBe(3)
    expect(filesIn(fixture.store).filter((key) => key.startsWith('_delta_log'))).toHaveLength(1)
    expect(await make(table)).toEqual({ kind: 'exists' })
  })

  it('makes an empty table of no rows', async () => {
    await using fixture = await openEmpty()
    await make(fixture.table, `${rows} where i < 0`)
    expect((await fixture.table.snapshot()).schema.fields.map(({ name }) => name)).toEqual(['day', 'id'])
  })

  it('leaves no table where it ends before its commit', async () => {
    await using fixture = await openEmpty()
    fixture.hooked.hooks.before = (call) => {
      if (call === 'putIfAbsent') throw new Error('killed')
    }

    await expect(make(fixture.table)).rejects.toThrow('killed')

    expect(await new DeltaTable({ store: fixture.store, duckdb }).exists()).toBe(false)
    delete fixture.hooked.hooks.before
    await make(fixture.table)
    expect(await rowsOf(fixture.table)).toHaveLength(4)
  })

  it.each([
    [
      'the same but for case',
      'select 1 as a',
      { schema: structOf(field('a', 'long'), field('A', 'long')) },
      'SCHEMA_MISMATCH',
    ],
    [
      'none of its partition columns',
      'select 1 as a',
      { partitionBy: ['b'] },
      'Partition column b: there is no such column',
    ],
    [
      'nothing but partition columns',
      'select 1 as a',
      { partitionBy: ['a'] },
      'a column must be left for the files',
    ],
    [
      'a type that Delta has not',
      'select interval 1 day as a',
      {},
      'SCHEMA_MISMATCH: Column a: Delta has no type',
    ],
    [
      'a property that cannot be written',
      'select 1 as a',
      { properties: { 'delta.enableRowTracking': 'true' } },
      'CONFIG_INVALID',
    ],
  ] as const)('refuses columns that are %s', async (_, select, options, words) => {
    await using fixture = await openEmpty()
    expect(await failureOf(make(fixture.table, select, options))).toContain(words)
    expect(filesIn(fixture.store)).toEqual([])
  })

  it('is made by one of those who race, and the others append', async () => {
    await using fixture = await openEmpty()
    const other = new DeltaTable({ store: fixture.store, duckdb })
    beforeNextCommit(fixture.hooked, () =>
      put(other, 'select 10::bigint as id, null::date as day', { create: {} }),
    )

    await put(fixture.table, rows, { create: { partitionBy: ['day'] }, missing: 'null' })

    expect((await rowsOf(fixture.table)).map(({ id }) => id).toSorted()).toEqual([0n, 1n, 10n, 2n, 3n])
    expect((await fixture.table.snapshot()).version).toBe(1)
    const snapshot = await fixture.table.snapshot()
    expect(filesIn(fixture.store).filter((key) => key.endsWith('.parquet'))).toHaveLength(
      snapshot.files.length,
    )
  })

  it('is made by an overwrite too, and only where that is asked for', async () => {
    await using fixture = await openEmpty()
    expect(await failureOf(put(fixture.table, rows))).toContain('TABLE_MISSING')
    await replace(fixture.table, rows, { create: {} })
    await replace(fixture.table, `${rows} where i = 1`, { create: {} })
    expect(await rowsOf(fixture.table)).toHaveLength(1)
  })
})
