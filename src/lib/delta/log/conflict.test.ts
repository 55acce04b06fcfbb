import { describe, expect, it } from 'vitest'
import type { Action, AddFile } from './actions.ts'
import { type Isolation, judge, type ReadSet } from './conflict.ts'

const file = (path: string, dataChange = true): AddFile => ({
  path,
  partitionValues: {},
  size: 1,
  modificationTime: 0,
  dataChange,
})
const add = (path: string, dataChange = true): Action => ({ add: file(path, dataChange) })
const remove = (path: string, dataChange = true): Action => ({ remove: { path, dataChange } })
const info = (isBlindAppend: boolean): Action => ({ commitInfo: { isBlindAppend } })
const txn = (appId: string): Action => ({ txn: { appId, version: 7 } })
const domain = (name: string): Action => ({
  domainMetadata: { domain: name, configuration: '', removed: false },
})
const metaData: Action = {
  metaData: {
    id: '',
    format: { provider: 'parquet', options: {} },
    schemaString: '',
    partitionColumns: [],
    configuration: {},
  },
}
const protocol: Action = { protocol: { minReaderVersion: 1, minWriterVersion: 2 } }

const nothing: ReadSet = { kind: 'none' }
const table: ReadSet = { kind: 'table' }
/** Looked into file `a`, for rows that file `new` may hold as well. */
const rows: ReadSet = { kind: 'rows', files: [file('a')], mayHold: async (added) => added }

interface Case {
  readonly reads: ReadSet
  readonly isolation?: Isolation
  readonly ours?: readonly Action[]
  readonly winner: readonly Action[]
  /** The winner's files that may hold rows that were read. */
  readonly seen?: readonly AddFile[]
}

const appended = [info(true), add('new')]
const changed = [info(false), add('new')]
const seen = [file('new')]

const cases: readonly (readonly [what: string, expected: string, given: Case])[] = [
  ['an append after an append', 'compatible', { reads: nothing, winner: appended }],
  ['an append after a delete', 'compatible', { reads: nothing, winner: [info(false), remove('a')] }],
  [
    'an append after an optimize',
    'compatible',
    { reads: nothing, winner: [remove('a', false), add('b', false)] },
  ],
  ['an append after a change of schema', 'metadata', { reads: nothing, winner: [metaData] }],
  ['an append after a change of protocol', 'protocol', { reads: nothing, winner: [protocol] }],
  ['its own stream', 'transaction', { reads: nothing, ours: [txn('s')], winner: [info(true), txn('s')] }],
  ['another stream', 'compatible', { reads: nothing, ours: [txn('s')], winner: [info(true), txn('t')] }],
  ['the same metadata domain', 'domain', { reads: nothing, ours: [domain('d')], winner: [domain('d')] }],
  ['another metadata domain', 'compatible', { reads: nothing, ours: [domain('d')], winner: [domain('e')] }],
  ['a reader of all after an append', 'added', { reads: table, winner: appended, seen }],
  ['a reader of all after a delete', 'removed', { reads: table, winner: [remove('z')] }],
  [
    'a reader of all after an optimize',
    'compatible',
    { reads: table, winner: [remove('z', false), add('b', false)], seen: [file('b', false)] },
  ],
  ['rows that came by a blind append', 'added', { reads: rows, winner: appended, seen }],
  ['rows that came elsewhere', 'compatible', { reads: rows, winner: appended, seen: [] }],
  [
    'a blind append, where that is let pass',
    'compatible',
    { reads: rows, isolation: 'WriteSerializable', winner: appended, seen },
  ],
  [
    'an update, where appends are let pass',
    'added',
    { reads: rows, isolation: 'WriteSerializable', winner: changed, seen },
  ],
  [
    'a commit that says nothing of itself',
    'added',
    { reads: rows, isolation: 'WriteSerializable', winner: [add('new')], seen },
  ],
  [
    'a blind append under a new schema of ours',
    'added',
    { reads: rows, isolation: 'WriteSerializable', ours: [metaData], winner: appended, seen },
  ],
  ['a file that was read and is gone', 'removed', { reads: rows, winner: [remove('a')] }],
  ['a file that was read, written otherwise', 'removed', { reads: rows, winner: [remove('%61')] }],
  ['a file that was not read and is gone', 'compatible', { reads: rows, winner: [remove('z')] }],
  [
    'a file that was read and is rewritten as it was',
    'compatible',
    { reads: rows, winner: [remove('a', false), add('b', false)] },
  ],
  ['a file that both remove', 'removed', { reads: rows, ours: [remove('a')], winner: [remove('a', false)] }],
  [
    'a rewrite after an append',
    'compatible',
    { reads: nothing, isolation: 'SnapshotIsolation', ours: [remove('a', false)], winner: appended, seen },
  ],
  [
    'a rewrite of what was deleted',
    'removed',
    { reads: nothing, isolation: 'SnapshotIsolation', ours: [remove('a', false)], winner: [remove('a')] },
  ],
]

describe('judge(ours, winner, addedToReads)', () => {
  it.each(cases)('%s: %s', (_, expected, {
    reads,
    isolation = 'Serializable',
    ours = [],
    winner,
    seen: found = [],
  }) => {
    const verdict = judge({ actions: ours, reads, isolation }, winner, found)

    expect(verdict.kind === 'conflict' ? verdict.conflict : verdict.kind).toBe(expected)
  })
})
