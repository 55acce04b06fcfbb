/** Tables as maintenance leaves them, read by ClickHouse's own reader of Delta. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { append, DeltaTable, field, optimize, structOf, vacuum } from '../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../lib/duckdb/duckdb.ts'
import { openLocalStore } from '../lib/storage/store.local.ts'
import { readIndependently } from './oracle.ts'

let duckdb: DuckDb
let folder: string
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-maintenance-'))
})
afterAll(async () => {
  duckdb[Symbol.dispose]()
  await rm(folder, { recursive: true, force: true })
})

describe('optimize, checkpoint and vacuum', () => {
  it.each([
    'classic',
    'v2',
  ])('leave a table that ClickHouse reads from its %s checkpoint alone', async (policy) => {
    const root = join(folder, policy)
    const table = new DeltaTable({ store: openLocalStore(root), duckdb })
    const schema = structOf(field('p', 'string'), field('a', 'long'), field('b', 'string'))
    const properties = { 'delta.checkpointPolicy': policy }
    await table.createIfMissing({ schema, partitionBy: ['p'], properties })
    await table.commit(await table.snapshot(), {
      protocol: {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: ['v2Checkpoint'],
        writerFeatures: ['v2Checkpoint', 'inCommitTimestamp'],
      },
      reads: { kind: 'none' },
      operation: { name: 'UPGRADE PROTOCOL' },
    })
    using session = await duckdb.connect()
    for (let file = 0; file < 4; file++) {
      const select = `select 'x/ é' || (i % 3) as p, i as a, 'w' || i as b from range(${file * 100}, ${file * 100 + 100}) as rows(i)`
      await append(table, { session, select })
    }

    await optimize(table)
    await optimize(table, { zOrderBy: ['a', 'b'] })
    const version = await table.checkpoint()
    const { files } = await vacuum(table, { retentionMs: 0, force: true })
    const commits = Array.from(
      { length: version },
      (_, at) => `_delta_log/${String(at).padStart(20, '0')}.json`,
    )
    await table.store.delete(commits)

    expect(files.length).toBeGreaterThan(0)
    const found = await readIndependently(
      root,
      (source) => `select p, count() as rows, sum(a) as sum from ${source} group by p order by p`,
    )
    expect(found).toEqual([
      { p: 'x/ é0', rows: 134, sum: 26_733 },
      { p: 'x/ é1', rows: 133, sum: 26_467 },
      { p: 'x/ é2', rows: 133, sum: 26_600 },
    ])
  })
})
