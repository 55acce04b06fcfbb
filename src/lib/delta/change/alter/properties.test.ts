import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../base/clock.ts'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import type { Protocol } from '../../protocol/metadata.ts'
import { mergedProtocol, protocolFor } from '../../protocol/protocol-for.ts'
import { field, type StructType, structOf } from '../../schema/schema.ts'
import { DeltaTable } from '../../table.ts'
import { createRawTable, legacyProtocol, writeRawFile } from '../../testing/raw-table.fixture.ts'
import { beforeNextCommit, failureOf, openFixture, rowsOf } from '../../testing/write.fixture.ts'
import { append } from '../append.ts'
import { deleteRows } from '../delete.ts'
import { restore } from '../restore.ts'
import { addConstraint, dropConstraint } from './check.ts'
import { addColumns } from './columns.ts'
import { setProperties, unsetProperties } from './set-properties.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const schema = structOf(field('id', 'long'), field('word', 'string'))
const put = (table: DeltaTable, select: string) => duckdb.use((session) => append(table, { session, select }))
const open = (properties: Record<string, string> = {}) =>
  openFixture(duckdb, { schema, partitionBy: [], properties })
const configurationOf = async (table: DeltaTable) => (await table.snapshot()).metadata.configuration

describe('protocolFor(schema, properties, current)', () => {
  const ntz = structOf(field('s', structOf(field('at', 'timestamp_ntz'))))
  const reader = (...names: string[]): Protocol => ({
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: names,
    writerFeatures: ['appendOnly', 'invariants', ...names],
  })
  const writer = (...names: string[]): Protocol => ({
    minReaderVersion: 1,
    minWriterVersion: 7,
    writerFeatures: ['appendOnly', 'invariants', ...names],
  })

  it.each<[string, StructType, Record<string, string>, Protocol]>([
    ['nothing', schema, {}, { minReaderVersion: 1, minWriterVersion: 2 }],
    ['a timestamp without a zone, at any depth', ntz, {}, reader('timestampNtz')],
    ['column mapping', schema, { 'delta.columnMapping.mode': 'name' }, reader('columnMapping')],
    [
      'a table that only grows',
      schema,
      { 'delta.appendOnly': 'true' },
      { minReaderVersion: 1, minWriterVersion: 2 },
    ],
    [
      'no column mapping',
      schema,
      { 'delta.columnMapping.mode': 'none' },
      { minReaderVersion: 1, minWriterVersion: 2 },
    ],
    ['a constraint', schema, { 'delta.constraints.c': 'id > 0' }, writer('checkConstraints')],
    ['a change feed', schema, { 'delta.enableChangeDataFeed': 'TRUE' }, writer('changeDataFeed')],
    ['wider types', schema, { 'delta.enableTypeWidening': 'true' }, reader('typeWidening')],
    [
      'in-commit timestamps',
      schema,
      { 'delta.enableInCommitTimestamps': 'true' },
      writer('inCommitTimestamp'),
    ],
    ['checkpoints of version 2', schema, { 'delta.checkpointPolicy': 'v2' }, reader('v2Checkpoint')],
  ])('lists for a new table with %s what it needs', (_, of, properties, expected) => {
    expect(protocolFor(of, properties)).toEqual(expected)
  })

  it('leaves a protocol alone that allows what is used', () => {
    const old: Protocol = { minReaderVersion: 2, minWriterVersion: 5 }
    expect(protocolFor(schema, { 'delta.columnMapping.mode': 'name', 'delta.constraints.c': 'x' }, old)).toBe(
      old,
    )
  })

  it('lists all that an older version stood for, and for readers what they must know', () => {
    expect(
      protocolFor(
        schema,
        { 'delta.enableInCommitTimestamps': 'true' },
        { minReaderVersion: 1, minWriterVersion: 4 },
      ),
    ).toEqual(writer('checkConstraints', 'changeDataFeed', 'generatedColumns', 'inCommitTimestamp'))
    expect(protocolFor(ntz, {}, { minReaderVersion: 2, minWriterVersion: 5 })).toEqual({
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: ['columnMapping', 'timestampNtz'],
      writerFeatures: [
        'appendOnly',
        'invariants',
        'checkConstraints',
        'changeDataFeed',
        'generatedColumns',
        'columnMapping',
        'timestampNtz',
      ],
    })
  })

  it('grows only', () => {
    const wide = reader('typeWidening', 'columnMapping')
    expect(protocolFor(schema, {}, wide)).toBe(wide)
    expect(mergedProtocol(wide, legacyProtocol)).toBe(wide)
    expect(mergedProtocol(legacyProtocol, wide)).toEqual(wide)
  })
})

