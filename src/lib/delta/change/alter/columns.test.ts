import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import { parsePredicate } from '../../rows/predicate.ts'
import { pruneFiles } from '../../rows/pruning.ts'
import { arrayOf, field, structOf } from '../../schema/schema.ts'
import { DeltaTable } from '../../table.ts'
import { createRawTable, legacyProtocol, writeRawFile } from '../../testing/raw-table.fixture.ts'
import { beforeNextCommit, failureOf, openFixture, rowsOf } from '../../testing/write.fixture.ts'
import { append } from '../append.ts'
import { deleteRows } from '../delete.ts'
import { overwrite } from '../overwrite.ts'
import { updateRows } from '../update.ts'
import {
  addColumns,
  dropColumn,
  dropNotNull,
  renameColumn,
  setComment,
  setNotNull,
  widenColumn,
} from './columns.ts'
import { setProperties } from './set-properties.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const put = (table: DeltaTable, select: string) =>
  duckdb.use((session) => append(table, { session, select }, { missing: 'null' }))

const mapped = { 'delta.columnMapping.mode': 'name' }
const eventSchema = structOf(
  field('day', 'date'),
  field('id', 'integer'),
  field('who', structOf(field('name', 'string'), field('age', 'integer'))),
  field('tags', arrayOf(structOf(field('k', 'string'), field('v', 'string')))),
)
const openEvents = async (properties: Record<string, string> = mapped) => {
  const fixture = await openFixture(duckdb, { schema: eventSchema, partitionBy: ['day'], properties })
  await put(
    fixture.table,
    `select date '2026-01-01' as day, 1 as id, {'name': 'Ada', 'age': 36} as who, [{'k': 'a', 'v': 'b'}] as tags`,
  )
  return fixture
}
const filesFor = (table: DeltaTable, where: string) =>
  duckdb.use(async (session) => {
    const snapshot = await table.snapshot()
    const { schema, partitionColumns, files } = snapshot
    const predicate = await parsePredicate(session, where, { schema, partitionColumns })
    return (await pruneFiles(session, snapshot, files, predicate)).files
  })
/** How many files a condition needs. */
const needed = async (table: DeltaTable, where: string): Promise<number> =>
  (await filesFor(table, where)).length
const countOf = async (table: DeltaTable, where: string, of: 'all' | 'pruned') => {
  const files = of === 'all' ? {} : { files: await filesFor(table, where) }
  return duckdb.use(async (session) => {
    const scan = await table.scan(session, await table.snapshot(), files)
    return (await session.row(`select count(*) as n from (${scan}) where ${where}`))['n']
  })
}
const names = async (table: DeltaTable): Promise<readonly string[]> =>
  (await table.snapshot()).schema.fields.map(({ name }) => name)

