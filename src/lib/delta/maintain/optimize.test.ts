import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { deleteRows } from '../change/delete.ts'
import { overwrite } from '../change/overwrite.ts'
import type { CommitInfo } from '../log/actions.ts'
import { parsePredicate } from '../rows/predicate.ts'
import { pruneFiles } from '../rows/pruning.ts'
import { field, structOf } from '../schema/schema.ts'
import { inlineDeletionVector } from '../snapshot/deletion-vector.ts'
import { RowSet } from '../snapshot/row-set.ts'
import { decodeStatistics } from '../snapshot/statistics.ts'
import type { DeltaTable } from '../table.ts'
import { beforeNextCommit, failureOf, rowsOf } from '../testing/write.fixture.ts'
import { compactIfWorthwhile } from './auto-compaction.ts'
import { type AgedFixture, appendRows, atEveryCall, openAged } from './maintain.fixture.ts'
import { optimize } from './optimize.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb()
})
afterAll(() => {
  duckdb[Symbol.dispose]()
})

/** Six files: three of each of two days, the rows 0 to 5. */
async function openSmall(properties: Record<string, string> = {}): Promise<AgedFixture> {
  const fixture = await openAged(duckdb, { properties })
  for (let id = 0; id < 3; id++) {
    await appendRows(
      fixture.table,
      `select date '2020-01-01' + day::integer as day, day * 3 + ${id} as id, 'w' || day as word from range(2) as days(day)`,
    )
  }
  return fixture
}

async function deleteWhere(table: DeltaTable, where: string): Promise<void> {
  using session = await table.duckdb.connect()
  await deleteRows(table, session, { where })
}

async function newestCommit(table: DeltaTable): Promise<CommitInfo> {
  for await (const entry of table.history()) return entry
  throw new Error('Expected a commit')
}

async function hashOf(table: DeltaTable): Promise<unknown> {
  return table.duckdb.use(async (session) => {
    const select = await table.scan(session, await table.snapshot())
    return await session.row(
      `select count(*) as rows, sum(hash(row_of)::hugeint)::varchar as hash from (select row_of from (${select}) as row_of)`,
    )
  })
}