describe('setProperties(table, properties)', () => {
  it.each([
    [
      'delta.appendOnly',
      'yes',
      "CONFIG_INVALID: Property delta.appendOnly: expected true or false, got 'yes'",
    ],
    [
      'delta.checkpointInterval',
      '0',
      'CONFIG_INVALID: Property delta.checkpointInterval: expected a whole number',
    ],
    [
      'delta.logRetentionDuration',
      '1 month',
      'CONFIG_INVALID: Property delta.logRetentionDuration: expected a span',
    ],
    ['delta.appendonlyy', 'true', 'CONFIG_INVALID: Property delta.appendonlyy: there is no such property'],
    ['delta.enableRowTracking', 'true', 'CONFIG_INVALID: Property delta.enableRowTracking: expected false'],
    ['delta.columnMapping.maxColumnId', '7', 'kept by the writer'],
    ['delta.constraints.c', 'id > 0', 'not set as a property'],
    ['delta.feature.rowTracking', 'supported', 'PROTOCOL_UNSUPPORTED: Property delta.feature.rowTracking'],
    ['delta.feature.checkConstraints', 'on', 'expected supported'],
  ])('refuses %s = %s, and changes nothing', async (name, value, words) => {
    await using fixture = await open()

    expect(await failureOf(setProperties(fixture.table, { [name]: value }))).toContain(words)
    expect(await failureOf(setProperties(fixture.table, { mine: 'x', [name]: value }))).toContain(words)
    expect((await fixture.table.snapshot()).version).toBe(0)
  })

  it('sets what it knows, and what is not of Delta, and leaves the rest', async () => {
    await using fixture = await open({ mine: 'kept' })
    const { table } = fixture

    await setProperties(table, {
      'delta.APPENDonly': 'true',
      'delta.feature.checkconstraints': 'supported',
      other: '1',
    })

    expect(await configurationOf(table)).toEqual({
      'delta.appendOnly': 'true',
      mine: 'kept',
      other: '1',
    })
    expect((await table.snapshot()).protocol.writerFeatures).toContain('checkConstraints')
    await put(table, "select 1 as id, 'a' as word")
    expect(await failureOf(duckdb.use((session) => deleteRows(table, session)))).toContain('delta.appendOnly')
    expect(await setProperties(table, { other: '1' })).toMatchObject({ kind: 'unchanged' })

    await unsetProperties(table, ['delta.appendOnly', 'mine'])
    expect(await configurationOf(table)).toEqual({ other: '1' })
    expect(await failureOf(unsetProperties(table, ['mine']))).toContain('CONFIG_INVALID')
    expect(await unsetProperties(table, ['mine'], { ifExists: true })).toMatchObject({ kind: 'unchanged' })
  })

  it('turns in-commit timestamps on late, from a version on that the metadata names, whatever comes between', async () => {
    await using store = await MemoryStore.open()
    const file = await writeRawFile(store, duckdb, 'a.parquet', "select 1::bigint as id, 'a' as word")
    await createRawTable(store, duckdb, { schema, files: [file] })
    const table = new DeltaTable({ store, duckdb, clock: new ManualClock(1_000) })
    const beforeMs = (await store.head('_delta_log/00000000000000000000.json'))?.modifiedMs ?? 0

    await setProperties(table, { 'delta.enableInCommitTimestamps': 'true' })
    await put(table, "select 2 as id, 'b' as word")

    const configuration = await configurationOf(table)
    const fromMs = Number(configuration['delta.inCommitTimestampEnablementTimestamp'])
    expect(configuration['delta.inCommitTimestampEnablementVersion']).toBe('1')
    expect(fromMs).toBeGreaterThan(beforeMs)
    expect((await table.snapshot({ timestampMs: fromMs })).version).toBe(1)
    expect((await table.snapshot({ timestampMs: fromMs - 1 })).version).toBe(0)
    expect((await table.snapshot({ timestampMs: fromMs + 1 })).version).toBe(2)

    await setProperties(table, { 'delta.enableInCommitTimestamps': 'false' })
    expect(await configurationOf(table)).toEqual({ 'delta.enableInCommitTimestamps': 'false' })
  })

  it('names the version that it got, where an append came in between', async () => {
    await using fixture = await open({ 'delta.enableInCommitTimestamps': 'false' })
    const other = new DeltaTable({ store: fixture.store, duckdb })
    beforeNextCommit(fixture.hooked, () => put(other, "select 1 as id, 'a' as word"))

    await setProperties(fixture.table, { 'delta.enableInCommitTimestamps': 'true' })

    expect(await configurationOf(fixture.table)).toMatchObject({
      'delta.inCommitTimestampEnablementVersion': '2',
    })
  })
})