describe('addColumns(table, columns)', () => {
  it('adds columns at the end, of structs and lists of structs too, null in older rows', async () => {
    for (const properties of [{}, mapped]) {
      await using fixture = await openEvents(properties)
      const { table } = fixture

      await addColumns(table, [
        { path: 'note', type: 'string', comment: 'free text' },
        { path: 'who.mail', type: 'string' },
        { path: 'tags.element.n', type: 'long' },
      ])
      await put(
        table,
        `select date '2026-01-02' as day, 2 as id, {'name': 'Bob', 'age': 1, 'mail': 'b@c'} as who,
          [{'k': 'x', 'v': 'y', 'n': 7}] as tags, 'hi' as note`,
      )

      expect(await rowsOf(table)).toEqual([
        expect.objectContaining({
          id: 1,
          who: { name: 'Ada', age: 36, mail: null },
          tags: [{ k: 'a', v: 'b', n: null }],
          note: null,
        }),
        expect.objectContaining({
          id: 2,
          who: { name: 'Bob', age: 1, mail: 'b@c' },
          tags: [{ k: 'x', v: 'y', n: 7n }],
          note: 'hi',
        }),
      ])
      expect((await rowsOf(table, { version: 1 }))[0]).not.toHaveProperty('note')
      // Nothing is known of a column that a file lacks.
      expect(await needed(table, "note = 'hi'")).toBe(2)
      expect(await needed(table, "note = 'other'")).toBe(1)
      expect(await needed(table, "who.mail = 'other'")).toBe(1)
    }
  })

  it('refuses a column that is there, in any case, and a place that holds no fields', async () => {
    await using fixture = await openEvents({})
    const add = (path: string) => failureOf(addColumns(fixture.table, [{ path, type: 'long' }]))

    expect(await add('ID')).toBe('SCHEMA_MISMATCH: Column id: it already exists')
    expect(await add('who.Name')).toBe('SCHEMA_MISMATCH: Column who.name: it already exists')
    expect(await add('id.x')).toContain('SCHEMA_MISMATCH: Column id.x: id is integer and holds no fields')
    expect(await add('nobody.x')).toContain('COLUMN_MISSING: No column nobody; there are day, id, who, tags')
    expect((await fixture.table.snapshot()).version).toBe(1)
  })

  it('lets rows of both schemas in, whichever commit comes first', async () => {
    await using fixture = await openEvents({})
    const other = new DeltaTable({ store: fixture.store, duckdb })
    beforeNextCommit(fixture.hooked, () => addColumns(other, [{ path: 'note', type: 'string' }]))
    await put(fixture.table, "select date '2026-01-02' as day, 2 as id, null as who, null as tags")
    beforeNextCommit(fixture.hooked, () =>
      put(other, "select date '2026-01-03' as day, 3 as id, null as who, null as tags, 'x' as note"),
    )
    await addColumns(fixture.table, [{ path: 'n', type: 'long' }])

    expect((await rowsOf(fixture.table)).map(({ id, note, n }) => [id, note, n])).toEqual([
      [1, null, null],
      [2, null, null],
      [3, 'x', null],
    ])
  })

  it('keeps what both of two racing alterations have done', async () => {
    await using fixture = await openEvents({})
    const other = new DeltaTable({ store: fixture.store, duckdb })
    beforeNextCommit(fixture.hooked, () => addColumns(other, [{ path: 'a', type: 'string' }]))

    await addColumns(fixture.table, [{ path: 'b', type: 'long' }])

    expect(await names(fixture.table)).toEqual(['day', 'id', 'who', 'tags', 'a', 'b'])
  })
})

