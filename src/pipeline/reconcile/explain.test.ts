import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import type { Release, ReleaseBook } from '../../lib/runs/release-book.ts'
import { goldMetrics } from '../model/gold.ts'
import type { LakeTable } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from './books.fixture.ts'
import { type Explanation, explainNumber } from './explain.ts'

const withoutClickHouse = ['bronze_to_silver', ...goldMetrics.map(({ task }) => task)]

let duckdb: DuckDb
let platform: SmallPlatform
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  const none = (): never => {
    throw new Error('an explanation asks nothing of ClickHouse')
  }
  platform = await openSmallPlatform(duckdb, new Proxy({}, { get: none }) as ClickHouse)
  await platform.send([...someMessages(120, 1), ...someMessages(60, 2, '2026-11-21')])
  await platform.land()
  await platform.batch({ kind: 'changed' }, withoutClickHouse)
})
afterAll(async () => {
  await platform[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

async function rowsOf(name: LakeTable, query: string): Promise<readonly Row[]> {
  const table = platform.context.table(name)
  return duckdb.use(async (session) => {
    const scan = await table.scan(session, await table.snapshot())
    return await session.rows(query.replace('ROWS', `(${scan})`))
  })
}

const rowsIn = ({ offsets }: Explanation): bigint => offsets.reduce((sum, { rows }) => sum + rows, 0n)

describe('explainNumber(context, request)', () => {
  it('names the run, the versions and files, and offsets whose rows sum to the number', async () => {
    const explanation = await explainNumber(platform.context, {
      table: 'gold/events_per_source_daily',
      date: '2026-11-20',
    })

    const counted = explanation.values.reduce((sum, row) => sum + BigInt(Number(row['event_count'])), 0n)
    expect(rowsIn(explanation)).toBe(counted)
    expect(explanation.run).toBe(1)
    const [silver, bronze] = [
      platform.context.table('silver/events'),
      platform.context.table('bronze/events'),
    ]
    expect(explanation.inputs.map(({ table, version }) => [table, version])).toEqual([
      ['silver/events', (await silver.snapshot()).version],
      ['bronze/events', (await bronze.snapshot()).version],
    ])
    expect(BigInt(explanation.inputs[0]?.rows ?? 0)).toBe(counted)
    for (const { files } of explanation.inputs) {
      expect(files.length).toBeGreaterThan(0)
      for (const file of files) expect(file).toContain('event_date=2026-11-20')
    }
    for (const { partition, from, to, rows } of explanation.offsets) {
      const [row] = await rowsOf(
        'silver/events',
        `select count(*) as n, min(kafka_offset) as first, max(kafka_offset) as last from ROWS
         where event_date = date '2026-11-20' and kafka_partition = ${partition}`,
      )
      expect([row?.['n'], row?.['first'], row?.['last']]).toEqual([rows, from, to - 1n])
    }
  })

  it('tells the part of some events in the number', async () => {
    const table = 'gold/conversion_rate_daily'
    const explanation = await explainNumber(platform.context, {
      table,
      date: '2026-11-20',
      where: 'user_id = 3',
    })

    const [row] = await rowsOf(
      'silver/events',
      `select count(*) as n from ROWS where event_date = date '2026-11-20' and user_id = 3`,
    )
    expect(rowsIn(explanation)).toBe(row?.['n'])
    expect(explanation.values).toMatchObject([{ dau_count: 1n }])
  })

  it('says which release shows the version, and which run made the day last', async () => {
    await using later = await platform.copy()
    await later.send(someMessages(20, 3, '2026-11-21'))
    await later.land()
    await later.batch({ kind: 'changed' }, withoutClickHouse)
    const request = { table: 'gold/events_per_source_daily', date: '2026-11-21' } as const
    const { version, metadata } = await later.context.table(request.table).snapshot()
    const release = (id: number, of: number): Release => ({
      id,
      runId: id,
      releasedMs: 0,
      tables: { [request.table]: { version: of, id: metadata.id } },
    })
    const releases = {
      list: async () => [release(3, version + 1), release(2, version), release(1, version - 1)],
    }

    const explanation = await explainNumber(later.context, {
      ...request,
      releases: releases as unknown as ReleaseBook,
    })

    expect(explanation.release).toBe(2)
    expect(explanation.version).toBe(version)
    const untouched = await explainNumber(later.context, { ...request, date: '2026-11-20' })
    expect([untouched.run, explanation.run]).toEqual([1, 2])
    const before = await explainNumber(later.context, { ...request, version: version - 1 })
    expect(before.values).not.toEqual(explanation.values)
    expect(before.inputs[0]?.version).toBeLessThan(explanation.inputs[0]?.version ?? 0)
  })

  it('refuses a table that no batch makes, and a condition that is none', async () => {
    const date = '2026-11-20'

    await expect(explainNumber(platform.context, { table: 'bronze/events', date })).rejects.toMatchObject({
      code: 'USAGE',
    })
    await expect(
      explainNumber(platform.context, { table: 'silver/events', date, where: 'no_such_column = 1' }),
    ).rejects.toMatchObject({ code: 'SQL_INVALID' })
  })
})
