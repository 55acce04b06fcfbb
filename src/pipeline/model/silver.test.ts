import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, type DuckDbSession, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { eventRules } from './event-rules.ts'
import { rowsSelect, type SqlRow, validEvent } from './rows.fixture.ts'
import { quarantineSelect, silverSelect } from './silver.ts'
import { columnNames, lakeTables } from './tables.ts'

let duckdb: DuckDb
let session: DuckDbSession
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  session = await duckdb.connect()
})
afterAll(() => {
  session[Symbol.dispose]()
  duckdb[Symbol.dispose]()
})

const columns = columnNames(lakeTables['bronze/events'].schema)

/** A value of one column that breaks each rule; null for those of a value that is missing. */
const breaking: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  event_id_missing: { event_id: 'null' },
  user_id_missing: { user_id: 'null' },
  event_type_missing: { event_type: 'null' },
  page_missing: { page: 'null' },
  timestamp_missing: { timestamp: 'null' },
  source_missing: { source: 'null' },
  event_date_missing: { event_date: 'null' },
  kafka_timestamp_missing: { kafka_timestamp: 'null' },
  event_id_empty: { event_id: `''` },
  user_id_not_positive: { user_id: '0' },
  event_type_unknown: { event_type: `'fly'` },
  page_empty: { page: `''` },
  source_unknown: { source: `'tv'` },
  timestamp_before_1970: { timestamp: `timestamptz '1969-12-31 23:59:59+00'` },
  timestamp_in_future: { timestamp: `timestamptz '2026-11-20 12:05:01+00'` },
}

interface Made {
  readonly silver: readonly Row[]
  readonly quarantine: readonly Row[]
}

/** What becomes of rows, each given by the values that differ from those of a valid event. */
async function made(...rows: readonly SqlRow[]): Promise<Made> {
  const select = rowsSelect(
    'bronze/events',
    rows.map((row) => ({ ...validEvent, ...row })),
  )
  await session.run(`create or replace temporary table bronze_events as ${select}`)
  return { silver: await session.rows(silverSelect), quarantine: await session.rows(quarantineSelect) }
}

const reasonsOf = ({ quarantine }: Made): unknown => quarantine[0]?.['reasons'] ?? []

/** In any order. */
const asTexts = (rows: readonly Row[]): readonly string[] =>
  rows.map((row) => JSON.stringify(columns.map((column) => String(row[column])))).toSorted()

describe('silverSelect and quarantineSelect', () => {
  it('have an example of each rule, and each breaks its rule alone', async () => {
    expect(Object.keys(breaking)).toEqual(eventRules.map(({ reason }) => reason))
    expect((await made({})).silver).toHaveLength(1)
    for (const [reason, row] of Object.entries(breaking)) {
      const found = await made(row)
      expect([reason, reasonsOf(found)]).toEqual([reason, [reason]])
      expect(found.silver).toEqual([])
    }
  })

  it('know what null is in every column, whatever rule the rest of the row breaks', async () => {
    const required = eventRules.flatMap(({ reason, sql }) => (sql.endsWith('is null') ? [reason] : []))
    for (const column of columns) {
      const missing = required.filter((reason) => reason === `${column}_missing`)
      for (const [reason, row] of [['', {}] as const, ...Object.entries(breaking)]) {
        const found = await made({ ...row, [column]: 'null' })
        // A rule has nothing to say of a value that is not there.
        const reads = [...Object.keys(row), ...(reason === 'timestamp_in_future' ? ['kafka_timestamp'] : [])]
        const kept = reason === '' || reads.includes(column) ? [] : [reason]
        const expected = [...new Set([...missing, ...kept])]

        expect([column, reason, reasonsOf(found)]).toEqual([column, reason, expect.arrayContaining(expected)])
        expect(found.quarantine).toHaveLength(expected.length > 0 ? 1 : 0)
        expect(found.silver).toHaveLength(expected.length > 0 ? 0 : 1)
        if (expected.length > 0) expect(reasonsOf(found)).toHaveLength(expected.length)
      }
    }
  })

  it('hold every row of bronze once, row for row', async () => {
    const rows = columns.flatMap((nulled, column) =>
      [{}, ...Object.values(breaking)].map((row, rule) => ({
        event_id: `'${column}-${rule}'`,
        kafka_offset: String(column * 100 + rule),
        ...row,
        [nulled]: 'null',
      })),
    )

    const { silver, quarantine } = await made(
      ...rows,
      Object.fromEntries(columns.map((name) => [name, 'null'])),
    )

    const bronze = await session.rows('from bronze_events')
    expect(bronze).toHaveLength(columns.length * (eventRules.length + 1) + 1)
    expect(silver.length).toBeGreaterThan(0)
    expect(quarantine.length).toBeGreaterThan(0)
    expect(asTexts([...silver, ...quarantine])).toEqual(asTexts(bronze))
    expect(quarantine.every(({ reasons }) => Array.isArray(reasons) && reasons.length > 0)).toBe(true)
  })
})
