/**
 * The declared checks, asked of the rows that readers see, day by day. Results are kept for ever, so that a check, and each
 * row that breaks it, is new, still there, or fixed.
 */

import { type Clock, systemClock } from '../../lib/base/clock.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { JsonValue } from '../../lib/base/json.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { ExpectationResult } from '../../lib/quality/evaluate.ts'
import { describeExpectation, isOfRelation } from '../../lib/quality/expectation.ts'
import { collectViolations, type RowState, type ViolatingRows } from '../../lib/quality/violations.ts'
import type { CandidateBook } from '../../lib/runs/candidate-book.ts'
import type { CheckBook, CheckResult, CheckState, NewCheckResult } from '../../lib/runs/check-book.ts'
import type { Release, ReleaseBook } from '../../lib/runs/release-book.ts'
import { checksOf as declaredChecksOf, type Severity, type TableCheck } from '../model/checks.ts'
import { type DayRange, dateList, dayColumn } from '../model/days.ts'
import { type LakeTable, lakeTableNames, rowKey } from '../model/tables.ts'
import { createReferencedViews, rowsByDay } from '../query/asked-of.ts'
import { type CandidateSummary, summaryOf } from '../query/candidate-summary.ts'
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
  /** UTC day; null for a check of the table as a whole. */
  readonly date: string | null
  /** Rows of the day, or of the table. */
  readonly checked: number
  readonly violations: number
  /** What is wrong, in words, if it is no matter of rows; why it could not be decided. */
  readonly problem?: string
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
  /** The worst of all that could be decided. */
  readonly state: CheckState
  readonly checks: readonly CheckedDay[]
  /** What runs have made of these tables and readers do not see, as long as it can be looked at; newest run first. */
  readonly candidates: readonly CandidateSummary[]
}

/** @throws LakeError as reading the tables does. A table that is not there yet has no rows to check. */
export async function checkTables(
  context: BooksContext & { readonly clock?: Clock },
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
    // Of some days alone a check of the whole table has no answer.
    const declared = checksOf(name).filter(
      ({ expectation }) => days === undefined || !isOfRelation(expectation),
    )
    const asked = { name, snapshot, release, days, before, declared }
    const ofTable = await checkTable({ ...context, violations }, asked, { signal })
    await checks.append(
      ofTable.map((result) => resultOf(result, before)),
      { signal },
    )
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
  readonly release: Release | undefined
  readonly days: DayRange | undefined
  readonly declared: readonly TableCheck[]
  readonly before: readonly CheckResult[]
}

async function checkTable(
  context: BooksContext & { readonly violations: DeltaTable; readonly clock?: Clock },
  asked: TableToCheck,
  { signal }: IoOptions,
): Promise<readonly CheckedDay[]> {
  const { name, snapshot, release, days, before, declared } = asked
  const where =
    days === undefined
      ? 'true'
      : `event_date >= ${dateList([days.from])} and event_date < ${dateList([days.to])}`
  const expectations = declared.map(({ expectation }) => expectation)
  const seenOf = async (of: LakeTable): Promise<Snapshot | undefined> => {
    const table = context.table(of)
    if (!(await table.exists({ signal }))) return undefined
    return releasedSnapshot(of, table, { release, isChosen: false, signal })
  }
  return context.duckdb.use(async (session) => {
    await createRowsView(context, session, 'checked_rows', name, snapshot, { where, signal })
    await createReferencedViews(session, context.table, expectations, seenOf, { signal })
    const results = await collectViolations(session, 'checked_rows', expectations, {
      groupBy: dayColumn,
      key: rowKey(name),
      into: 'violating_rows',
      nowMs: (context.clock ?? systemClock).now(),
      history: rowsByDay(before),
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
  const asked = new Set(results.map(({ expectation, group }) => `${group} ${expectation}`))
  return before.flatMap((last) => {
    const { check, date } = last
    if (date === undefined || !wasBroken(last) || !known.has(check) || asked.has(`${date} ${check}`))
      return []
    if (days !== undefined && (date < days.from || date >= days.to)) return []
    return [{ expectation: check, group: date, outcome: 'holds', rows: 0, violations: 0, sample: [] }]
  })
}

function checkedDay(
  { name, snapshot, declared, before }: TableToCheck,
  { expectation: check, group, outcome, rows: checked, violations, problem }: ExpectationResult,
  ask: number | null,
  rows: readonly ViolatingRows[],
): CheckedDay {
  const severity =
    declared.find(({ expectation }) => describeExpectation(expectation) === check)?.severity ?? 'fail'
  const last = before.find((each) => each.check === check && each.date === group)
  const named = rows.find((each) => each.check === check && each.group === (group ?? ''))
  return {
    table: name,
    version: snapshot.version,
    check,
    severity,
    state: stateOf(outcome, severity),
    date: group ?? null,
    checked,
    violations,
    ...(problem !== undefined && { problem }),
    since: sinceOf(outcome, last !== undefined && wasBroken(last)),
    ask: named === undefined ? null : ask,
    counts: named?.counts ?? { new: 0, still: 0, fixed: 0 },
    rows: (named?.sample ?? []).map(({ since, key }) => {
      const { kafka_partition: partition, kafka_offset: offset } = key
      return partition === undefined || offset === undefined ? { since, key } : { since, partition, offset }
    }),
  }
}

function stateOf(outcome: ExpectationResult['outcome'], severity: Severity): CheckState {
  switch (outcome) {
    case 'holds':
      return 'passed'
    case 'unknown':
      return 'unknown'
    case 'breaks':
      return severity === 'fail' ? 'failed' : 'warned'
  }
}

/** One that could not be decided goes on saying what was the case before. */
function wasBroken({ state, content }: CheckResult): boolean {
  if (state !== 'unknown') return state !== 'passed'
  return (
    typeof content === 'object' && content !== null && 'wasBroken' in content && content['wasBroken'] === true
  )
}

function sinceOf(outcome: ExpectationResult['outcome'], isBrokenBefore: boolean): CheckedDay['since'] {
  if (outcome === 'breaks') return isBrokenBefore ? 'still' : 'new'
  return outcome === 'holds' && isBrokenBefore ? 'fixed' : null
}

/** As it is kept; its rows are in the table of violations, by the number of the ask. */
function resultOf(
  { table, check, date, state, ...found }: CheckedDay,
  before: readonly CheckResult[],
): NewCheckResult {
  const { version, severity, checked, violations, problem, since, ask, counts } = found
  const last = before.find((each) => each.check === check && each.date === (date ?? undefined))
  const content = {
    version,
    severity,
    checked,
    violations,
    since,
    ask,
    counts,
    ...(problem !== undefined && { problem }),
    ...(state === 'unknown' && { wasBroken: last !== undefined && wasBroken(last) }),
  }
  return { table, check, ...(date !== null && { date }), state, content }
}