describe('renameColumn(table, column, to)', () => {
  it('gives older and newer rows the new name, at any depth, and older versions the old one', async () => {
    await using fixture = await openEvents()
    const { table } = fixture

    await renameColumn(table, 'id', 'key')
    await renameColumn(table, 'who.age', 'years')
    await renameColumn(table, 'tags.element.k', 'label')
    await put(
      table,
      `select date '2026-01-02' as day, 200 as key, {'name': 'Bob', 'years': 99} as who,
        [{'label': 'x', 'v': 'y'}] as tags`,
    )

    expect((await rowsOf(table)).map(({ key, who, tags }) => ({ key, who, tags }))).toEqual([
      { key: 1, who: { name: 'Ada', years: 36 }, tags: [{ label: 'a', v: 'b' }] },
      { key: 200, who: { name: 'Bob', years: 99 }, tags: [{ label: 'x', v: 'y' }] },
    ])
    expect(await rowsOf(table, { version: 1 })).toMatchObject([{ id: 1, who: { name: 'Ada', age: 36 } }])
    expect(await needed(table, 'key > 100')).toBe(1)
    expect(await needed(table, 'who.years < 40')).toBe(1)
    expect(await needed(table, "day = '2026-01-01'")).toBe(1)
  })

  it('lets a later column have a name that is free, and never mixes the two up', async () => {
    await using fixture = await openEvents()
    const { table } = fixture
    await renameColumn(table, 'id', 'old')
    await addColumns(table, [{ path: 'id', type: 'string' }])
    await put(table, "select date '2026-01-02' as day, 2 as old, null as who, null as tags, 'two' as id")

    expect((await rowsOf(table)).map(({ id, old }) => [old, id])).toEqual([
      [1, null],
      [2, 'two'],
    ])
    await duckdb.use((session) => deleteRows(table, session, { where: 'old = 1' }))
    await duckdb.use((session) =>
      overwrite(
        table,
        {
          session,
          select: "select date '2026-01-02' as day, 3 as old, null as who, null as tags, 'two' as id",
        },
        { replace: { where: "id = 'two'" } },
      ),
    )
    expect((await rowsOf(table)).map(({ id, old }) => [old, id])).toEqual([[3, 'two']])
  })

  it('renames a partition column: its values, and what files and the log call it, stay', async () => {
    await using fixture = await openEvents({ ...mapped, 'delta.enableChangeDataFeed': 'true' })
    const { table } = fixture
    const keysOf = async () =>
      (await table.snapshot()).files.map(({ partitionValues }) => Object.keys(partitionValues))
    const before = await keysOf()

    await renameColumn(table, 'DAY', 'date')
    await put(table, "select date '2026-01-02' as date, 2 as id, null as who, null as tags")
    await duckdb.use((session) =>
      updateRows(table, session, { set: { id: '7' }, where: "date = date '2026-01-02'" }),
    )

    const snapshot = await table.snapshot()
    expect(snapshot.partitionColumns).toEqual(['date'])
    expect(snapshot.metadata.partitionColumns).toEqual(['date'])
    expect(await keysOf()).toEqual([...before, ...before])
    expect((await rowsOf(table)).map(({ date, id }) => [date, id])).toEqual([
      ['2026-01-01', 1],
      ['2026-01-02', 7],
    ])
    expect(await rowsOf(table, { version: 1 })).toMatchObject([{ day: '2026-01-01', id: 1 }])
    expect(await needed(table, "date > date '2026-01-01'")).toBe(1)
    const changes = await duckdb.use(async (session) => {
      const select = await table.changes(session, snapshot, { from: 1 })
      return await session.rows(`select date, _change_type as change from (${select}) order by all`)
    })
    expect(changes).toEqual([
      { date: '2026-01-01', change: 'insert' },
      { date: '2026-01-02', change: 'insert' },
      { date: '2026-01-02', change: 'update_postimage' },
      { date: '2026-01-02', change: 'update_preimage' },
    ])
  })

  it('refuses by name what uses the column, and tables that do not map their columns', async () => {
    await using fixture = await openEvents({
      ...mapped,
      'delta.constraints.adult': 'who.age >= 18',
    })
    const rename = (path: string) => failureOf(renameColumn(fixture.table, path, 'other'))
    await using plain = await openEvents({})
    await using odd = await openFixture(duckdb, {
      schema: eventSchema,
      properties: { ...mapped, 'delta.constraints.odd': 'rlike(id, "x")' },
    })

    expect(await rename('who')).toContain('CHECK adult (who.age >= 18)')
    expect(await rename('WHO.AGE')).toContain('CHECK adult')
    expect(await failureOf(renameColumn(odd.table, 'id', 'x'))).toContain('CHECK odd')
    expect(await rename('who.name')).toBe('no failure')
    expect(await failureOf(renameColumn(fixture.table, 'tags', 'Day'))).toMatch(
      /^SCHEMA_MISMATCH: Columns day and Day/,
    )
    expect(await failureOf(renameColumn(plain.table, 'id', 'x'))).toMatch(
      /^PROTOCOL_UNSUPPORTED: .* columns are mapped/,
    )
  })
})

describe('dropColumn(table, column)', () => {
  it('hides the column, at any depth, and never shows its values under a new one of its name', async () => {
    await using fixture = await openEvents()
    const { table } = fixture

    await dropColumn(table, 'id')
    await dropColumn(table, 'who.age')
    await addColumns(table, [
      { path: 'id', type: 'integer' },
      { path: 'who.age', type: 'integer' },
    ])
    await put(
      table,
      `select date '2026-01-02' as day, 2 as id, {'name': 'Bob', 'age': 5} as who, null as tags`,
    )

    expect(
      (await rowsOf(table)).map(({ id, who }) => ({ id, who })).toSorted((a) => (a.id === null ? -1 : 1)),
    ).toEqual([
      { id: null, who: { name: 'Ada', age: null } },
      { id: 2, who: { name: 'Bob', age: 5 } },
    ])
    expect(await rowsOf(table, { version: 1 })).toMatchObject([{ id: 1, who: { name: 'Ada', age: 36 } }])
    expect(await needed(table, 'id = 1')).toBe(1)
    expect(await needed(table, 'id is not null')).toBe(2)
    const { metadata } = await table.snapshot()
    expect(metadata.configuration['delta.columnMapping.maxColumnId']).toBe('10')
  })

  it('refuses the last column, partition columns, and what is used', async () => {
    await using fixture = await openFixture(duckdb, {
      schema: structOf(field('day', 'date'), field('s', structOf(field('only', 'long')))),
      properties: mapped,
    })
    const drop = (path: string) => failureOf(dropColumn(fixture.table, path))

    expect(await drop('s.only')).toContain('SCHEMA_MISMATCH: Column s.only: it is the only column')
    expect(await drop('s')).toContain('only partition columns would be left')
    expect(await drop('day')).toContain('the partitioning by day')
  })
})

