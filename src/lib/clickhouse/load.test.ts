import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbeddedClickHouse } from '../clickhouse-server/embedded.ts'
import type { Home } from '../clickhouse-server/home.fixture.ts'
import { sharedHome } from '../clickhouse-server/shared.fixture.ts'
import type { ClickHouse } from './clickhouse.ts'
import { createTable, ensureTables } from './ddl.ts'
import { anyPartitions, replacePartitions } from './load.ts'

let home: Home
let clickhouse: ClickHouse

beforeAll(async () => {
  home = await sharedHome()
  clickhouse = await openEmbeddedClickHouse({ home: home.path, deadlineMs: 60_000 })
})

afterAll(async () => {
  await clickhouse[Symbol.asyncDispose]()
})

interface Row {
  readonly day: string
  readonly value: number
}

const makeTable = async (name: string): Promise<void> =>
  await ensureTables(clickhouse, [
    {
      name,
      columns: [
        { name: 'day', type: 'Date' },
        { name: 'value', type: 'UInt32' },
      ],
      engine: { kind: 'MergeTree' },
      orderBy: ['day'],
      partitionBy: 'day',
      settings: { non_replicated_deduplication_window: 100 },
    },
  ])

const filling =
  (rows: readonly Row[]): ((staging: string) => Promise<void>) =>
  (staging) =>
    clickhouse.insert(staging, rows, { settings: anyPartitions })

const rowsOf = (table: string): Promise<readonly Row[]> =>
  clickhouse.query<Row>(`SELECT * FROM ${table} ORDER BY ALL`)

const stagings = async (): Promise<number> =>
  (await clickhouse.query("SELECT 1 FROM system.tables WHERE name LIKE '%staging%'")).length

describe('replacePartitions(clickhouse, options)', () => {
  it('replaces the days of the load, empties the announced one that it lacks, and leaves the others', async () => {
    await makeTable('load.a')
    const old = [
      { day: '2026-01-01', value: 1 },
      { day: '2026-01-02', value: 2 },
      { day: '2026-01-03', value: 3 },
    ]
    await clickhouse.insert('load.a', old)

    const done = await replacePartitions(clickhouse, {
      table: 'load.a',
      fill: filling([
        { day: '2026-01-02', value: 20 },
        { day: '2026-01-04', value: 40 },
      ]),
      expectedRows: 2,
      partitions: ['20260102', '20260103', '20260104'],
    })

    expect(done).toEqual({ rows: 2, replaced: ['20260102', '20260104'], emptied: ['20260103'] })
    expect(await rowsOf('load.a')).toEqual([
      { day: '2026-01-01', value: 1 },
      { day: '2026-01-02', value: 20 },
      { day: '2026-01-04', value: 40 },
    ])
    expect(await stagings()).toBe(0)
  })

  it('is the same when it is done again, with more than a hundred partitions', async () => {
    await makeTable('load.b')
    const rows = Array.from({ length: 105 }, (_, day) => ({
      day: new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10),
      value: day,
    }))
    const load = { table: 'load.b', fill: filling(rows), expectedRows: 105, partitions: 'all' } as const

    await replacePartitions(clickhouse, load)
    const again = await replacePartitions(clickhouse, load)

    expect(again).toMatchObject({ rows: 105, emptied: [] })
    expect(await rowsOf('load.b')).toEqual(rows)
  })

  it('keeps rows of a load that are alike', async () => {
    await makeTable('load.c')
    const row = { day: '2026-01-01', value: 1 }
    const fill = async (staging: string): Promise<void> => {
      await filling([row])(staging)
      await filling([row])(staging)
    }

    await replacePartitions(clickhouse, { table: 'load.c', fill, expectedRows: 2 })

    expect(await rowsOf('load.c')).toEqual([row, row])
  })

  it.each([
    ['too few rows', { expectedRows: 2 }, 'expected 2 rows in staging, got 1'],
    ['a partition that was not announced', { partitions: ['20260102'] }, 'partition 20260101'],
  ])('refuses %s and leaves the table as it was', async (_, options, message) => {
    await makeTable('load.d')
    const fill = filling([{ day: '2026-01-01', value: 9 }])

    await expect(replacePartitions(clickhouse, { table: 'load.d', fill, ...options })).rejects.toMatchObject({
      code: 'CHECK_FAILED',
      message: expect.stringContaining(message),
    })
    expect(await rowsOf('load.d')).toEqual([])
    expect(await stagings()).toBe(0)
  })

  it('mends a load that was killed half way', async () => {
    await makeTable('load.e')
    const rows = [
      { day: '2026-01-01', value: 1 },
      { day: '2026-01-02', value: 2 },
    ]
    await clickhouse.insert('load.e', [
      { day: '2026-01-01', value: 7 },
      { day: '2026-01-02', value: 7 },
      { day: '2026-01-03', value: 7 },
    ])
    // What stands after a kill between two partitions: one replaced, one old, one not yet dropped, staging left.
    await clickhouse.command('CREATE TABLE load.e__staging_dead AS load.e')
    await clickhouse.insert('load.e__staging_dead', rows)
    await clickhouse.command("ALTER TABLE load.e REPLACE PARTITION ID '20260101' FROM load.e__staging_dead")

    const load = { table: 'load.e', fill: filling(rows), partitions: 'all', staleMs: 0 } as const
    await replacePartitions(clickhouse, load)

    expect(await rowsOf('load.e')).toEqual(rows)
    expect(await stagings()).toBe(0)
  })

  it('does not touch the staging table of a load that is under way', async () => {
    await makeTable('load.f')
    await clickhouse.command('CREATE TABLE load.f__staging_alive AS load.f')

    await replacePartitions(clickhouse, { table: 'load.f', fill: filling([]) })

    expect(await stagings()).toBe(1)
    await clickhouse.command('DROP TABLE load.f__staging_alive')
  })
})

describe('createTable(table)', () => {
  it('says the whole of a declaration', () => {
    expect(
      createTable({
        name: 'gold.users',
        columns: [
          { name: 'event_date', type: 'Date' },
          { name: 'updated_at', type: 'DateTime', default: 'now()', comment: "when it was 'loaded'" },
        ],
        engine: { kind: 'ReplacingMergeTree', version: 'updated_at' },
        orderBy: ['event_date'],
        partitionBy: 'toYYYYMM(event_date)',
        settings: { non_replicated_deduplication_window: 10_000 },
      }),
    ).toBe(`CREATE TABLE IF NOT EXISTS \`gold\`.\`users\` (
  \`event_date\` Date,
  \`updated_at\` DateTime DEFAULT now() COMMENT 'when it was \\'loaded\\''
)
ENGINE = ReplacingMergeTree(\`updated_at\`)
PARTITION BY toYYYYMM(event_date)
ORDER BY (event_date)
SETTINGS non_replicated_deduplication_window = 10000`)
  })
})
