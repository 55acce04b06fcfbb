import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { rowsSelect, validEvent } from '../pipeline/model/rows.fixture.ts'
import { type LakeTable, lakeTables } from '../pipeline/model/tables.ts'
import { openPlatform, type Platform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'
import type { Lake } from './lake.ts'
import { createLake } from './platform-lake.ts'

const name = 'gold/events_per_source_daily'

describe('lake.table(name)', () => {
  let home: string
  let platform: Platform
  let lake: Lake

  const write = async (table_: LakeTable, select: string): Promise<void> => {
    const table = await platform.table(table_)
    await table.createIfMissing(lakeTables[table_])
    const snapshot = await table.snapshot()
    const duckdb = await platform.duckdb()
    const staged = await duckdb.use((session) => table.stage(session, snapshot, select))
    await table.commit(snapshot, { add: staged.files, reads: { kind: 'none' }, operation: { name: 'WRITE' } })
  }

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'lakeshore-notebook-table-'))
    platform = openPlatform(readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1' }))
    lake = createLake(platform)
    await write(
      name,
      `select * from (values (date '2026-01-01', 'web', 3), (date '2026-01-01', 'mobile', 2)) t(event_date, source, event_count)`,
    )
    await write(name, `select date '2026-01-02' as event_date, 'web' as source, 5 as event_count`)
  })
  afterAll(async () => {
    await lake.close()
    await rm(home, { recursive: true, force: true })
  })

  it.each([-1, 1.5, Number.NaN])('refuses the limit %s', async (limit) => {
    await expect(lake.table(name).rows({ limit })).rejects.toMatchObject({
      code: 'USAGE',
      message: `limit: expected a whole number from 0, got ${limit}`,
    })
  })

  it('has the columns of the table as types: others do not compile', async () => {
    const rows = await lake.table(name).rows({ columns: ['source', 'event_count'], orderBy: 'event_count' })

    expectTypeOf(rows).toEqualTypeOf<{ readonly source: string; readonly event_count: number }[]>()
    // @ts-expect-error no such column
    await expect(lake.table(name).rows({ columns: ['sauce'] })).rejects.toMatchObject({ code: 'SQL_INVALID' })
    // @ts-expect-error no such table
    await expect(lake.table('gold/events').rows()).rejects.toMatchObject({ code: 'TABLE_MISSING' })
    expect(rows).toEqual([
      { source: 'mobile', event_count: 2 },
      { source: 'web', event_count: 3 },
      { source: 'web', event_count: 5 },
    ])
  })

  it('reads the table as it was, by version and by time', async () => {
    const table = lake.table(name)
    const [newest, before] = await table.history()

    expect(newest).toMatchObject({ version: 2, operation: 'WRITE', run: null })
    expect(await table.at(1).rows()).toHaveLength(2)
    expect(await table.at(before?.at ?? '').rows()).toHaveLength(2)
    expect(await table.at(new Date().toISOString().slice(0, 10)).rows()).toHaveLength(3)
    for (const point of ['yesterday', '2026-02-30', '2026-02-30T00:00:00Z'])
      await expect(table.at(point).rows()).rejects.toMatchObject({ code: 'USAGE' })
    // What a value of type any may be.
    for (const none of [undefined, {}, new Date('x')] as never[])
      expect(() => table.at(none)).toThrow('expected a version')
    await expect(table.at({ release: 7 }).rows()).rejects.toMatchObject({ code: 'RELEASE_MISSING' })
  })

  it('says what differs between two versions, by the key of the table', async () => {
    expect(await lake.table(name).diff(1)).toMatchObject({ from: 1, to: 2, added: 1, removed: 0, changed: 0 })
    expect(await lake.table(name).diff(2, 1)).toMatchObject({
      added: 0,
      removed: 1,
      rows: [expect.objectContaining({ event_date: '2026-01-02', source: 'web', change: 'removed' })],
    })
  })

  it('gives rows as an Arrow table, also where there is none', async () => {
    const table = await lake
      .table(name)
      .arrow({ columns: ['source', 'event_count'], where: 'event_count > 2' })
    const none = await lake.table(name).arrow({ where: 'event_count > 99' })

    expect(table.schema.fields.map((field) => field.name)).toEqual(['source', 'event_count'])
    expect([...(table.getChild('event_count') ?? [])]).toEqual([3n, 5n])
    expect([none.numRows, none.numCols]).toEqual([0, 3])
  })

  it('describes its columns', async () => {
    expect(await lake.table(name).schema()).toMatchObject([
      { column: 'event_date', type: 'DATE' },
      { column: 'source', type: 'VARCHAR' },
      { column: 'event_count', type: 'BIGINT' },
    ])
  })

  it('holds the rows of a version to what is expected of them', async () => {
    const atLeastThree = [{ kind: 'between', column: 'event_count', min: 3 }] as const

    await expect(lake.table(name).at(1).check(atLeastThree)).rejects.toMatchObject({
      code: 'CHECK_FAILED',
      details: { failed: [{ group: '2026-01-01', violations: 1 }] },
    })
    expect(await lake.table(name).check([{ kind: 'between', column: 'event_count', min: 2 }])).toMatchObject([
      { group: '2026-01-01', outcome: 'holds', rows: 2 },
      { group: '2026-01-02', outcome: 'holds', rows: 1 },
    ])
  })

  it('saves rows and queries in the sandbox, where SQL finds them, and nowhere else', async () => {
    expect(await lake.save('sandbox/picked', [{ source: 'web', weight: 0.5 }])).toMatchObject({
      version: 0,
      rows: 1,
    })
    expect(
      await lake.save(
        'sandbox/picked',
        'select source, count(*) as n from gold.events_per_source_daily group by all',
      ),
    ).toMatchObject({
      version: 1,
      rows: 2,
    })

    expect(await lake.sql('select * from sandbox.picked order by n')).toEqual([
      { source: 'mobile', n: 1 },
      { source: 'web', n: 2 },
    ])
    // @ts-expect-error not in the sandbox
    await expect(lake.save('gold/picked', [{ a: 1 }])).rejects.toMatchObject({
      details: { fault: 'not-in-sandbox' },
    })
    await expect(lake.save('sandbox/_delta_log', [{ a: 1 }])).rejects.toMatchObject({
      details: { fault: 'not-in-sandbox' },
    })
    await expect(lake.save('sandbox/../gold', [{ a: 1 }])).rejects.toMatchObject({
      details: { fault: 'not-in-sandbox' },
    })
  })

  it('refuses an answer that is too large for a kernel, with the ways to narrow it', async () => {
    const columns = Array.from({ length: 100 }, (_, at) => `range as c${at}`)

    await expect(lake.sql(`select ${columns} from range(60000)`)).rejects.toMatchObject({
      code: 'USAGE',
      details: { fault: 'too-many-rows' },
    })
  })

  it('reads all tables at the newest release, and each as the release has it that is asked for', async () => {
    const bronze = 'bronze/rejected'
    const message = (offset: number): string =>
      rowsSelect(bronze, [
        { ...validEvent, reasons: "['no event']", headers: '[]', kafka_offset: String(offset) },
      ])
    await write(bronze, message(1))
    await write(bronze, message(2))
    const released = async (table: LakeTable) => {
      const { metadata } = await (await platform.table(table)).snapshot()
      return { version: 1, id: metadata.id }
    }
    const tables = { [name]: await released(name), [bronze]: await released(bronze) }
    const { releases } = await platform.runs()
    const { id } = await releases.publish({ runId: 1, tables })

    expect(await lake.table(name).rows()).toHaveLength(2)
    // Bronze goes on with what is landed.
    expect(await lake.table(bronze).rows()).toHaveLength(2)
    expect(await lake.table(bronze).at({ release: id }).rows()).toHaveLength(1)
    expect(await lake.table(name).at(2).rows()).toHaveLength(3)
  })

  it('is shown as a task makes it on trial, to that trial alone, and the next one builds on it', async () => {
    const silver = 'silver/events'
    const event = (user: number, day: string): typeof validEvent => ({
      ...validEvent,
      event_id: `'${user} ${day}'`,
      user_id: String(user),
      event_date: `date '${day}'`,
      timestamp: `timestamptz '${day} 10:00:00+00'`,
    })
    await write(
      'bronze/events',
      rowsSelect('bronze/events', [event(1, '2026-03-01'), event(2, '2026-03-02')]),
    )
    await write(silver, rowsSelect(silver, [event(1, '2026-03-01')]))
    const dau = 'gold/daily_active_users'

    const ofSilver = await lake.stage('bronze_to_silver')
    const ofGold = await ofSilver.lake.stage('silver_to_gold_dau', { days: ['2026-03-02'] })

    expect(ofSilver).toMatchObject({ tables: [silver, 'silver/quarantine'], rowsIn: 2, rowsOut: 2 })
    expect(await ofSilver.lake.table(silver).rows()).toHaveLength(2)
    expect(await ofGold.lake.sql('select event_date, dau_count from gold.daily_active_users')).toEqual([
      { event_date: '2026-03-02', dau_count: 1 },
    ])
    expect(await ofGold.lake.sql('select count(*) as n from silver.events')).toEqual([{ n: 2 }])
    expect(await lake.table(silver).rows()).toHaveLength(1)
    await expect(lake.table(dau).rows()).rejects.toMatchObject({ code: 'TABLE_MISSING' })
    const count = 'select count(*) as n from silver.events'
    expect(await Promise.all([lake.sql(count), ofGold.lake.sql(count), lake.sql(count)])).toEqual([
      [{ n: 1 }],
      [{ n: 2 }],
      [{ n: 1 }],
    ])
    await write('bronze/events', rowsSelect('bronze/events', [event(3, '2026-03-02')]))
    expect(await lake.table('bronze/events').rows()).toHaveLength(3)
    expect(await ofSilver.lake.table('bronze/events').rows()).toHaveLength(2)
    await expect(ofSilver.lake.ledger()).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('made on trial'),
    })
    await ofGold.lake.close()
    expect(await lake.table(silver).rows()).toHaveLength(1)
  })
})