describe('optimize(table, options)', () => {
  it('makes the small files of each partition one, and changes no row', async () => {
    await using fixture = await openSmall()
    const { table } = fixture
    const before = await rowsOf(table)

    const outcome = await optimize(table)

    expect(await rowsOf(table)).toEqual(before)
    const { files } = await fixture.other.snapshot()
    expect(files.map(({ path, partitionValues }) => [path.slice(0, 15), partitionValues])).toEqual([
      ['day=2020-01-01/', { day: '2020-01-01' }],
      ['day=2020-01-02/', { day: '2020-01-02' }],
    ])
    expect(outcome).toMatchObject({ version: 4, commits: 1, removedFiles: 6, addedFiles: 2 })
    expect(await newestCommit(table)).toMatchObject({
      operation: 'OPTIMIZE',
      isolationLevel: 'SnapshotIsolation',
      isBlindAppend: false,
      operationParameters: { predicate: '[]', zOrderBy: '[]', auto: false },
      operationMetrics: { numRemovedFiles: 6, numAddedFiles: 2, numDeletionVectorsRemoved: 0 },
    })
  })

  it('says that no row has changed, so that readers of changes see none', async () => {
    await using fixture = await openSmall()
    const { version } = await optimize(fixture.table)

    const key = `_delta_log/${String(version).padStart(20, '0')}.json`
    const log = new TextDecoder().decode(await fixture.store.read(key))

    expect(log).not.toContain('"dataChange":true')
    expect(log.match(/"dataChange":false/g)).toHaveLength(8)
  })

  it('does nothing the second time', async () => {
    await using fixture = await openSmall()
    const { version } = await optimize(fixture.table)

    expect(await optimize(fixture.table)).toMatchObject({ version, commits: 0, removedFiles: 0 })
  })

  it('keeps the rows of every type, by a hash of them all', async () => {
    const schema = structOf(
      field('part', 'string'),
      field('exact', 'decimal(38,10)'),
      field('at', 'timestamp'),
      field('text', 'string'),
      field('raw', 'binary'),
      field('real', 'double'),
      field('list', { type: 'array', elementType: 'long', containsNull: true }),
      field('nested', structOf(field('a', 'long'), field('b', 'string'))),
    )
    await using fixture = await openAged(duckdb, { schema, partitionBy: ['part'] })
    for (let file = 0; file < 4; file++) {
      await appendRows(
        fixture.table,
        `select case when i % 3 = 0 then null else 'p/ é' || (i % 3) end as part, case when i % 7 > 0 then (i * 12345678901234567.0000000001)::decimal(38,10) end as exact,
          case when i % 5 > 0 then timestamptz '2020-01-01 00:00:00.123456+00' + to_microseconds(i) end as at, case when i % 2 > 0 then '😀' || i else '' end as text,
          case when i % 11 > 0 then encode('b' || i) end as raw, case i % 4 when 0 then 'nan'::double when 1 then null else i / 3 end as real,
          case when i % 6 > 0 then [i, null] end as list, case when i % 8 > 0 then {a: i, b: null::varchar} end as nested from range(${file * 50}, ${file * 50 + 50}) as rows(i)`,
      )
    }
    const before = await hashOf(fixture.table)

    await optimize(fixture.table)
    expect((await fixture.table.snapshot()).files).toHaveLength(3)
    expect(await hashOf(fixture.table)).toEqual(before)

    await optimize(fixture.table, { zOrderBy: ['exact', 'at', 'text', 'real'] })
    expect(await hashOf(fixture.table)).toEqual(before)
  })

  it('works on the partitions that it is told, and on no other columns', async () => {
    await using fixture = await openSmall()

    await optimize(fixture.table, { where: "day = '2020-01-02'" })

    expect((await fixture.table.snapshot()).files).toHaveLength(4)
    expect(await failureOf(optimize(fixture.table, { where: 'id = 1' }))).toMatch(
      /^SQL_INVALID: .*which are day/,
    )
  })

  it('fills files up to the size that the table asks for', async () => {
    await using sample = await openAged(duckdb, { partitionBy: [] })
    await appendRows(sample.table, `select date '2020-01-01' as day, 1 as id, 'w' as word`)
    const [{ size = 0 } = {}] = (await sample.table.snapshot()).files
    const properties = { 'delta.targetFileSize': `${Math.ceil(size * 2.5)}b` }
    await using fixture = await openAged(duckdb, { partitionBy: [], properties })
    for (let id = 0; id < 6; id++) {
      await appendRows(fixture.table, `select date '2020-01-01' as day, ${id} as id, 'w' as word`)
    }

    await optimize(fixture.table)

    const { files } = await fixture.table.snapshot()
    expect(files.map(({ stats }) => decodeStatistics(stats)?.numRecords)).toEqual([2, 2, 2])
    expect(await failureOf(optimize(fixture.table, { targetFileBytes: 0 }))).toMatch(/^CONFIG_INVALID/)
  })

  it('writes a file anew of which many rows are deleted, without them', async () => {
    await using fixture = await openAged(duckdb, { partitionBy: [] })
    const { table } = fixture
    await appendRows(
      table,
      `select date '2020-01-01' as day, i as id, 'w' as word from range(100) as rows(i)`,
    )
    const [file] = (await table.snapshot()).files
    if (file === undefined) throw new Error('Expected a file')
    const snapshot = await table.snapshot()
    await table.commit(snapshot, {
      protocol: {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: ['deletionVectors'],
        writerFeatures: ['deletionVectors', 'inCommitTimestamp'],
      },
      remove: [file],
      add: [{ ...file, deletionVector: inlineDeletionVector(RowSet.of([1, 2, 3, 4, 5, 6])) }],
      reads: { kind: 'table' },
      operation: { name: 'DELETE' },
    })

    const outcome = await optimize(table)

    expect(outcome).toMatchObject({ removedFiles: 1, addedFiles: 1 })
    expect(await newestCommit(table)).toMatchObject({ operationMetrics: { numDeletionVectorsRemoved: 1 } })
    expect((await table.snapshot()).files[0]?.deletionVector).toBeUndefined()
    expect(await rowsOf(table)).toHaveLength(94)
  })

  it('goes by batches, and ends between them when it is cancelled', async () => {
    await using fixture = await openSmall()
    const abort = new AbortController()
    const seen: number[] = []

    const work = optimize(fixture.table, {
      batchBytes: 1,
      signal: abort.signal,
      onProgress: ({ removedFiles }) => {
        seen.push(removedFiles)
        abort.abort(new Error('enough'))
      },
    })

    await expect(work).rejects.toThrow('enough')
    expect(seen).toEqual([3])
    expect((await fixture.table.snapshot()).files).toHaveLength(4)
    expect(await optimize(fixture.table)).toMatchObject({ commits: 1, removedFiles: 3 })
  })

  it('leaves nothing behind when it is cancelled within a batch', async () => {
    await using fixture = await openSmall()
    const abort = new AbortController()
    const before = [...fixture.store.files.keys()]
    fixture.hooked.hooks.after = (call) => {
      if (call === 'publish') abort.abort(new Error('enough'))
    }

    await expect(optimize(fixture.table, { signal: abort.signal })).rejects.toThrow('enough')

    expect([...fixture.store.files.keys()]).toEqual(before)
  })
})

