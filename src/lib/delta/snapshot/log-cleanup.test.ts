import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import {
  type AgedFixture,
  appendRows,
  atEveryCall,
  beginMs,
  dayMs,
  openAged,
} from '../maintain/maintain.fixture.ts'
import { DeltaTable } from '../table.ts'
import { rowsOf } from '../testing/write.fixture.ts'
import { cleanLog } from './log-cleanup.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => {
  duckdb[Symbol.dispose]()
})

/** A commit a day, the first with a row; version N was committed N - 1 days after the beginning. */
async function openDaily(
  days: number,
  properties: Readonly<Record<string, string>> = {},
): Promise<AgedFixture> {
  const fixture = await openAged(duckdb, {
    properties: { 'delta.logRetentionDuration': 'interval 10 days', ...properties },
  })
  await appendRows(fixture.table, `select date '2020-01-01' as day, 1 as id, 'a' as word`)
  for (let day = 1; day < days; day++) {
    fixture.passDays(1)
    await commitNothing(fixture, day)
  }
  return fixture
}

async function commitNothing({ table }: AgedFixture, transaction: number): Promise<void> {
  await table.commit(await table.snapshot(), {
    transactions: { app: transaction },
    reads: { kind: 'none' },
    operation: { name: 'TEST' },
  })
}

async function clean(table: DeltaTable): Promise<void> {
  await cleanLog(table.store, duckdb, await table.snapshot(), { nowMs: table.clock.now() })
}

function commitsOf({ store }: AgedFixture): readonly number[] {
  return [...store.files.keys()]
    .filter((key) => /^_delta_log\/\d{20}\.json$/.test(key))
    .map((key) => Number(key.slice('_delta_log/'.length, -'.json'.length)))
    .sort((a, b) => a - b)
}

describe('cleanLog(store, duckdb, newest, options)', () => {
  it('keeps the newest checkpoint that is old enough, its commit, and all after', async () => {
    await using fixture = await openDaily(25)

    fixture.passDays(1)
    await fixture.table.checkpoint()

    expect(commitsOf(fixture)[0]).toBe(10)
    expect(commitsOf(fixture)).toHaveLength(16)
    expect([...fixture.store.files.keys()].filter((key) => key.includes('.checkpoint.'))).toHaveLength(3)
    const fresh = new DeltaTable({ store: fixture.store, duckdb })
    for (let version = 10; version <= 25; version++) {
      expect((await fresh.snapshot({ version })).transactionVersion('app')).toBe(version - 1)
    }
    expect(await rowsOf(fresh)).toHaveLength(1)
  })

  it('keeps what time travel within the retention needs', async () => {
    await using fixture = await openDaily(45)
    await fixture.table.checkpoint()

    const fresh = new DeltaTable({ store: fixture.store, duckdb })
    for (let day = 35; day < 45; day++) {
      const { version } = await fresh.snapshot({ timestampMs: beginMs + day * dayMs })
      expect(version).toBe(day + 1)
    }
  })

  it('cuts at midnight, UTC', async () => {
    await using fixture = await openDaily(20)
    // Version 10, which has a checkpoint, is of noon of day 9: ten days and nine hours later that day is kept.
    fixture.passDays(0.4)
    await fixture.table.checkpoint()
    expect(commitsOf(fixture)[0]).toBe(0)

    fixture.passDays(0.2)
    await fixture.table.checkpoint()

    expect(commitsOf(fixture)[0]).toBe(10)
  })

  it('removes nothing where the property says so, or no checkpoint is old enough', async () => {
    await using kept = await openDaily(25, { 'delta.enableExpiredLogCleanup': 'false' })
    await kept.table.checkpoint()
    expect(commitsOf(kept)[0]).toBe(0)

    await using bare = await openDaily(25, { 'delta.checkpointInterval': '1000' })
    await bare.table.checkpoint()
    expect(commitsOf(bare)[0]).toBe(0)
  })

  it('removes no file that is younger than its commit seems', async () => {
    await using fixture = await openDaily(25)
    for (const [key, { bytes }] of fixture.store.files) {
      if (key < '_delta_log/00000000000000000005') continue
      fixture.store.files.set(key, { bytes, modifiedMs: fixture.clock.now() })
    }

    await fixture.table.checkpoint()

    expect(commitsOf(fixture)[0]).toBe(5)
  })

  it('removes sidecars that no checkpoint names, once they are old', async () => {
    await using fixture = await openDaily(1, { 'delta.checkpointPolicy': 'v2' })
    const features = ['v2Checkpoint']
    await fixture.table.commit(await fixture.table.snapshot(), {
      protocol: {
        minReaderVersion: 3,
        minWriterVersion: 7,
        readerFeatures: features,
        writerFeatures: [...features, 'inCommitTimestamp'],
      },
      reads: { kind: 'none' },
      operation: { name: 'TEST' },
    })
    await fixture.store.put('_delta_log/_sidecars/left-over.parquet', new Uint8Array())
    for (let day = 1; day < 30; day++) {
      fixture.passDays(1)
      await commitNothing(fixture, day)
    }

    const sidecars = [...fixture.store.files.keys()].filter((key) => key.includes('/_sidecars/'))

    expect(sidecars).not.toContain('_delta_log/_sidecars/left-over.parquet')
    expect(sidecars).toHaveLength(3)
    expect(await rowsOf(new DeltaTable({ store: fixture.store, duckdb }))).toHaveLength(1)
  })

  it('leaves a table that reads the same, whichever call fails', async () => {
    await using fixture = await openDaily(25)
    fixture.stamp()
    const rows = await rowsOf(fixture.table)

    const points = await atEveryCall(duckdb, fixture, clean, async (found) => {
      expect(await rowsOf(found.other)).toEqual(rows)
      await clean(found.other)
      expect(commitsOf(found)[0]).toBe(10)
      expect((await found.other.snapshot({ version: 16 })).transactionVersion('app')).toBe(15)
    })

    expect(points).toBeGreaterThan(10)
    console.log(`log cleanup: ${points} calls, each with a fault`)
  })
})