describe("setProperties(table, { 'delta.columnMapping.mode': 'name' })", () => {
  it('maps the columns of a table that has files, and grows its protocol', async () => {
    await using store = await MemoryStore.open()
    const schema = structOf(
      field('a', 'long'),
      field('s', structOf(field('x', 'long'), field('y', 'string'))),
    )
    const table = await createRawTable(store, duckdb, {
      schema,
      protocol: legacyProtocol,
      files: [
        await writeRawFile(
          store,
          duckdb,
          'one.parquet',
          "select 1::bigint as a, {'x': 2::bigint, 'y': 'z'} as s",
        ),
      ],
    })

    await setProperties(table, mapped)
    await renameColumn(table, 's.x', 'left')
    await renameColumn(table, 'a', 'b')
    await put(table, "select 5 as b, {'left': 6, 'y': 'w'} as s")

    expect(await rowsOf(table)).toEqual([
      { b: 1n, s: { left: 2n, y: 'z' } },
      { b: 5n, s: { left: 6n, y: 'w' } },
    ])
    const { protocol, metadata } = await table.snapshot()
    expect(protocol).toEqual({
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: ['columnMapping'],
      writerFeatures: ['appendOnly', 'invariants', 'columnMapping'],
    })
    expect(metadata.configuration['delta.columnMapping.maxColumnId']).toBe('4')
    expect(await failureOf(setProperties(table, { 'delta.columnMapping.mode': 'none' }))).toContain(
      'CONFIG_INVALID',
    )
    expect(await failureOf(setProperties(table, { 'delta.columnMapping.mode': 'id' }))).toContain(
      'CONFIG_INVALID',
    )
  })
})

describe('a table whose protocol does not allow the mapping that its properties ask for', () => {
  it('keeps the rows that it has when its protocol grows', async () => {
    await using store = await MemoryStore.open()
    const table = await createRawTable(store, duckdb, {
      schema: structOf(field('a', 'long')),
      configuration: mapped,
      files: [await writeRawFile(store, duckdb, 'one.parquet', 'select 1::bigint as a')],
    })

    expect(await failureOf(renameColumn(table, 'a', 'b'))).toContain('PROTOCOL_UNSUPPORTED')
    await addColumns(table, [{ path: 'n', type: 'long' }])
    await put(table, 'select 2 as a, 3 as n')

    expect(await rowsOf(table)).toEqual([
      { a: 1n, n: null },
      { a: 2n, n: 3n },
    ])
  })
})

