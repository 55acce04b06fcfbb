import { mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { openLocalStore } from '../../storage/store.local.ts'
import { encodeSchema, field, structOf } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'
import { type Action, encodeActions } from './actions.ts'
import { listCommitTimes } from './commit-times.ts'
import { commitKey, version } from './log-path.ts'

let duckdb: DuckDb
let root: string
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  root = await mkdtemp(join(tmpdir(), 'lakeshore-times-'))
})
afterAll(async () => {
  duckdb[Symbol.dispose]()
  await rm(root, { recursive: true, force: true })
})

interface Commit {
  /** Of the file. */
  readonly modifiedMs: number
  readonly inCommitTimestamp?: number
  readonly properties?: Readonly<Record<string, string>>
}

async function tableOf(name: string, commits: readonly Commit[]): Promise<DeltaTable> {
  const store = openLocalStore(join(root, name))
  for (const [at, { modifiedMs, inCommitTimestamp, properties }] of commits.entries()) {
    const configuration = properties ?? (at === 0 ? {} : undefined)
    const actions: Action[] = [
      { commitInfo: { operation: 'WRITE', ...(inCommitTimestamp !== undefined && { inCommitTimestamp }) } },
      ...(at === 0 ? [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }] : []),
      ...(configuration === undefined
        ? []
        : [
            {
              metaData: {
                id: 'x',
                format: { provider: 'parquet', options: {} },
                schemaString: encodeSchema(structOf(field('n', 'long'))),
                partitionColumns: [],
                configuration,
              },
            },
          ]),
    ]
    await store.put(commitKey(version(at)), encodeActions(actions))
    await utimes(join(root, name, commitKey(version(at))), modifiedMs / 1000, modifiedMs / 1000)
  }
  return new DeltaTable({ store, duckdb })
}

const versionsAt = async (table: DeltaTable, times: readonly number[]): Promise<readonly number[]> =>
  Promise.all(times.map(async (timestampMs) => (await table.snapshot({ timestampMs })).version))

describe('listCommitTimes(store)', () => {
  it('lets times rise by a millisecond where clocks disagreed', async () => {
    const table = await tableOf('rising', [
      { modifiedMs: 5_000 },
      { modifiedMs: 4_000 },
      { modifiedMs: 5_000 },
    ])

    expect((await listCommitTimes(table.store)).map(({ timestampMs }) => timestampMs)).toEqual([
      5_000, 5_001, 5_002,
    ])
  })
})

describe('versionAt(store, newest, timestampMs)', () => {
  it('goes by the files where there are no in-commit timestamps', async () => {
    const table = await tableOf('files', [
      { modifiedMs: 1_000 },
      { modifiedMs: 2_000 },
      { modifiedMs: 1_500 },
    ])

    expect(await versionsAt(table, [1_000, 1_999, 2_000, 2_001, 9_000])).toEqual([0, 0, 1, 2, 2])
    await expect(table.snapshot({ timestampMs: 999 })).rejects.toMatchObject({ code: 'VERSION_MISSING' })
  })

  it('goes by in-commit timestamps, whatever the files say', async () => {
    const table = await tableOf('commits', [
      {
        modifiedMs: 9_000,
        inCommitTimestamp: 100,
        properties: { 'delta.enableInCommitTimestamps': 'true' },
      },
      { modifiedMs: 1_000, inCommitTimestamp: 200 },
      { modifiedMs: 5_000, inCommitTimestamp: 300 },
    ])

    expect(await versionsAt(table, [100, 199, 200, 299, 300, 9_000])).toEqual([0, 0, 1, 1, 2, 2])
    await expect(table.snapshot({ timestampMs: 99 })).rejects.toMatchObject({ code: 'VERSION_MISSING' })
  })

  it('goes by the files before in-commit timestamps were enabled', async () => {
    const table = await tableOf('enabled', [
      { modifiedMs: 1_000 },
      { modifiedMs: 2_000 },
      {
        modifiedMs: 99_000,
        inCommitTimestamp: 3_000,
        properties: {
          'delta.enableInCommitTimestamps': 'true',
          'delta.inCommitTimestampEnablementVersion': '2',
          'delta.inCommitTimestampEnablementTimestamp': '3000',
        },
      },
      { modifiedMs: 98_000, inCommitTimestamp: 4_000 },
    ])

    expect(await versionsAt(table, [1_500, 2_999, 3_000, 3_999, 4_000])).toEqual([0, 1, 2, 2, 3])
  })

  it('refuses a commit without the in-commit timestamp that it must have', async () => {
    const table = await tableOf('lacking', [
      { modifiedMs: 1, properties: { 'delta.enableInCommitTimestamps': 'true' } },
    ])

    await expect(table.snapshot({ timestampMs: 5 })).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })
})
