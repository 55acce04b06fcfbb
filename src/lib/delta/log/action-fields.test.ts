import { describe, expect, it } from 'vitest'
import { decodeSchema } from '../schema/schema.ts'
import { failureOf } from '../testing/write.fixture.ts'
import { decodeActions } from './actions.ts'

const decode = (line: string) => decodeActions(new TextEncoder().encode(line), '3.json')
const failure = (work: () => unknown): Promise<string> => failureOf((async () => work())())

const add = { path: 'a', partitionValues: {}, size: 1, modificationTime: 1, dataChange: true }
const metaData = {
  id: 'x',
  schemaString: '{"type":"struct","fields":[]}',
  partitionColumns: [],
  configuration: {},
}
const vector = { storageType: 'i', pathOrInlineDv: '', sizeInBytes: 1, cardinality: 1 }

describe('decodeActions(bytes, file)', () => {
  it('takes a property without a value for one that is not set', () => {
    const configuration = { 'delta.columnMapping.mode': null, 'delta.appendOnly': 'true' }

    expect(decode(JSON.stringify({ metaData: { ...metaData, configuration } }))).toEqual([
      { metaData: { ...metaData, configuration: { 'delta.appendOnly': 'true' } } },
    ])
  })

  it.each([
    [{ add: { ...add, path: 1 } }, 'add.path: expected a text, got 1'],
    [{ add: { ...add, size: '1' } }, 'add.size: expected a whole number from 0 up, got "1"'],
    [{ add: { ...add, size: 1.5 } }, 'add.size: expected a whole number from 0 up, got 1.5'],
    [
      { add: { ...add, partitionValues: ['x'] } },
      'add.partitionValues: expected an object of texts, got a list',
    ],
    [{ add: { ...add, stats: { numRecords: 1 } } }, 'add.stats: expected a text, got an object'],
    [{ add: { ...add, deletionVector: 'x' } }, 'add.deletionVector: expected an object, got "x"'],
    [
      { add: { ...add, deletionVector: { ...vector, offset: -1 } } },
      'deletionVector.offset: expected a whole number from 0 up, got -1',
    ],
    [{ protocol: { minReaderVersion: '1', minWriterVersion: 2 } }, 'protocol.minReaderVersion: expected'],
    [
      { metaData: { ...metaData, partitionColumns: 'a' } },
      'metaData.partitionColumns: expected a list of texts',
    ],
    [
      { metaData: { ...metaData, configuration: { a: 1 } } },
      'metaData.configuration: expected an object of texts',
    ],
    [{ txn: { appId: 'a', version: 'b' } }, 'txn.version: expected a whole number, got "b"'],
    [{ commitInfo: { inCommitTimestamp: 'x' } }, 'commitInfo.inCommitTimestamp: expected a whole number'],
    [{ add: 'x' }, 'expected add as an object'],
    [{ add, remove: add }, 'expected one action, got add and remove'],
  ])('names file, line and field of %j', async (action, expected) => {
    expect(await failure(() => decode(`\n${JSON.stringify(action)}`))).toContain(
      `LOG_CORRUPT: 3.json, line 2: ${expected}`,
    )
  })

  it('takes what a commit says of itself, whatever it says, and leaves out what is not what we know by that name', () => {
    const commitInfo = { operation: { a: 1 }, engineInfo: 'x', tags: [], notOurs: [1] }

    expect(decode(JSON.stringify({ commitInfo }))).toEqual([
      { commitInfo: { engineInfo: 'x', notOurs: [1] } },
    ])
  })

  it('keeps whole numbers that a double would round, and fields that we do not know', () => {
    const line = '{"txn":{"appId":"a","version":9007199254740993,"more":{"a":[1]}}}'

    expect(decode(line)).toEqual([{ txn: { appId: 'a', version: 9007199254740993n, more: { a: [1] } } }])
  })
})

describe('decodeSchema(schemaString)', () => {
  it.each([
    ['{"type":"struct","fields":[null]}', 'LOG_CORRUPT: schema: expected a field, got null'],
    ['{"type":"struct","fields":[{"type":"long"}]}', 'LOG_CORRUPT: schema: field without a name'],
    [
      '{"type":"struct","fields":[{"name":"a","type":"long","metadata":[]}]}',
      'LOG_CORRUPT: schema.a: expected an object of metadata',
    ],
    [
      '{"type":"struct","fields":[{"name":"a","type":"constructor"}]}',
      'PROTOCOL_UNSUPPORTED: schema.a: type constructor',
    ],
    ['{"type":"struct"', 'LOG_CORRUPT: schemaString: not JSON'],
  ])('says what is wrong with %s', async (schema, expected) => {
    expect(await failure(() => decodeSchema(schema))).toContain(expected)
  })

  it('refuses a type that is nested beyond all use, and reads one that is nested deep', async () => {
    const nested = (depth: number): string =>
      `{"type":"struct","fields":[{"name":"a","type":${'{"type":"array","elementType":'.repeat(depth)}"long"${'}'.repeat(depth)}}]}`

    expect(decodeSchema(nested(90)).fields).toHaveLength(1)
    expect(await failure(() => decodeSchema(nested(20_000)))).toMatch(
      /^PROTOCOL_UNSUPPORTED: .*nested more than 100 deep$/,
    )
  })
})
