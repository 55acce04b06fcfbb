import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import type { Action } from '../log/actions.ts'
import { jsonChecksum } from '../log/last-checkpoint.ts'
import { type AgedFixture, appendRows, atEveryCall, openAged } from '../maintain/maintain.fixture.ts'
import { DeltaTable } from '../table.ts'
import { rowsOf } from '../testing/write.fixture.ts'
import type { TableState } from './replay.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => {
  duckdb[Symbol.dispose]()
})

const features = {
  minReaderVersion: 3,
  minWriterVersion: 7,
  readerFeatures: ['v2Checkpoint', 'deletionVectors'],
  writerFeatures: ['v2Checkpoint', 'deletionVectors', 'domainMetadata', 'inCommitTimestamp'],
}

/** A table with one of everything that a checkpoint has to carry. */
async function openFull(properties: Readonly<Record<string, string>> = {}): Promise<AgedFixture> {
  const fixture = await openAged(duckdb, { properties })
  await appendRows(fixture.table, `select date '2020-01-01' as day, 1 as id, 'a' as word`)
  await appendRows(fixture.table, `select null::date as day, 2 as id, 'b' as word`)
  const snapshot = await fixture.table.snapshot()
  const [first, second] = snapshot.files
  if (first === undefined || second === undefined) throw new Error('Expected two files')
  await fixture.table.commit(snapshot, {
    protocol: features,
    remove: [first],
    add: [
      { ...second, path: 'gone.parquet', tags: { kind: 'x' }, partitionValues: { day: '' } },
      {
        ...first,
        deletionVector: {
          storageType: 'i',
          pathOrInlineDv: '^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L',
          sizeInBytes: 40,
          cardinality: 6,
        },
      },
    ],
    transactions: { app: 7 },
    domains: [{ domain: 'someone.else', configuration: '{"a":1}', removed: false }],
    reads: { kind: 'table' },
    operation: { name: 'TEST' },
  })
  return fixture
}

function contents(state: TableState): unknown {
  return {
    protocol: state.protocol,
    metadata: state.metadata,
    files: new Map([...state.files].sort(([a], [b]) => (a < b ? -1 : 1)).map(withoutDataChange)),
    tombstones: new Map([...state.tombstones].map(withoutDataChange)),
    transactions: state.transactions,
    domains: state.domains,
  }
}

function withoutDataChange<T extends { readonly dataChange: boolean }>([key, file]: readonly [string, T]): [
  string,
  unknown,
] {
  return [key, { ...file, dataChange: undefined }]
}

/** The state as it is read from the checkpoint alone. */
async function stateOf({ store }: AgedFixture): Promise<TableState> {
  return (await new DeltaTable({ store, duckdb }).snapshot()).state
}

describe('DeltaTable.checkpoint()', () => {
  it.each([
    ['classic', 0, /checkpoint\.parquet$/],
    ['v2', 1, /checkpoint\.[0-9a-f-]{36}\.json$/],
  ])('keeps all that the log says, as a %s checkpoint', async (policy, sidecars, name) => {
    await using fixture = await openFull({ 'delta.checkpointPolicy': policy })
    const before = contents((await fixture.table.snapshot()).state)

    const version = await fixture.table.checkpoint()
    const keys = [...fixture.store.files.keys()]
    for (let at = 0; at < version; at++)
      await fixture.store.delete([`_delta_log/${String(at).padStart(20, '0')}.json`])

    expect(keys.filter((key) => name.test(key))).toHaveLength(1)
    expect(keys.filter((key) => key.startsWith('_delta_log/_sidecars/'))).toHaveLength(sidecars)
    expect(contents(await stateOf(fixture))).toEqual(before)
  })

  it('keeps thousands of files, of which each has something else', async () => {
    await using fixture = await openAged(duckdb)
    const add = Array.from({ length: 5_000 }, (_, n) => ({
      path: `part-${n}.parquet`,
      partitionValues: { day: n % 7 === 0 ? null : '2020-01-01' },
      size: n,
      modificationTime: 1_767_225_600_000 + n,
      dataChange: true,
      ...(n % 3 === 0 && { stats: `{"numRecords":${n}}` }),
      ...(n % 5 === 0 && { tags: { kind: `\u0001 "${n}"` } }),
    }))
    const reads = { kind: 'none' } as const
    await fixture.table.commit(await fixture.table.snapshot(), { add, reads, operation: { name: 'TEST' } })
    const gone = add.filter((_, n) => n % 11 === 0)
    await fixture.table.commit(await fixture.table.snapshot(), {
      remove: gone,
      reads,
      operation: { name: 'TEST' },
    })
    const before = await fixture.table.snapshot()

    await fixture.table.checkpoint()
    const opened = await stateOf(fixture)

    expect(opened.files.size).toBe(4_545)
    expect(contents(opened)).toEqual(contents(before.state))
  })

  it('leaves out tombstones older than the property says', async () => {
    await using fixture = await openFull({ 'delta.deletedFileRetentionDuration': 'interval 3 days' })
    fixture.passDays(2)
    await fixture.table.checkpoint()
    expect((await stateOf(fixture)).tombstones.size).toBe(1)

    fixture.passDays(2)
    await fixture.table.checkpoint()

    expect((await stateOf(fixture)).tombstones.size).toBe(0)
  })

  it('refuses a table that it would take something from', async () => {
    await using fixture = await openFull()
    const { version } = await fixture.table.snapshot()
    const protocol = { ...features, writerFeatures: [...features.writerFeatures, 'rowTracking'] }
    await fixture.store.putIfAbsent(
      `_delta_log/${String(version + 1).padStart(20, '0')}.json`,
      new TextEncoder().encode(`${JSON.stringify({ protocol } satisfies Action)}\n`),
    )

    await expect(fixture.table.checkpoint()).rejects.toThrow(/rowTracking/)
  })

  it.each([
    {},
    { 'delta.checkpointPolicy': 'v2' },
  ])('leaves a table that reads the same, whichever call fails (%j)', async (properties) => {
    await using fixture = await openAged(duckdb, { properties })
    await appendRows(fixture.table, `select date '2020-01-01' as day, 1 as id, 'a' as word`)
    await fixture.table.commit(await fixture.table.snapshot(), {
      protocol: features,
      reads: { kind: 'none' },
      operation: { name: 'TEST' },
    })
    const rows = await rowsOf(fixture.table)

    const points = await atEveryCall(
      duckdb,
      fixture,
      (table) => table.checkpoint(),
      async ({ other, table }) => {
        expect(await rowsOf(table)).toEqual(rows)
        await other.checkpoint()
        expect(await rowsOf(new DeltaTable({ store: other.store, duckdb }))).toEqual(rows)
      },
    )

    expect(points).toBeGreaterThan(5)
    console.log(`checkpoint ${JSON.stringify(properties)}: ${points} calls, each with a fault`)
  })
})

describe('jsonChecksum(value)', () => {
  it("gives the protocol's example its sum", () => {
    const value = {
      k0: "'v 0'",
      checksum: 'adsaskfljadfkjadfkj',
      k1: { k2: 2, k3: ['v3', [1, 2], { k4: 'v4', k5: ['v5', 'v6', 'v7'] }] },
    }

    expect(jsonChecksum(value)).toBe('6a92d155a59bf2eecbd4b4ec7fd1f875')
  })
})