describe('optimize(table, { zOrderBy })', () => {
  const schema = structOf(field('part', 'string'), field('x', 'long'), field('y', 'string'))
  const rows = (from: number, to: number): string =>
    `select 'p' as part, (hash(i) % 1000)::bigint as x, case when i % 50 > 0 then 'y' || (hash(-i) % 1000) end as y from range(${from}, ${to}) as rows(i)`

  async function openOrdered(): Promise<AgedFixture> {
    const fixture = await openAged(duckdb, { schema, partitionBy: ['part'] })
    await appendRows(fixture.table, rows(0, 60_000))
    await appendRows(fixture.table, rows(60_000, 120_000))
    return fixture
  }

  /** How many files of all a lookup has to read. */
  async function filesFor(table: DeltaTable, where: string): Promise<number> {
    return table.duckdb.use(async (session) => {
      const snapshot = await table.snapshot()
      const predicate = await parsePredicate(session, where, snapshot)
      return (await pruneFiles(session, snapshot, snapshot.files, predicate)).files.length
    })
  }

  it('gives files narrow bounds in each column', async () => {
    await using fixture = await openOrdered()
    const { table } = fixture

    const outcome = await optimize(table, { zOrderBy: ['x', 'y'], targetFileBytes: 20_000 })

    const total = (await table.snapshot()).files.length
    expect(total).toBeGreaterThan(4)
    expect(outcome.removedFiles).toBe(2)
    expect((await table.snapshot()).numRecords).toBe(120_000)
    expect(await filesFor(table, 'x = 5')).toBeLessThan(total)
    expect(await filesFor(table, "y = 'y999'")).toBeLessThan(total)
    expect(await newestCommit(table)).toMatchObject({ operationParameters: { zOrderBy: '["x","y"]' } })
  })

  it('leaves what is in order, orders what came since, and all of it when asked', async () => {
    await using fixture = await openOrdered()
    const { table } = fixture
    const options = { zOrderBy: ['x'], targetFileBytes: 20_000 }
    await optimize(table, options)
    const ordered = (await table.snapshot()).files.length

    expect(await optimize(table, options)).toMatchObject({ commits: 0 })
    expect(await optimize(table)).toMatchObject({ commits: 0 })
    await appendRows(table, rows(120_000, 120_100))
    expect(await optimize(table, options)).toMatchObject({ commits: 1, removedFiles: 1, addedFiles: 1 })
    expect(await optimize(table, { ...options, full: true })).toMatchObject({
      commits: 1,
      removedFiles: ordered + 1,
    })
    expect(await optimize(table, { ...options, zOrderBy: ['y'] })).toMatchObject({ commits: 1 })
  })

  it.each([
    [['z'], /^COLUMN_MISSING: .*no column z/],
    [['part'], /^SQL_INVALID: .*part is a partition column/],
    [['x', 'X'], /^SQL_INVALID: .*named twice/],
  ])('refuses %j', async (zOrderBy, message) => {
    await using fixture = await openAged(duckdb, { schema, partitionBy: ['part'] })
    await appendRows(fixture.table, rows(0, 10))

    expect(await failureOf(optimize(fixture.table, { zOrderBy }))).toMatch(message)
  })
})

