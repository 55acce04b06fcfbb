import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { updateRows } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { columnNames, type LakeTable, lakeTables } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../reconcile/books.fixture.ts'

let duckdb: DuckDb
let landed: SmallPlatform
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  landed = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
  await landed.send(someMessages(120, 1))
  await landed.land()
})
afterAll(async () => {
  await landed[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

let platform: SmallPlatform
beforeEach(async () => {
  platform = await landed.copy()
})
afterEach(() => platform[Symbol.asyncDispose]())

async function rows(name: LakeTable, sql: string): Promise<readonly Row[]> {
  const table = platform.context.table(name)
  return duckdb.use(async (session) => {
    await session.run(
      `create or replace temporary view t as ${await table.scan(session, await table.snapshot())}`,
    )
    return await session.rows(sql)
  })
}

const fields = ['event_id', 'user_id', 'event_type', 'page', 'timestamp', 'source', 'kafka_timestamp']
const place = 'select kafka_partition as p, kafka_offset as o from t'
const bronzeColumns = columnNames(lakeTables['bronze/events'].schema)
  .map((name) => `"${name}"`)
  .join(', ')

describe('a field of bronze that somebody has set to null', () => {
  it('quarantines the event, whatever field it is, and every row of bronze is accounted for', async () => {
    const bronze = platform.context.table('bronze/events')
    for (const [at, field] of fields.entries()) {
      const where = `kafka_partition = 0 and kafka_offset between ${4 * at} and ${4 * at + 3}`
      await duckdb.use((session) => updateRows(bronze, session, { set: { [field]: 'null' }, where }))
    }

    await platform.batch({ kind: 'changed' }, ['bronze_to_silver'])

    for (const field of fields) {
      const nulled = await rows('bronze/events', `${place} where "${field}" is null order by all`)
      const isMissing = `list_contains(reasons, '${field}_missing')`
      expect(nulled.length, field).toBeGreaterThan(0)
      expect(await rows('silver/quarantine', `${place} where ${isMissing} order by all`), field).toEqual(
        nulled,
      )
    }
    const all = `select ${bronzeColumns} from t`
    const made = [...(await rows('silver/events', all)), ...(await rows('silver/quarantine', all))].map(
      textOf,
    )
    const left = (await rows('bronze/events', all)).filter((row) => !made.includes(textOf(row)))
    // What is in neither is a further delivery of an event that is in silver.
    const kept = await rows('silver/events', 'select event_id from t')
    const isKept = ({ event_id: id }: Row): boolean => kept.some((row) => row['event_id'] === id)
    expect(left.filter((row) => !isKept(row))).toEqual([])
    expect(new Set(made).size).toBe(made.length)
    expect(made.length + left.length).toBe((await rows('bronze/events', place)).length)
  })

  it('stops the batch if it is the day itself, and says how to go on', async () => {
    const bronze = platform.context.table('bronze/events')
    const where = 'kafka_partition = 0 and kafka_offset = 1'
    await duckdb.use((session) => updateRows(bronze, session, { set: { event_date: 'null' }, where }))

    await expect(platform.batch({ kind: 'changed' }, ['bronze_to_silver'])).rejects.toMatchObject({
      code: 'CHECK_FAILED',
      message: 'A file of the table has no event_date: its rows are of no day',
      details: { fault: 'rows-without-day' },
    })
  })
})

const textOf = (row: Row): string => JSON.stringify(Object.values(row).map(String))
