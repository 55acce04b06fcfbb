/** `docs/audit.sql`, run by DuckDB alone over the files of a lake and exports of ClickHouse. */
import { createWriteStream } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deleteRows, setProperties, updateRows } from '../lib/delta/index.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../pipeline/reconcile/books.fixture.ts'
import { type Engines, openEngines } from '../pipeline/serving/engines.fixture.ts'

const script = await readFile(join(import.meta.dirname, '../../docs/audit.sql'), 'utf8')
const tables = /for t in (?<names>[^;]+); do/.exec(script)?.groups?.['names']?.split(' ') ?? []

let engines: Engines
let books: SmallPlatform
let exported = ''
beforeAll(async () => {
  engines = await openEngines()
  books = await openSmallPlatform(engines.duckdb, engines.clickhouse)
  await books.send(someMessages(120, 1))
  await books.land()
  await books.batch()
  await setProperties(books.context.table('bronze/events'), { 'delta.checkpointInterval': '3' })
  for (let n = 0; n < 4; n++) {
    await books.send(someMessages(5, n + 2, '2026-11-21'))
    await books.land()
  }
  await books.realtime()
  await books.batch()
  exported = await mkdtemp(join(tmpdir(), 'lakeshore-audit-'))
  for (const table of tables) {
    const rows = engines.clickhouse.raw(`SELECT * FROM ${table}`, { format: 'Parquet' })
    await pipeline(rows, createWriteStream(join(exported, `${table}.parquet`)))
  }
})
afterAll(async () => {
  await rm(exported, { recursive: true, force: true })
  await books[Symbol.asyncDispose]()
  await engines[Symbol.asyncDispose]()
})

interface Finding {
  readonly table: string
  readonly place: string
  readonly wrong: number
}

/** What the script says is wrong of the lake in `folder`. */
async function audit(folder: string, exports = exported): Promise<readonly Finding[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const path = (text: string): string => `'${text.replaceAll("'", "''")}'`
    await connection.run(`SET VARIABLE lake = ${path(folder)}`)
    await connection.run(`SET VARIABLE folder = ${path(exports)}`)
    const answer = await connection.runAndReadAll(script)
    return answer.getRowObjectsJson().map((row) => ({
      table: String(row['table']),
      place: String(row['place']),
      wrong: Number(row['wrong']),
    }))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

describe('docs/audit.sql', () => {
  it('finds nothing where the books balance, also where a checkpoint has taken the place of commits', async () => {
    expect(tables).toContain('realtime.late_events')
    expect(await audit(books.folder)).toEqual([])

    await using copy = await books.copy()
    const log = join(copy.folder, 'bronze/events/_delta_log')
    const files = await readdir(log)
    const checkpoint = files.find((file) => file.includes('.checkpoint.')) ?? ''
    expect(checkpoint).not.toBe('')
    for (const file of files) if (file.endsWith('.json') && file < checkpoint) await rm(join(log, file))
    expect(await audit(copy.folder)).toEqual([])
  })

  it('finds what was lost or changed in the lake, by table and day', async () => {
    await using copy = await books.copy()
    await engines.duckdb.use(async (session) => {
      const { table } = copy.context
      await deleteRows(table('bronze/rejected'), session, {
        where: 'kafka_offset between 3 and 30',
      })
      await updateRows(table('silver/events'), session, {
        set: { user_id: 'user_id + 1' },
        where: `event_date = date '2026-11-20' and kafka_partition = 0 and kafka_offset < 3`,
      })
      await updateRows(table('gold/daily_active_users'), session, {
        set: { dau_count: 'dau_count + 1' },
        where: `event_date = date '2026-11-21'`,
      })
    })

    const found = await audit(copy.folder)

    expect(found.map(({ table, place }) => `${table} ${place}`)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^bronze\/events partition \d$/),
        'silver/events 2026-11-20',
        'gold/daily_active_users 2026-11-21',
        'gold.daily_active_users 2026-11-21',
      ]),
    )
    expect(found.map(({ table }) => table)).not.toContain('silver/quarantine')
  })

  it('finds what was lost in ClickHouse', async () => {
    const folder = join(exported, 'harmed')
    await mkdir(folder)
    for (const table of tables) await cp(join(exported, `${table}.parquet`), join(folder, `${table}.parquet`))
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const harm = (table: string, select: string): Promise<unknown> =>
      connection.run(
        `COPY (${select} FROM '${exported}/${table}.parquet') TO '${folder}/${table}.parquet' (FORMAT parquet)`,
      )
    await harm('serving.events_per_source_daily', 'SELECT * REPLACE (event_count + 1 AS event_count)')
    await harm(
      'realtime.events_per_minute',
      'SELECT * REPLACE (CASE WHEN offset_from > 0 THEN offset_from + 1 ELSE 0 END AS offset_from)',
    )
    connection.closeSync()
    instance.closeSync()

    const found = await audit(books.folder, folder)

    expect(new Set(found.map(({ table }) => table))).toEqual(
      new Set(['serving.events_per_source_daily', 'realtime.events_per_minute']),
    )
  })
})