describe('addConstraint(table, name, expression)', () => {
  it('refuses while a row violates it, null too, and keeps such rows out afterwards', async () => {
    await using fixture = await open()
    const { table } = fixture
    await put(table, "select 5 as id, 'a' as word union all select null, 'b'")

    expect(await failureOf(addConstraint(table, 'low', 'id < 5'))).toMatch(
      /^CONSTRAINT_VIOLATED: .* CHECK low/,
    )
    expect(await failureOf(addConstraint(table, 'pos', 'id > 0'))).toMatch(
      /^CONSTRAINT_VIOLATED: .* CHECK pos/,
    )
    expect(await failureOf(addConstraint(table, 'odd', 'rlike(word, "x")'))).toContain('PROTOCOL_UNSUPPORTED')
    expect(await failureOf(addConstraint(table, 'none', 'nothing > 0'))).toContain('SQL_INVALID')
    await duckdb.use((session) => deleteRows(table, session, { where: 'id is null' }))
    await addConstraint(table, 'Pos', 'id > 0')
    expect(await configurationOf(table)).toMatchObject({ 'delta.constraints.pos': 'id > 0' })
    expect((await table.snapshot()).protocol.writerFeatures).toContain('checkConstraints')
    expect(await failureOf(put(table, "select 0 as id, 'c' as word"))).toContain('CHECK pos')
    expect(await addConstraint(table, 'pos', 'id > 0')).toMatchObject({ kind: 'unchanged' })
    expect(await failureOf(addConstraint(table, 'POS', 'id > 1'))).toContain('CONFIG_INVALID')

    expect(await failureOf(dropConstraint(table, 'neg'))).toContain(
      'there is no constraint neg; there are pos',
    )
    await dropConstraint(table, 'POS')
    expect(await put(table, "select 0 as id, 'c' as word")).toMatchObject({ kind: 'committed' })
    expect(await dropConstraint(table, 'pos', { ifExists: true })).toMatchObject({ kind: 'unchanged' })
  })

  it('sees a violating row that comes in between, and is seen by one that comes after', async () => {
    await using fixture = await open()
    const other = new DeltaTable({ store: fixture.store, duckdb })
    await put(other, "select 1 as id, 'a' as word")

    beforeNextCommit(fixture.hooked, () => put(other, "select -1 as id, 'b' as word"))
    expect(await failureOf(addConstraint(fixture.table, 'pos', 'id > 0'))).toContain('CONSTRAINT_VIOLATED')
    await duckdb.use((session) => deleteRows(other, session, { where: 'id < 0' }))
    beforeNextCommit(fixture.hooked, () => addConstraint(other, 'pos', 'id > 0'))
    expect(await failureOf(put(fixture.table, "select -2 as id, 'c' as word"))).toContain('CHECK pos')

    expect(await rowsOf(fixture.table)).toEqual([{ id: 1n, word: 'a' }])
  })

  it('keeps both of two that are added at once', async () => {
    await using fixture = await open()
    const other = new DeltaTable({ store: fixture.store, duckdb })
    beforeNextCommit(fixture.hooked, () => addConstraint(other, 'a', 'id > 0'))

    await addConstraint(fixture.table, 'b', 'id < 9')

    expect(await configurationOf(fixture.table)).toMatchObject({
      'delta.constraints.a': 'id > 0',
      'delta.constraints.b': 'id < 9',
    })
  })
})

describe('a column that has the name of a column of changes', () => {
  const feed = { 'delta.enableChangeDataFeed': 'true' }
  const taken =
    /^SCHEMA_MISMATCH: .*column (?:_change_type|_Commit_Version) has the name of a column of changes/

  it('keeps changes off', async () => {
    for (const name of ['_change_type', '_Commit_Version']) {
      await using fixture = await openFixture(duckdb, {
        schema: structOf(field('id', 'long'), field(name, 'string')),
        partitionBy: [],
      })

      expect(await failureOf(setProperties(fixture.table, feed))).toMatch(taken)
      expect((await fixture.table.snapshot()).version).toBe(0)
    }
    expect(
      await failureOf(
        openFixture(duckdb, {
          schema: structOf(field('_change_type', 'string')),
          partitionBy: [],
          properties: feed,
        }),
      ),
    ).toMatch(taken)
  })

  it('is not added, by any way, where changes are on', async () => {
    await using fixture = await open(feed)
    const { table } = fixture
    const select = `select 1 as id, 'a' as word, 'b' as _change_type`
    const merging = duckdb.use((session) => append(table, { session, select }, { mergeSchema: true }))

    expect(await failureOf(addColumns(table, [{ path: '_Commit_Version', type: 'long' }]))).toMatch(taken)
    expect(await failureOf(merging)).toMatch(taken)
    await setProperties(table, { 'delta.enableChangeDataFeed': 'false' })
    await addColumns(table, [{ path: '_Commit_Version', type: 'long' }])
    expect(await failureOf(restore(table, { version: 0 }))).toBe('no failure')
  })
})
