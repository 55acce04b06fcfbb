/**
 * The declared checks, asked of the rows that readers see, day by day. Results are kept for ever, so that a check, and each
 * row that breaks it, is new, still there, or fixed.
 */

import type { IoOptions } from '../../lib/base/io.ts'
import type { JsonValue } from '../../lib/base/json.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { ExpectationResult } from '../../lib/quality/evaluate.ts'
import { describeExpectation } from '../../lib/quality/expectation.ts'
import { collectViolations, type RowState, type ViolatingRows } from '../../lib/quality/violations.ts'
import type { CandidateBook } from '../../lib/runs/candidate-book.ts'
import type { CheckBook, CheckResult, CheckState, NewCheckResult } from '../../lib/runs/check-book.ts'
import type { ReleaseBook } from '../../lib/runs/release-book.ts'
import { type CandidateSummary, summaryOf } from '../batch/candidate.ts'
import { checksOf as declaredChecksOf, type Severity, type TableCheck } from '../model/checks.ts'
import { type DayRange, dateList, dayColumn } from '../model/days.ts'
import { type LakeTable, lakeTableNames, rowKey } from '../model/tables.ts'
import { releasedSnapshot } from '../query/released.ts'
import type { BooksContext } from './books.ts'
import { createRowsView } from './rows-of.ts'
import { recordViolations } from './violating-rows.ts'

export interface CheckTablesOptions extends IoOptions {
  readonly checks: CheckBook
  readonly candidates: CandidateBook
  readonly releases: ReleaseBook
  /** Where the rows that break a check are kept. */
  readonly violations: DeltaTable
  /** All tables that have checks, without it. */
  readonly tables?: readonly LakeTable[]
  /** Rows of these UTC days alone: `from` included, `to` not. */
  readonly days?: DayRange
  /** The checks of a table: those that are declared, without it. */
  readonly checksOf?: typeof declaredChecksOf
  readonly onProgress?: (table: string) => void
}

/** A row that breaks a check, or did when it was asked before: by its place in the log, or by the grain of its table. */
export type CheckedRow = { readonly since: RowState } & (
  | { readonly partition: JsonValue; readonly offset: JsonValue }
  | { readonly key: Readonly<Record<string, JsonValue>> }
)

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
  readonly since: RowState | null
  /** Number by which the rows of this ask are kept in `quality.violations`; null if no row is, or was, broken. */
  readonly ask: number | null
  /** How many rows are new, still there, and fixed; rows of one name count once. */
  readonly counts: Readonly<Record<RowState, number>>
  /** Some of those rows, at most 20; new ones first. */
  readonly rows: readonly CheckedRow[]
}

export interface ChecksReport {
  /** The worst of all. */
  readonly state: CheckState
  readonly checks: readonly CheckedDay[]
  /** What runs have made of these tables and readers do not see, as long as it can be looked at; newest run first. */
  readonly candidates: readonly CandidateSummary[]
}

/** @throws LakeError as reading the tables does. A table that is not there yet has no rows to check. */
export async function checkTables(
  context: BooksContext,
  {
    checks,
    candidates,
    releases,
    violations,
    tables = lakeTableNames,
    days,
    checksOf = declaredChecksOf,
    onProgress,
    signal,
  }: CheckTablesOptions,
): Promise<ChecksReport> {
  const release = await releases.newest({ signal })
  const found: CheckedDay[] = []
  for (const name of tables) {
    const table = context.table(name)
    if (checksOf(name).length === 0 || !(await table.exists({ signal }))) continue
    onProgress?.(name)
    const snapshot = await releasedSnapshot(name, table, { release, isChosen: false, signal })
    const before = await checks.newest(name, { signal })
    const asked = { name, snapshot, days, before, declared: checksOf(name) }
    const ofTable = await checkTable({ ...context, violations }, asked, { signal })
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
  readonly declared: readonly TableCheck[]
  readonly before: readonly CheckResult[]
}

async function checkTable(
  context: BooksContext & { readonly violations: DeltaTable },
  asked: TableToCheck,
  { signal }: IoOptions,
): Promise<readonly CheckedDay[]> {
  const { name, snapshot, days, declared } = asked
  const where =
    days === undefined
      ? 'true'
      : `event_date >= ${dateList([days.from])} and event_date < ${dateList([days.to])}`
  const expectations = declared.map(({ expectation }) => expectation)
  return context.duckdb.use(async (session) => {
    await createRowsView(context, session, 'checked_rows', name, snapshot, { where, signal })
    const results = await collectViolations(session, 'checked_rows', expectations, {
      groupBy: dayColumn,
      key: rowKey(name),
      into: 'violating_rows',
      signal,
    })
    const checks = expectations.map(describeExpectation)
    const { ask = null, rows } = await recordViolations(
      context.violations,
      session,
      { table: name, version: snapshot.version, checks, days, violating: 'violating_rows' },
      { signal },
    )
    return [...results, ...goneDays(asked, results)].map((result) => checkedDay(asked, result, ask, rows))
  })
}

/** Days on which a check was broken and of which there are no rows any more: nothing breaks it there. */
function goneDays(
  { days, before, declared }: TableToCheck,
  results: readonly ExpectationResult[],
): readonly ExpectationResult[] {
  const known = new Set(declared.map(({ expectation }) => describeExpectation(expectation)))
  const present = new Set(results.map(({ group }) => group))
  return before.flatMap(({ check, date, state }) => {
    if (date === undefined || state === 'passed' || !known.has(check) || present.has(date)) return []
    if (days !== undefined && (date < days.from || date >= days.to)) return []
    return [{ expectation: check, group: date, rows: 0, violations: 0, sample: [] }]
  })
}

function checkedDay(
  { name, snapshot, declared, before }: TableToCheck,
  { expectation: check, group: date = '', rows: checked, violations }: ExpectationResult,
  ask: number | null,
  rows: readonly ViolatingRows[],
): CheckedDay {
  const severity =
    declared.find(({ expectation }) => describeExpectation(expectation) === check)?.severity ?? 'fail'
  const last = before.find((each) => each.check === check && each.date === date)
  const named = rows.find((each) => each.check === check && each.group === date)
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
    ask: named === undefined ? null : ask,
    counts: named?.counts ?? { new: 0, still: 0, fixed: 0 },
    rows: (named?.sample ?? []).map(({ since, key }) => {
      const { kafka_partition: partition, kafka_offset: offset } = key
      return partition === undefined || offset === undefined ? { since, key } : { since, partition, offset }
    }),
  }
}

function sinceOf(isBroken: boolean, wasBroken: boolean): CheckedDay['since'] {
  if (isBroken) return wasBroken ? 'still' : 'new'
  return wasBroken ? 'fixed' : null
}

/** As it is kept; its rows are in the table of violations, by the number of the ask. */
function resultOf({ table, check, date, state, ...found }: CheckedDay): NewCheckResult {
  const { version, severity, checked, violations, since, ask, counts } = found
  return {
    table,
    check,
    date,
    state,
    content: { version, severity, checked, violations, since, ask, counts },
  }
}
