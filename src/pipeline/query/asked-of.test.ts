import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { append, DeltaTable, deleteRows } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import type { Expectation } from '../../lib/quality/expectation.ts'
import { MemoryStore } from '../../lib/storage/store.memory.ts'
import { lakeTables } from '../model/tables.ts'
import { createReferencedViews } from './asked-of.ts'

let duckdb: DuckDb
let store: MemoryStore
let silver: DeltaTable
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())
beforeEach(async () => {
  store = await MemoryStore.open()
  silver = new DeltaTable({ store, duckdb })
  await silver.createIfMissing(lakeTables['silver/events'])
  for (const day of ['2026-01-20', '2026-01-21']) {
    await duckdb.use((session) =>
      append(silver, {
        session,
        select: `select 'e' as event_id, 1::bigint as user_id, 'click' as event_type, '/' as page, timestamptz '${day}' as "timestamp",
          'web' as source, date '${day}' as event_date, 'topic' as kafka_topic, 0::int as kafka_partition, 1::bigint as kafka_offset,
          timestamptz '${day}' as kafka_timestamp, timestamptz '${day}' as ingested_at`,
      }),
    )
  }
  return () => store[Symbol.asyncDispose]()
})

const references = (columns: readonly string[]): Expectation => ({
  kind: 'references',
  columns,
  relation: 'silver_events',
})

const viewOf = (expectation: Expectation, columns: string): Promise<readonly Row[]> =>
  duckdb.use(async (session) => {
    await createReferencedViews(
      session,
      () => silver,
      [expectation],
      () => silver.snapshot(),
    )
    return await session.rows(`select distinct ${columns} from silver_events order by all`)
  })

describe('createReferencedViews(session, table, expectations, snapshotOf, options)', () => {
  it('takes days from the log, without a look at the rows', async () => {
    for (const key of store.files.keys()) if (key.endsWith('.parquet')) store.files.delete(key)

    expect(await viewOf(references(['event_date']), 'event_date')).toEqual([
      { event_date: '2026-01-20' },
      { event_date: '2026-01-21' },
    ])
  })

  it('has no day whose rows are gone', async () => {
    await duckdb.use((session) => deleteRows(silver, session, { where: "event_date = date '2026-01-20'" }))

    expect(await viewOf(references(['event_date']), 'event_date')).toEqual([{ event_date: '2026-01-21' }])
  })

  it('has no day whose only file has no row', async () => {
    const { files } = await silver.snapshot()
    await silver.commit(await silver.snapshot(), {
      add: files.map((file) =>
        file.partitionValues['event_date'] === '2026-01-20' ? { ...file, stats: '{"numRecords":0}' } : file,
      ),
      reads: { kind: 'none' },
      operation: { name: 'WRITE' },
    })

    expect(await viewOf(references(['event_date']), 'event_date')).toEqual([{ event_date: '2026-01-21' }])
  })

  it('reads rows where other columns are asked for', async () => {
    expect(await viewOf(references(['event_date', 'page']), 'event_date, page')).toEqual([
      { event_date: '2026-01-20', page: '/' },
      { event_date: '2026-01-21', page: '/' },
    ])
  })
})
