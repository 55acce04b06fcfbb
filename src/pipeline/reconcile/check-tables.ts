/**
 * The declared checks, asked of the rows that readers see, day by day. Results are kept for ever, so that a check says
 * whether it is broken since now, still, or no longer.
 */

import type { IoOptions } from '../../lib/base/io.ts'
import type { JsonValue } from '../../lib/base/json.ts'
import type { Snapshot } from '../../lib/delta/index.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { describeExpectation, evaluateExpectations } from '../../lib/quality/expectation.ts'
import type { CandidateBook } from '../../lib/runs/candidate-book.ts'
import type { CheckBook, CheckResult, CheckState } from '../../lib/runs/check-book.ts'
import type { ReleaseBook } from '../../lib/runs/release-book.ts'
import { type CandidateSummary, summaryOf } from '../batch/candidate.ts'
import { checksOf, type Severity } from '../model/checks.ts'
import { type DayRange, dateList } from '../model/days.ts'
import { type LakeTable, lakeTableNames } from '../model/tables.ts'
import { releasedSnapshot } from '../query/released.ts'
import type { BooksContext } from './books.ts'
import { createRowsView } from './rows-of.ts'

export interface CheckTablesOptions extends IoOptions {
  readonly checks: CheckBook
  readonly candidates: CandidateBook
  readonly releases: ReleaseBook
  /** All tables that have checks, without it. */
  readonly tables?: readonly LakeTable[]
  /** Rows of these UTC days alone: `from` included, `to` not. */
  readonly days?: DayRange
  readonly onProgress?: (table: string) => void
}

export interface CheckedDay {
  readonly table: LakeTable
  readonly version: number
  readonly check: string
  readonly severity: Severity
  readonly state: CheckState
  /** UTC day. */
  readonly date: string
  /** Rows of the day. */
  readonly checked: number
  readonly violations: number
  /** Against the last time that the check was asked of this day; null if it holds now as then. */
  readonly since: 'new' | 'still' | 'fixed' | null
  /** Violating rows, at most `rowsNamed`, with partition and offset if the table has them. */
  readonly rows: readonly Row[]
}

export interface ChecksReport {
  /** The worst of all. */
  readonly state: CheckState
  readonly checks: readonly CheckedDay[]
  /** What runs have made of these tables and readers do not see, as long as it can be looked at; newest run first. */
  readonly candidates: readonly CandidateSummary[]
}

const rowsNamed = 20

/** @throws LakeError as reading the tables does. A table that is not there yet has no rows to check. */
export async function checkTables(
  context: BooksContext,
  {
    checks,
    candidates,
    releases,
    tables = lakeTableNames,
    days,
    onProgress = () => undefined,
    signal,
  }: CheckTablesOptions,
): Promise<ChecksReport> {
  const release = await releases.newest({ signal })
  const found: CheckedDay[] = []
  for (const name of tables) {
    const table = context.table(name)
    if (checksOf(name).length === 0 || !(await table.exists({ signal }))) continue
    onProgress(name)
    const snapshot = await releasedSnapshot(name, table, { release, isChosen: false, signal })
    const before = await checks.newest(name, { signal })
    const ofTable = await checkTable(context, { name, snapshot, days, before }, { signal })
    await checks.append(ofTable.map(resultOf), { signal })
    found.push(...ofTable)
  }
  const states = new Set(found.map(({ state }) => state))
  return {
    state: states.has('failed') ? 'failed' : states.has('warned') ? 'warned' : 'passed',
    checks: found,
    candidates: (await candidates.list({}, { signal }))
      .map(summaryOf)
      .filter(({ table, vacuumedAt }) => vacuumedAt === null && tables.some((name) => name === table)),
  }
}

interface TableToCheck {
  readonly name: LakeTable
  readonly snapshot: Snapshot
  readonly days: DayRange | undefined
  readonly before: readonly CheckResult[]
}

async function checkTable(
  context: BooksContext,
  { name, snapshot, days, before }: TableToCheck,
  { signal }: IoOptions,
): Promise<readonly CheckedDay[]> {
  const declared = checksOf(name)
  const where =
    days === undefined
      ? 'true'
      : `event_date >= ${dateList([days.from])} and event_date < ${dateList([days.to])}`
  const results = await context.duckdb.use(async (session) => {
    await createRowsView(context, session, 'checked_rows', name, snapshot, { where, signal })
    return await evaluateExpectations(
      session,
      'checked_rows',
      declared.map(({ expectation }) => expectation),
      { groupBy: 'event_date', sampleSize: rowsNamed, signal },
    )
  })
  const severities = new Map(
    declared.map(({ severity, expectation }) => [describeExpectation(expectation), severity]),
  )
  return results.map(({ expectation: check, group: date = '', rows: checked, violations, sample }) => {
    const severity = severities.get(check) ?? 'fail'
    const last = before.find((each) => each.check === check && each.date === date)
    return {
      table: name,
      version: snapshot.version,
      check,
      severity,
      state: violations === 0 ? 'passed' : severity === 'fail' ? 'failed' : 'warned',
      date,
      checked,
      violations,
      since: sinceOf(violations > 0, last !== undefined && last.state !== 'passed'),
      rows: sample,
    }
  })
}

function sinceOf(isBroken: boolean, wasBroken: boolean): CheckedDay['since'] {
  if (isBroken) return wasBroken ? 'still' : 'new'
  return wasBroken ? 'fixed' : null
}

/** As it is kept: of the violating rows, their places or their first column, for the table still has them. */
function resultOf({
  table,
  check,
  date,
  state,
  version,
  severity,
  checked,
  violations,
  since,
  rows,
}: CheckedDay): {
  readonly table: string
  readonly check: string
  readonly date: string
  readonly state: CheckState
  readonly content: JsonValue
} {
  const places = rows.flatMap(({ kafka_partition: partition, kafka_offset: offset }) =>
    typeof partition === 'number' && offset !== undefined ? [{ partition, offset: Number(offset) }] : [],
  )
  return { table, check, date, state, content: { version, severity, checked, violations, since, places } }
}