describe('widenColumn(table, column, to)', () => {
  it.each([
    ['integer', 'long', '7', '3000000000', 'n > 2000000000', 1],
    ['byte', 'decimal(12,2)', '7', '1234567.25', 'n > 1000', 1],
    ['float', 'double', '0.7', '1e300', 'n < 0.7::double', 1],
    ['float', 'double', '0.1', '1e300', 'n > 0.1::double', 2],
    ['decimal(5,2)', 'decimal(15,4)', '1.25', '12345678901.1234', 'n > 1000', 1],
    [
      'date',
      'timestamp_ntz',
      "date '2026-01-01'",
      "timestamp '2026-01-02 03:04:05.6'",
      "n > '2026-01-02'",
      1,
    ],
  ] as const)('makes of %s %s: old and new rows are there, and found', async (from, to, before, after, where, files) => {
    await using fixture = await openFixture(duckdb, {
      schema: structOf(field('id', 'long'), field('n', from), field('s', structOf(field('n', from)))),
      partitionBy: [],
    })
    const { table } = fixture
    const rows = (id: number, n: string) => `select ${id} as id, ${n} as n, {'n': ${n}} as s`
    await put(table, rows(1, before))

    await widenColumn(table, 'n', to)
    await widenColumn(table, 's.n', to)
    await put(table, rows(2, after))

    expect((await rowsOf(table)).map(({ id }) => id)).toEqual([1n, 2n])
    expect(await needed(table, where)).toBe(files)
    expect(await countOf(table, where, 'pruned')).toBe(await countOf(table, where, 'all'))
    expect(await countOf(table, 'n is distinct from s.n', 'all')).toBe(0n)
    expect((await table.snapshot()).protocol.readerFeatures).toContain('typeWidening')
    expect(await rowsOf(table, { version: 1 })).toHaveLength(1)
  })

  it('refuses what is no widening, and a column that a constraint uses', async () => {
    await using fixture = await openEvents({ 'delta.constraints.c': 'id > 0' })
    const widen = (path: string, to: 'string' | 'long') => failureOf(widenColumn(fixture.table, path, to))

    expect(await widen('id', 'string')).toMatch(
      /^SCHEMA_MISMATCH: Column id is integer, which cannot become string/,
    )
    expect(await widen('id', 'long')).toContain('CHECK c (id > 0)')
    expect(await widen('who', 'long')).toContain('SCHEMA_MISMATCH: Column who is STRUCT')
    expect(await widen('who.age', 'long')).toBe('no failure')
  })
})

describe('setNotNull(table, column)', () => {
  it('refuses while a row has null there, and keeps nulls out afterwards', async () => {
    await using fixture = await openEvents({})
    const { table } = fixture
    const nulls = "select date '2026-01-02' as day, null as id, {'name': null, 'age': 1} as who, null as tags"

    await put(table, nulls)
    expect(await failureOf(setNotNull(table, 'id'))).toMatch(/^CONSTRAINT_VIOLATED: .* null in id/)
    expect(await failureOf(setNotNull(table, 'who.name'))).toMatch(
      /^CONSTRAINT_VIOLATED: .* null in who.name/,
    )
    await duckdb.use((session) => deleteRows(table, session, { where: 'id is null' }))
    await setNotNull(table, 'id')
    await setNotNull(table, 'who.name')
    expect(await failureOf(put(table, nulls))).toContain('CONSTRAINT_VIOLATED')
    expect(await setNotNull(table, 'id')).toMatchObject({ kind: 'unchanged' })

    await dropNotNull(table, 'id')
    await dropNotNull(table, 'who.name')
    expect(await put(table, nulls)).toMatchObject({ kind: 'committed' })
  })

  it('sees a null that comes in between, and is seen by one that comes after', async () => {
    await using fixture = await openEvents({})
    const other = new DeltaTable({ store: fixture.store, duckdb })
    const nulls = "select date '2026-01-02' as day, null as id, null as who, null as tags"

    beforeNextCommit(fixture.hooked, () => setNotNull(other, 'id'))
    expect(await failureOf(put(fixture.table, nulls))).toContain('CONSTRAINT_VIOLATED')

    await dropNotNull(other, 'id')
    beforeNextCommit(fixture.hooked, () => put(other, nulls))
    expect(await failureOf(setNotNull(fixture.table, 'id'))).toContain('CONSTRAINT_VIOLATED')
    expect(await rowsOf(fixture.table)).toHaveLength(2)
  })
})

describe('setComment(table, column, comment)', () => {
  it('describes the column and changes nothing else', async () => {
    await using fixture = await openEvents()
    await setComment(fixture.table, 'who.name', 'as signed up')

    const who = (await fixture.table.snapshot()).schema.fields[2]?.type
    expect(typeof who === 'object' && who.type === 'struct' && who.fields[0]?.metadata['comment']).toBe(
      'as signed up',
    )
    expect(await rowsOf(fixture.table)).toHaveLength(1)
  })
})
