/** What every metric keeps that has a test of its own, over events and the rows that they make. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTemporaryTable } from '../../lib/duckdb/append.ts'
import { type DuckDb, type DuckDbSession, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import { plainRow } from '../../lib/notebook/cell-value.ts'
import { typedColumns } from '../../lib/notebook/typed-columns.ts'
import { evaluateExpectations } from '../../lib/quality/evaluate.ts'
import { describeExpectation, type Expectation } from '../../lib/quality/expectation.ts'
import { metricChecks } from './checks.ts'
import type { GoldMetric } from './metric.ts'
import { rowsSelect, validEvent } from './rows.fixture.ts'

type MetricRowLike = Readonly<Record<string, string | number | boolean | null>>

/** Its time, user, type, page and source. */
export type MetricEvent = readonly [
  timestamp: string,
  user: number,
  type: string,
  page: string,
  source: string,
]

export interface MetricExample {
  readonly events: readonly MetricEvent[]
  readonly rows: readonly MetricRowLike[]
}

export function describeMetric(metric: GoldMetric, { events, rows }: MetricExample): void {
  let duckdb: DuckDb
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
  })
  afterAll(() => duckdb[Symbol.dispose]())

  const silver = rowsSelect(
    'silver/events',
    events.map(([timestamp, user, type, page, source], offset) => ({
      ...validEvent,
      event_id: text(`e${offset}`),
      user_id: String(user),
      event_type: text(type),
      page: text(page),
      timestamp: `timestamptz ${text(timestamp)}`,
      source: text(source),
      event_date: `date ${text(timestamp.slice(0, '2026-01-31'.length))}`,
      kafka_offset: String(offset),
    })),
  )
  const inSession = <T>(work: (session: DuckDbSession) => Promise<T>): Promise<T> =>
    duckdb.use(async (session) => {
      await session.run(`create or replace temporary view silver_events as ${silver}`)
      return work(session)
    })
  const brokenBy = (found: readonly MetricRowLike[]): Promise<readonly string[]> =>
    inSession(async (session) => {
      await createTemporaryTable(session, 'metric_rows', typedColumns(found))
      const expected = metricChecks(metric).map(({ expectation }) => expectation)
      const typed = Object.keys(metric.columns).map((name) =>
        metric.columns[name]?.type === 'date' ? `cast("${name}" as date) as "${name}"` : `"${name}"`,
      )
      const results = await evaluateExpectations(
        session,
        `(select ${typed.join(', ')} from metric_rows)`,
        expected,
        { groupBy: 'event_date', nowMs: 0 },
      )
      return results.flatMap(({ outcome, expectation }) => (outcome === 'breaks' ? [expectation] : []))
    })

  describe(`the metric ${metric.name}`, () => {
    it('makes its rows of events', async () => {
      const made = await inSession((session) =>
        session.rows(`select * from (\n${metric.sql}\n) order by all`),
      )

      expect(made.map(plainRow)).toEqual(rows)
    })

    it('keeps its checks', async () => {
      expect(await brokenBy(rows)).toEqual([])
    })

    it.each(
      metricChecks(metric).flatMap(({ expectation }) => {
        const broken = breaking(expectation, rows)
        return broken === undefined ? [] : [[describeExpectation(expectation), broken] as const]
      }),
    )('finds rows that break its check: %s', async (name, broken) => {
      expect(await brokenBy(broken)).toContain(name)
    })
  })
}

/** Rows that break the check; `undefined` for a check of which that is not known. */
function breaking(
  expectation: Expectation,
  rows: readonly MetricRowLike[],
): readonly MetricRowLike[] | undefined {
  const [row] = rows
  if (row === undefined) return undefined
  switch (expectation.kind) {
    case 'notNull':
      // A column without any value has no type.
      return rows.length < 2 ? undefined : [{ ...row, [expectation.column]: null }, ...rows.slice(1)]
    case 'unique':
      return [row, row]
    case 'between':
      return [{ ...row, [expectation.column]: expectation.min - 1 }]
    case 'oneOf':
      return [{ ...row, [expectation.column]: `not ${expectation.values.join(' or ')}` }]
    default:
      return undefined
  }
}
