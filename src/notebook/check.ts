/** Expectations asked in a cell: of rows, a frame, a query, or a table of the platform with its own. */
import { countOf } from '../lib/base/count-of.ts'
import { LakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import type { Snapshot } from '../lib/delta/index.ts'
import type { DuckDbSession } from '../lib/duckdb/duckdb.ts'
import { plainRow, type RowFrame } from '../lib/notebook/cell-value.ts'
import { type ExpectationResult, evaluateExpectations } from '../lib/quality/evaluate.ts'
import type { Expectation } from '../lib/quality/expectation.ts'
import { checksOf, referencedBy, viewOf } from '../pipeline/model/checks.ts'
import { dayColumn } from '../pipeline/model/days.ts'
import { isLakeTable, type LakeTable, rowKey } from '../pipeline/model/tables.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { createReferencedViews } from '../pipeline/query/asked-of.ts'
import { readersView } from '../pipeline/query/released.ts'
import { cellRows, createCellRows } from './cell-rows.ts'
import type { CheckResult } from './lake.ts'

/** What is asked: the relation in the session, how its rows are named, and what is expected of it. */
interface Subject {
  readonly relation: string
  readonly expectations: readonly Expectation[]
  readonly groupBy?: string
  readonly orderBy?: readonly string[]
}

/**
 * @param of rows, a frame, SQL over the lake, or the name of a table.
 * @returns every result, in the order in which the expectations are given.
 * @throws LakeError `CHECK_FAILED` naming what is broken and some of the rows; `USAGE` if nothing is expected.
 */
export async function checkIn(
  platform: Platform,
  of: string | readonly object[] | RowFrame,
  given: readonly Expectation[] | undefined,
  { signal }: IoOptions,
): Promise<CheckResult[]> {
  const name = tableNamed(of)
  return checked(
    platform,
    name,
    (session) =>
      name === undefined
        ? rowsSubject(session, platform, of, given ?? [], { signal })
        : seenSubject(session, platform, name, given, { signal }),
    { signal },
  )
}

/** The rows of a table at a version. */
export function checkTable(
  platform: Platform,
  name: LakeTable,
  snapshot: Snapshot,
  given: readonly Expectation[] | undefined,
  { signal }: IoOptions,
): Promise<CheckResult[]> {
  return checked(
    platform,
    name,
    (session) => tableSubject(session, platform, name, snapshot, given, { signal }),
    { signal },
  )
}

/** @param table what is asked, if it is a table of the platform. */
async function checked(
  platform: Platform,
  table: LakeTable | undefined,
  subjectIn: (session: DuckDbSession) => Promise<Subject>,
  { signal }: IoOptions,
): Promise<CheckResult[]> {
  const duckdb = await platform.duckdb()
  const results = await duckdb.use(async (session) => {
    const { relation, expectations, ...options } = await subjectIn(session)
    if (expectations.length === 0) {
      throw new LakeError('USAGE', 'lake.check: expected at least one expectation')
    }
    const nowMs = platform.clock.now()
    return await evaluateExpectations(session, relation, expectations, { ...options, nowMs, signal })
  })
  await recordOfGate(platform, table, results, { signal })
  const broken = results.filter(({ outcome }) => outcome === 'breaks')
  if (broken.length === 0) return results.map(resultOf)
  throw new LakeError('CHECK_FAILED', broken.map(wordsOf).join('; '), {
    details: { failed: broken.map(resultOf), fault: 'checked-in-cell' },
  })
}

/** What a gate has asked is kept like what others ask, of the table that it was asked of. */
async function recordOfGate(
  { staged, runs }: Platform,
  table: LakeTable | undefined,
  results: readonly ExpectationResult[],
  { signal }: IoOptions,
): Promise<void> {
  const shown = await staged?.()
  if (shown === undefined) return
  const { gate, run: runId, task, tables } = shown
  const { checks } = await runs()
  await checks.append(
    results.map(({ expectation, group, outcome, rows, violations, problem }) => ({
      table: table ?? Object.keys(tables)[0] ?? task,
      check: `gate ${gate}: ${expectation}`,
      ...(group !== undefined && { date: group }),
      state: stateOf[outcome],
      content: { gate, task, rows, violations, ...(problem !== undefined && { problem }) },
    })),
    { runId, signal },
  )
}

const stateOf = { holds: 'passed', breaks: 'failed', unknown: 'unknown' } as const

function tableNamed(of: string | readonly object[] | RowFrame): LakeTable | undefined {
  const name = typeof of === 'string' ? of.replace(/^(bronze|silver|gold)\./, '$1/') : ''
  return isLakeTable(name) ? name : undefined
}

async function rowsSubject(
  session: DuckDbSession,
  platform: Platform,
  of: string | readonly object[] | RowFrame,
  expectations: readonly Expectation[],
  { signal }: IoOptions,
): Promise<Subject> {
  await createCellRows(session, platform, of, { signal })
  await referencedViews(session, platform, expectations, { signal })
  return { relation: cellRows, expectations }
}

/** A table as readers see it. */
async function seenSubject(
  session: DuckDbSession,
  platform: Platform,
  name: LakeTable,
  given: readonly Expectation[] | undefined,
  { signal }: IoOptions,
): Promise<Subject> {
  const seen = await readersView(platform, undefined, { signal })
  const snapshot = await seen.snapshot(name, await platform.table(name), { signal })
  return tableSubject(session, platform, name, snapshot, given, { signal })
}

/** A table by day, with the checks that are declared for it unless others are given. */
async function tableSubject(
  session: DuckDbSession,
  platform: Platform,
  name: LakeTable,
  snapshot: Snapshot,
  given: readonly Expectation[] | undefined,
  { signal }: IoOptions,
): Promise<Subject> {
  const expectations =
    given ?? checksOf(name).flatMap(({ severity, expectation }) => (severity === 'fail' ? [expectation] : []))
  await referencedViews(session, platform, expectations, { signal })
  const table = await platform.table(name)
  const scan = await table.scan(session, snapshot, { signal })
  await session.run(`create temporary view ${cellRows} as ${scan}`, { signal })
  const isByDay = snapshot.schema.fields.some((field) => field.name === dayColumn)
  return {
    relation: cellRows,
    expectations,
    ...(isByDay && { groupBy: dayColumn, orderBy: rowKey(name) }),
  }
}

/** The tables that references compare with, as readers see them. */
async function referencedViews(
  session: DuckDbSession,
  platform: Platform,
  expectations: readonly Expectation[],
  { signal }: IoOptions,
): Promise<void> {
  const named = referencedBy(expectations)
  const tables = new Map(
    await Promise.all(named.map(async (name) => [name, await platform.table(name)] as const)),
  )
  if (named.length === 0) return
  const seen = await readersView(platform, undefined, { signal })
  await createReferencedViews(
    session,
    (name) => {
      const table = tables.get(name)
      if (table === undefined) throw new LakeError('BUG', `No table ${name} for ${viewOf(name)}`)
      return table
    },
    expectations,
    async (name) => {
      const table = await platform.table(name)
      if (!(await table.exists({ signal }))) return undefined
      return seen.snapshot(name, table, { signal })
    },
    { signal },
  )
}

function resultOf({
  expectation,
  group,
  outcome,
  rows,
  violations,
  problem,
  sample,
}: ExpectationResult): CheckResult {
  return {
    expectation,
    ...(group !== undefined && { group }),
    outcome,
    rows,
    violations,
    ...(problem !== undefined && { problem }),
    sample: sample.map(plainRow),
  }
}

function wordsOf({ expectation, group, violations, problem, sample }: ExpectationResult): string {
  const of = group === undefined ? '' : `${group}: `
  if (problem !== undefined) return `${of}expected that ${expectation}: ${problem}`
  const [first = {}] = sample
  const row = Object.entries(first)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')
  return `${of}expected ${expectation}, ${countOf(violations, 'row')} ${violations === 1 ? 'breaks' : 'break'} it, such as ${row}`
}
