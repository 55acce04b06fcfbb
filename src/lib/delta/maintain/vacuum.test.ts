import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { deleteRows } from '../change/delete.ts'
import type { AddFile } from '../log/actions.ts'
import { fileIdentity } from '../log/file-path.ts'
import { field, structOf } from '../schema/schema.ts'
import { encodeDeletionVectorFile } from '../snapshot/deletion-vector.ts'
import { RowSet } from '../snapshot/row-set.ts'
import { DeltaTable } from '../table.ts'
import { failureOf, rowsOf } from '../testing/write.fixture.ts'
import { type AgedFixture, appendRows, atEveryCall, beginMs, dayMs, openAged } from './maintain.fixture.ts'
import { vacuum } from './vacuum.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => {
  duckdb[Symbol.dispose]()
})

const hourMs = 3_600_000

async function deleteWhere(table: DeltaTable, where: string): Promise<void> {
  using session = await table.duckdb.connect()
  await deleteRows(table, session, { where })
}

/** Ten days ago two files came; nine days ago one of them went, and a day ago another came and went. */
async function openUsed(): Promise<AgedFixture> {
  const fixture = await openAged(duckdb)
  const { table } = fixture
  await appendRows(table, `select date '2020-01-01' as day, 1 as id, 'a' as word`)
  await appendRows(table, `select date '2020-01-02' as day, 2 as id, 'b' as word`)
  fixture.passDays(1)
  await deleteWhere(table, 'id = 1')
  fixture.passDays(8)
  await appendRows(table, `select date '2020-01-03' as day, 3 as id, 'c' as word`)
  await deleteWhere(table, 'id = 3')
  fixture.passDays(1)
  return fixture
}

function dataFiles({ store }: AgedFixture): readonly string[] {
  return [...store.files.keys()].filter((key) => !key.startsWith('_delta_log/')).sort()
}

async function plant({ store, clock }: AgedFixture, key: string, ageDays: number): Promise<void> {
  await store.put(key, new TextEncoder().encode('x'))
  const stored = store.files.get(key)
  if (stored !== undefined) {
    store.files.set(key, { ...stored, modifiedMs: clock.now() - ageDays * dayMs })
  }
}