describe('optimize(table) beside another writer', () => {
  it('lets an append in, and keeps it', async () => {
    await using fixture = await openSmall()
    const { table, other, hooked } = fixture
    beforeNextCommit(hooked, () =>
      appendRows(other, `select date '2020-01-01' as day, 9 as id, 'new' as word`),
    )

    const outcome = await optimize(table, { where: 'day is not null' })

    expect(outcome).toMatchObject({ removedFiles: 6, commits: 1 })
    expect(await rowsOf(table)).toHaveLength(7)
  })

  it('fails no append that it comes before', async () => {
    await using fixture = await openSmall()
    const { table, other, hooked } = fixture
    beforeNextCommit(hooked, () => optimize(other))
    let staged = 0
    hooked.hooks.after = (call) => {
      if (call === 'publish') staged += 1
    }

    await appendRows(table, `select date '2020-01-01' as day, 9 as id, 'new' as word`)

    expect(staged).toBe(1)
    expect(await rowsOf(table)).toHaveLength(7)
  })

  it('plans the bin of a deleted row again, and keeps the work on the others', async () => {
    await using fixture = await openSmall()
    const { table, other, hooked } = fixture
    let staged = 0
    hooked.hooks.after = (call) => {
      if (call === 'publish') staged += 1
    }
    beforeNextCommit(hooked, () => deleteWhere(other, 'id = 4'))

    const outcome = await optimize(table)

    expect(outcome).toMatchObject({ commits: 2, addedFiles: 2 })
    expect(staged).toBe(3)
    expect((await rowsOf(table)).map(({ id }) => Number(id))).toEqual([0, 1, 2, 3, 5])
    expect((await table.snapshot()).files).toHaveLength(2)
  })

  it('lets a delete that it comes before look again', async () => {
    await using fixture = await openSmall()
    const { table, other, hooked } = fixture
    beforeNextCommit(hooked, () => optimize(other))

    await deleteWhere(table, 'id = 4')

    expect((await rowsOf(table)).map(({ id }) => Number(id))).toEqual([0, 1, 2, 3, 5])
  })

  it('does nothing twice beside another that optimizes', async () => {
    await using fixture = await openSmall()
    const { table, other, hooked } = fixture
    beforeNextCommit(hooked, () => optimize(other))

    expect(await optimize(table)).toMatchObject({ commits: 0 })

    expect(await rowsOf(table)).toHaveLength(6)
    expect((await table.snapshot()).files).toHaveLength(2)
  })

  it('never brings back what an overwrite replaced', async () => {
    await using fixture = await openSmall()
    const { table, other, hooked } = fixture
    beforeNextCommit(hooked, async () => {
      using session = await duckdb.connect()
      const select = `select date '2020-01-02' as day, 70 as id, 'over' as word`
      await overwrite(other, { session, select }, { replace: 'partitions' })
    })

    await optimize(table)

    expect((await rowsOf(table)).map(({ id }) => Number(id))).toEqual([0, 1, 2, 70])
  })

  it('stages all anew where the metadata has changed', async () => {
    await using fixture = await openSmall()
    const { table, other, hooked } = fixture
    beforeNextCommit(hooked, async () => {
      const snapshot = await other.snapshot()
      const { metadata } = snapshot
      await other.commit(snapshot, {
        metadata: { ...metadata, configuration: { ...metadata.configuration, who: 'other' } },
        reads: { kind: 'table' },
        operation: { name: 'SET TBLPROPERTIES' },
      })
    })

    expect(await optimize(table)).toMatchObject({ commits: 1, removedFiles: 6 })
    expect((await table.snapshot()).metadata.configuration['who']).toBe('other')
    expect(fixture.store.files.size - (await table.snapshot()).files.length - 6).toBe(6)
  })

  it('leaves a table that reads the same, whichever call fails', async () => {
    await using fixture = await openSmall()
    const before = await rowsOf(fixture.table)

    const points = await atEveryCall(
      duckdb,
      fixture,
      (table) => optimize(table, { batchBytes: 1 }),
      async ({ other }) => {
        expect(await rowsOf(other)).toEqual(before)
        await optimize(other)
        expect(await rowsOf(other)).toEqual(before)
        expect((await other.snapshot()).files).toHaveLength(2)
      },
    )

    expect(points).toBeGreaterThan(10)
    console.log(`optimize: ${points} calls, each with a fault`)
  })
})

describe('compactIfWorthwhile(table, options)', () => {
  it('makes one file of many, once there are enough of them in a partition', async () => {
    await using fixture = await openSmall()
    const { table } = fixture
    expect(await compactIfWorthwhile(table, { minFiles: 4, enabled: true })).toBeUndefined()
    await appendRows(table, `select date '2020-01-01' as day, 9 as id, 'new' as word`)

    const outcome = await compactIfWorthwhile(table, { minFiles: 4, enabled: true })

    expect(outcome).toMatchObject({ removedFiles: 4, addedFiles: 1 })
    expect(await rowsOf(table)).toHaveLength(7)
    expect(await newestCommit(table)).toMatchObject({ operationParameters: { auto: true } })
  })

  it('asks the property of the table where nobody says otherwise', async () => {
    const properties = { 'delta.autoOptimize.autoCompact': 'true' }
    await using asked = await openAged(duckdb, { properties })
    await using silent = await openAged(duckdb)
    for (const { table } of [asked, silent]) {
      for (let id = 0; id < 2; id++) {
        await appendRows(table, `select date '2020-01-01' as day, ${id} as id, 'w' as word`)
      }
    }

    expect(await compactIfWorthwhile(asked.table, { minFiles: 2 })).toMatchObject({ commits: 1 })
    expect(await compactIfWorthwhile(asked.table, { minFiles: 2 })).toBeUndefined()
    expect(await compactIfWorthwhile(silent.table, { minFiles: 2 })).toBeUndefined()
  })

  it('takes the size that the table asks for', async () => {
    await using fixture = await openSmall({ 'delta.targetFileSize': '1b' })

    expect(await compactIfWorthwhile(fixture.table, { minFiles: 2, enabled: true })).toBeUndefined()
    expect(
      await compactIfWorthwhile(fixture.table, { minFiles: 2, enabled: true, targetFileBytes: 2 ** 20 }),
    ).toBeDefined()
  })
})
