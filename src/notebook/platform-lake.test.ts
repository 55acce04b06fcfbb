import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DataType } from '../lib/delta/index.ts'
import { htmlTable } from '../lib/notebook/html-table.ts'
import { type LakeTable, lakeTables } from '../pipeline/model/tables.ts'
import { openPlatform, type Platform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'
import type { Lake } from './lake.ts'
import { createLake } from './platform-lake.ts'
import type { Place, TableName, TableRows } from './rows.ts'

type KindOf<T> = [T] extends [string]
  ? 'text'
  : [T] extends [number]
    ? 'number'
    : [T] extends [Uint8Array | null]
      ? 'bytes'
      : 'list'

type Kinds<Row> = { readonly [Column in keyof Row]-?: KindOf<Row[Column]> }

const place: Kinds<Place> = {
  kafka_topic: 'text',
  kafka_partition: 'number',
  kafka_offset: 'number',
  kafka_timestamp: 'text',
  ingested_at: 'text',
}
const event: Kinds<TableRows['silver/events']> = {
  event_id: 'text',
  user_id: 'number',
  event_type: 'text',
  page: 'text',
  timestamp: 'text',
  source: 'text',
  event_date: 'text',
  ...place,
}
type EventTable = Exclude<TableName, `gold/${string}`>

/** The compiler holds this to the types of the rows; the test below holds it to the tables. */
const kinds: { readonly [T in EventTable]: Kinds<TableRows[T]> } = {
  'bronze/events': event,
  'bronze/rejected': { raw: 'bytes', key: 'bytes', headers: 'list', reasons: 'list', ...place },
  'silver/events': event,
  'silver/quarantine': { ...event, reasons: 'list' },
}

function kindOf(type: DataType): string {
  if (typeof type !== 'string') return 'list'
  if (type === 'binary') return 'bytes'
  return ['long', 'integer', 'double'].includes(type) ? 'number' : 'text'
}

describe('TableRows', () => {
  it('has the tables of events, with their columns and types', () => {
    const declared = Object.fromEntries(
      Object.entries(lakeTables)
        .filter(([name]) => !name.startsWith('gold/'))
        .map(([name, { schema }]) => [
          name,
          Object.fromEntries(schema.fields.map((field) => [field.name, kindOf(field.type)])),
        ]),
    )

    expect(kinds).toEqual(declared)
  })
})

describe('createLake(platform)', () => {
  let home: string
  let platform: Platform
  let lake: Lake

  const write = async (name: LakeTable, select: string): Promise<void> => {
    const table = await platform.table(name)
    await table.createIfMissing(lakeTables[name])
    const snapshot = await table.snapshot()
    const duckdb = await platform.duckdb()
    const staged = await duckdb.use((session) => table.stage(session, snapshot, select))
    await table.commit(snapshot, { add: staged.files, reads: { kind: 'none' }, operation: { name: 'WRITE' } })
  }

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'lakeshore-notebook-'))
    platform = openPlatform(readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1' }))
    lake = createLake(platform)
    await write(
      'gold/events_per_source_daily',
      `select * from (values (date '2026-01-01', 'web', 3), (date '2026-01-01', 'mobile', 2)) t(event_date, source, event_count)`,
    )
    await write(
      'gold/events_per_source_daily',
      `select date '2026-01-02' as event_date, 'web' as source, 5 as event_count`,
    )
    await write(
      'gold/daily_active_users',
      `select date '2026-01-01' as event_date, 9007199254740993 as dau_count`,
    )
  })
  afterAll(async () => {
    await lake.close()
    await rm(home, { recursive: true, force: true })
  })

  it('lists the tables that are there', async () => {
    expect(await lake.tables()).toMatchObject([
      { table: 'gold/daily_active_users', version: 1, rows: 1, files: 1 },
      { table: 'gold/events_per_source_daily', version: 2, rows: 3, files: 2 },
    ])
  })

  it('reads rows by column, condition, order and number', async () => {
    const rows = await lake.table('gold/events_per_source_daily').rows({
      columns: ['source', 'event_count'],
      where: "event_date = '2026-01-01'",
      orderBy: 'event_count',
      limit: 1,
    })

    expect(rows).toEqual([{ source: 'mobile', event_count: 2 }])
  })

  it('reads a table as it was', async () => {
    const before = "select count(*) as n from at_version('gold.events_per_source_daily', 1)"

    expect(await lake.table('gold/events_per_source_daily').at(1).rows()).toHaveLength(2)
    expect(await lake.sql(before)).toEqual([{ n: 2 }])
  })

  it('keeps order and limit after a condition and an order that end in a comment', async () => {
    const before = lake.table('gold/events_per_source_daily').at(1)
    const rows = await before.rows({
      where: "source = 'web' or source = 'mobile' -- both",
      orderBy: 'event_count desc -- the greatest first',
      limit: 1,
    })

    expect(rows).toMatchObject([{ source: 'web', event_count: 3 }])
  })

  it.each(['sql', 'clickhouse'] as const)('keeps every column that %s answers with', async (engine) => {
    const [row = {}] = await lake[engine](`select 1 as "2024", 2 as "__proto__", 3 as a, 3 as a, 4 as "2023"`)

    expect(Object.entries(row)).toHaveLength(5)
    expect(htmlTable([row])).toMatch(/>2024<.*>__proto__<.*>a<.*>a:1<.*>2023<.*>1<.*>2<.*>3<.*>3<.*>4</)
  })

  it('names the tables that may have been meant', async () => {
    const error: unknown = await lake.sql('select * from gold.daily_users').catch((thrown: unknown) => thrown)

    expect(inspect(error).split('\n')).toEqual([
      'SQL_INVALID: Table with name daily_users does not exist!',
      expect.stringContaining('  in lake.sql'),
      expect.stringMatching(/^ {2}→ .*gold\.daily_active_users/),
    ])
  })

  it('opens no file that a condition rules out', async () => {
    const name = 'gold/purchases_per_page_daily'
    await write(name, "select date '2026-01-01' as event_date, '/cart' as page, 3 as purchase_count")
    const { files } = await (await platform.table(name)).snapshot()
    await write(name, "select date '2026-01-02' as event_date, '/cart' as page, 5 as purchase_count")
    for (const { path } of files) await rm(join(home, 'tables', name, path))

    expect(await lake.table(name).rows({ where: "event_date > date '2026-01-01'" })).toMatchObject([
      { event_date: '2026-01-02', purchase_count: 5 },
    ])
  })

  it('refuses to round a whole number, and tells another way that works', async () => {
    await expect(lake.table('gold/daily_active_users').rows()).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      details: expect.objectContaining({
        asText: 'lake.sql("select dau_count::varchar from gold.daily_active_users")',
      }),
    })
    expect(await lake.sql('select dau_count, dau_count::varchar as t from gold.daily_active_users')).toEqual([
      { dau_count: 9007199254740993n, t: '9007199254740993' },
    ])
  })

  it('answers SQL over several tables, asked at once, and sees what was written since', async () => {
    const query = `select sum(event_count) as events, (select count(*) from gold.daily_active_users) as days from gold.events_per_source_daily`
    expect(await Promise.all([lake.sql(query), lake.sql(query)])).toEqual([
      [{ events: 10, days: 1 }],
      [{ events: 10, days: 1 }],
    ])

    await write(
      'gold/events_per_source_daily',
      `select date '2026-01-03' as event_date, 'web' as source, 7 as event_count`,
    )

    expect(await lake.sql(query)).toEqual([{ events: 17, days: 1 }])
  })

  it('says which table is not there', async () => {
    await expect(lake.table('silver/events').rows()).rejects.toMatchObject({
      code: 'TABLE_MISSING',
      message: expect.stringContaining('silver/events'),
    })
  })
})