describe('vacuum(table, options)', () => {
  it('removes what went before the retention, and keeps what went within it', async () => {
    await using fixture = await openUsed()
    expect(dataFiles(fixture)).toHaveLength(3)

    const outcome = await vacuum(fixture.table)

    expect(outcome.files).toHaveLength(1)
    expect(outcome.files[0]).toMatch(/^day=2020-01-01\//)
    expect(dataFiles(fixture).map((key) => key.slice(0, 14))).toEqual(['day=2020-01-02', 'day=2020-01-03'])
    expect(await rowsOf(fixture.table)).toEqual([{ day: '2020-01-02', id: 2n, word: 'b' }])
    expect((await fixture.other.snapshot()).version).toBe(outcome.version)
  })

  it('lets an old reader read each version of the retention', async () => {
    await using fixture = await openUsed()
    const at = { timestampMs: beginMs + 9 * dayMs }
    const before = await rowsOf(fixture.table, { version: 4 })

    await vacuum(fixture.table)

    expect((await fixture.table.snapshot(at)).version).toBe(4)
    expect(await rowsOf(fixture.table, { version: 4 })).toEqual(before)
    expect(before).toHaveLength(2)
  })

  it('keeps the files of a writer who has staged them, and commits afterwards', async () => {
    await using fixture = await openUsed()
    using session = await duckdb.connect()
    const snapshot = await fixture.other.snapshot()
    const staged = await fixture.other.stage(
      session,
      snapshot,
      `select date '2020-01-09' as day, 9::bigint as id, 'z' as word`,
    )
    fixture.passDays(6.9)

    await vacuum(fixture.table)
    await fixture.other.commit(snapshot, {
      add: staged.files,
      reads: { kind: 'none' },
      operation: { name: 'WRITE' },
    })

    expect(await rowsOf(fixture.table)).toHaveLength(2)
  })

  it('keeps the files of a writer who commits while it lists', async () => {
    await using fixture = await openUsed()
    using session = await duckdb.connect()
    const snapshot = await fixture.other.snapshot()
    const staged = await fixture.other.stage(
      session,
      snapshot,
      `select date '2020-01-09' as day, 9::bigint as id, 'z' as word`,
    )
    fixture.passDays(8)
    fixture.hooked.hooks.after = async (call, key) => {
      if (call !== 'list' || key !== '') return
      await fixture.other.commit(snapshot, {
        add: staged.files,
        reads: { kind: 'none' },
        operation: { name: 'WRITE' },
      })
    }

    await vacuum(fixture.table)

    expect(await rowsOf(fixture.table)).toHaveLength(2)
  })

  it('knows tombstones that a checkpoint no longer holds', async () => {
    await using fixture = await openUsed()
    const { table } = fixture
    await table.checkpoint()
    for (const [key, stored] of fixture.store.files) {
      if (key.startsWith('day='))
        fixture.store.files.set(key, { ...stored, modifiedMs: beginMs - 30 * dayMs })
    }
    const fresh = new DeltaTable({ store: fixture.store, duckdb, clock: fixture.clock })

    const outcome = await vacuum(fresh, { retentionMs: 12 * dayMs })

    expect((await fresh.snapshot()).state.tombstones.size).toBe(1)
    expect(outcome.files).toEqual([])
    expect(await rowsOf(fresh, { version: 1 })).toHaveLength(1)
  })

  it('skips hidden names, save change data, indexes and partitions, and all of a table further down', async () => {
    const schema = structOf(field('_day', 'string'), field('id', 'long'))
    await using fixture = await openAged(duckdb, { schema, partitionBy: ['_day'] })
    const goes = [
      '_change_data/a.parquet',
      '_delta_index/b',
      '_day=x/c.parquet',
      'd/e.parquet',
      'tmp_f.parquet',
    ]
    const stays = [
      '_SUCCESS',
      '_meta/g',
      '.h',
      'd/.i/j',
      '_delta_log/k.parquet',
      'n/_delta_log/l',
      'n/m.parquet',
    ]
    for (const key of [...goes, ...stays]) await plant(fixture, key, 8)
    for (const key of goes) await plant(fixture, `${key}-new`, 6)

    const { files } = await vacuum(fixture.table)

    expect([...files].sort()).toEqual([...goes].sort())
  })

  it('knows a file by any spelling of its path', async () => {
    await using fixture = await openAged(duckdb)
    const { table } = fixture
    const names = [
      'a b.parquet',
      'day=p%2Fq/c.parquet',
      'd.parquet',
      'e.parquet',
      'f.parquet',
      'free.parquet',
    ]
    const paths = [
      'a%20b.parquet',
      'day=p%252Fq/c.parquet',
      './d.parquet',
      'x/../e.parquet',
      'file:///some/link/to/f.parquet',
    ]
    const file = (path: string): AddFile => ({
      path,
      partitionValues: { day: null },
      size: 1,
      modificationTime: 0,
      dataChange: true,
    })
    await table.commit(await table.snapshot(), {
      add: paths.map(file),
      reads: { kind: 'none' },
      operation: { name: 'WRITE' },
    })
    for (const name of names) await plant(fixture, name, 30)

    expect((await vacuum(table)).files).toEqual(['free.parquet'])
  })

  it('keeps deletion vectors of live files, of those removed within the retention, and their change data', async () => {
    await using fixture = await openAged(duckdb)
    const { table } = fixture
    const [live, gone, old] = [randomUUID(), randomUUID(), randomUUID()]
    const file = (uuid: string): AddFile => {
      const [deletionVector] = encodeDeletionVectorFile([RowSet.of([1])], uuid).vectors
      return {
        path: `${uuid}.parquet`,
        partitionValues: { day: null },
        size: 1,
        modificationTime: 0,
        dataChange: true,
        ...(deletionVector !== undefined && { deletionVector }),
      }
    }
    const commit = async (change: Partial<Parameters<DeltaTable['commit']>[1]>): Promise<void> => {
      const operation = { name: 'TEST' }
      await table.commit(await table.snapshot(), { reads: { kind: 'table' }, operation, ...change })
    }
    await commit({ add: [live, gone, old].map(file) })
    await commit({
      remove: [file(old)],
      changeFiles: [{ path: '_change_data/old', partitionValues: {}, size: 1 }],
    })
    fixture.passDays(8)
    await commit({
      remove: [file(gone)],
      changeFiles: [{ path: '_change_data/new', partitionValues: {}, size: 1 }],
    })
    for (const uuid of [live, gone, old]) await plant(fixture, `deletion_vector_${uuid}.bin`, 9)
    for (const name of ['old', 'new']) await plant(fixture, `_change_data/${name}`, 9)

    const { files } = await vacuum(table)

    expect([...files].sort()).toEqual(['_change_data/old', `deletion_vector_${old}.bin`])
  })

  it('removes what a killed writer of ours left, and nothing that one may be writing', async () => {
    await using fixture = await openAged(duckdb)
    const old = [
      `.${randomUUID()}.tmp`,
      `_delta_log/.${randomUUID()}.tmp`,
      `_delta_log/.${randomUUID()}.json.tmp`,
    ]
    const fresh = `_delta_log/.${randomUUID()}.tmp`
    for (const key of old) await plant(fixture, key, 8)
    await plant(fixture, fresh, 0.9)
    await plant(fixture, '_delta_log/.other.tmp', 8)

    const { files } = await vacuum(fixture.table, { retentionMs: 0, force: true })

    expect([...files].sort()).toEqual([...old].sort())
  })

  it('removes what a killed engine left below its folder, whatever the names, and nothing of another hidden folder', async () => {
    await using fixture = await openUsed()
    const folder = `staged-${randomUUID()}`
    const left = [`${folder}/_temporary/0/a.parquet`, `${folder}/_SUCCESS`, `${folder}-parts/0/.a.crc`]
    for (const key of [...left, '_temporary/0/a.parquet']) await plant(fixture, key, 20)
    await plant(fixture, `${folder}/day=2026-01-01/now.parquet`, 0)

    const { files } = await vacuum(fixture.table)

    expect(files.filter((key) => key.startsWith('staged-')).toSorted()).toEqual(left.toSorted())
    expect(dataFiles(fixture)).toContain('_temporary/0/a.parquet')
    expect(dataFiles(fixture)).toContain(`${folder}/day=2026-01-01/now.parquet`)
  })

  it('refuses a retention shorter than the table keeps removed files, unless it is forced', async () => {
    await using fixture = await openUsed()

    expect(await failureOf(vacuum(fixture.table, { retentionMs: 167 * hourMs }))).toMatch(
      /^CONFIG_INVALID: .*at least 168 hours, got 167/,
    )
    expect(await failureOf(vacuum(fixture.table, { retentionMs: -1, force: true }))).toMatch(/from 0 up/)
    expect(dataFiles(fixture)).toHaveLength(3)
    expect((await vacuum(fixture.table, { retentionMs: hourMs, force: true })).files).toHaveLength(2)
  })

  it('takes the retention from the property of the table', async () => {
    await using fixture = await openAged(duckdb, {
      properties: { 'delta.deletedFileRetentionDuration': 'interval 2 days' },
    })
    await plant(fixture, 'young.parquet', 1.9)
    await plant(fixture, 'old.parquet', 2.1)

    expect((await vacuum(fixture.table)).files).toEqual(['old.parquet'])
  })

  it('lists what it would remove, and removes nothing, in a dry run', async () => {
    await using fixture = await openUsed()

    const dry = await vacuum(fixture.table, { dryRun: true })

    expect(dataFiles(fixture)).toHaveLength(3)
    expect((await vacuum(fixture.table)).files).toEqual(dry.files)
  })

  it('refuses a table that it cannot write, before anything goes', async () => {
    await using fixture = await openUsed()
    const { version, protocol } = await fixture.table.snapshot()
    const writerFeatures = [...(protocol.writerFeatures ?? []), 'unheardOf']
    await fixture.store.put(
      `_delta_log/${String(version + 1).padStart(20, '0')}.json`,
      new TextEncoder().encode(`${JSON.stringify({ protocol: { ...protocol, writerFeatures } })}\n`),
    )

    expect(await failureOf(vacuum(fixture.table))).toMatch(/^PROTOCOL_UNSUPPORTED: .*unheardOf/)
    expect(dataFiles(fixture)).toHaveLength(3)
  })

  it('leaves every version of the retention readable, whichever call fails', async () => {
    await using fixture = await openUsed()
    const rows = await rowsOf(fixture.table)
    const live = new Set(
      (await fixture.table.snapshot({ version: 4 })).files.map(({ path }) => fileIdentity(path)),
    )

    const points = await atEveryCall(duckdb, fixture, vacuum, async (found) => {
      expect(await rowsOf(found.other)).toEqual(rows)
      expect(dataFiles(found).filter((key) => live.has(key))).toHaveLength(live.size)
      await vacuum(found.other)
      expect(dataFiles(found)).toHaveLength(2)
    })

    expect(points).toBeGreaterThan(10)
    console.log(`vacuum: ${points} calls, each with a fault`)
  })
})
