/**
 * Asks expectations of a relation: all that are of rows in one scan. Only where one is broken are its rows looked for.
 */
import { assertNever } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import type { DuckDbSession } from '../duckdb/duckdb.ts'
import { identifier } from '../duckdb/sql-text.ts'
import type { Row } from '../duckdb/values.ts'
import { judgeDrift } from './drift.ts'
import {
  type DriftExpectation,
  describeExpectation,
  type Expectation,
  type FreshnessExpectation,
  type QueryExpectation,
  type RowExpectation,
} from './expectation.ts'
import { queriedRows, suspicionOf, violatingRows } from './predicate.ts'

export interface ExpectationResult {
  /** As `describeExpectation` has it. */
  readonly expectation: string
  /** The value of `groupBy`, as text; absent without it, and for what is asked of the relation as a whole. */
  readonly group?: string
  /** `unknown` if there was nothing to decide it by: `problem` says why. */
  readonly outcome: 'holds' | 'breaks' | 'unknown'
  /** Rows of the group, or of the relation. */
  readonly rows: number
  /** Rows that break it; 0 for what is no matter of rows. */
  readonly violations: number
  /** What is wrong, in words, if it is no matter of rows; why it is not known. */
  readonly problem?: string
  /** Some of the violating rows. */
  readonly sample: readonly Row[]
}

export interface EvaluateOptions extends IoOptions {
  /** A column: rows of each of its values are judged by themselves. Unique rows are unique within one value. */
  readonly groupBy?: string
  /** At most so many violating rows of a group are named; 5 without it. */
  readonly sampleSize?: number
  /** Columns that the rows of a sample are in the order of; any order without it. */
  readonly orderBy?: readonly string[]
  /** What freshness and drift are measured against, in milliseconds since the epoch; now without it. */
  readonly nowMs?: number
  /** How many rows groups had before, for drift: ISO day → rows. */
  readonly history?: ReadonlyMap<string, number>
}

/**
 * One result for each expectation, and of each group. A relation without rows holds whatever is expected of its rows:
 * it has no groups, and without `groupBy` one result for each expectation, without violations.
 *
 * @param relation A name, or a SELECT in brackets.
 * @throws LakeError `SQL_INVALID` for a condition or query that is none, or a column that is not there.
 */
export function evaluateExpectations(
  session: DuckDbSession,
  relation: string,
  expectations: readonly Expectation[],
  options: EvaluateOptions = {},
): Promise<readonly ExpectationResult[]> {
  const { orderBy = [] } = options
  return evaluateWith(
    session,
    relation,
    expectations,
    options,
    async (expectation, rows, { group, signal }) => {
      const inRows = await columnsOf(session, expectation, rows, orderBy, { signal })
      return sampleOf(session, rows, { ...options, orderBy: inRows, group, signal })
    },
  )
}

/** Those of `wanted` that the rows have: a query returns what it likes. */
export async function columnsOf(
  session: DuckDbSession,
  { kind }: Expectation,
  rows: string,
  wanted: readonly string[],
  { signal }: IoOptions,
): Promise<readonly string[]> {
  if (kind !== 'query') return wanted
  const columns = (await session.describe(rows, { signal })).map(({ name }) => name)
  return wanted.filter((name) => columns.includes(name))
}

/** Of one group. */
export interface Broken {
  readonly violations: number
  readonly sample: readonly Row[]
}

/**
 * Looks at the rows that break an expectation.
 *
 * @param rows A SELECT. @param options `group` is SQL over its columns. @returns By the text of the group.
 */
export type LookAtRows = (
  expectation: RowExpectation | QueryExpectation,
  rows: string,
  options: IoOptions & { readonly group: string },
) => Promise<ReadonlyMap<string, Broken>>

const noneBroken: Broken = { violations: 0, sample: [] }
const isRowExpectation = (expectation: Expectation): expectation is RowExpectation =>
  !['query', 'freshness', 'drift'].includes(expectation.kind)

/** As `evaluateExpectations`; what becomes of violating rows is the caller's affair. */
export async function evaluateWith(
  session: DuckDbSession,
  relation: string,
  expectations: readonly Expectation[],
  options: EvaluateOptions,
  lookAt: LookAtRows,
): Promise<readonly ExpectationResult[]> {
  if (expectations.length === 0) return []
  const asked: Asked = {
    session,
    relation,
    lookAt,
    options,
    ...(await scan(session, relation, expectations, options)),
  }
  const results: ExpectationResult[] = []
  for (const [at, expectation] of expectations.entries()) {
    results.push(...(await judge(asked, expectation, at)))
  }
  return results
}

/** What the one scan has found. */
interface Scanned {
  /** SQL: what rows are grouped by. */
  readonly group: string
  /** The groups, with `group`, `n`, and an aggregate of each expectation by its position. */
  readonly counts: readonly Row[]
}

interface Asked extends Scanned {
  readonly session: DuckDbSession
  readonly relation: string
  readonly lookAt: LookAtRows
  readonly options: EvaluateOptions
}

async function scan(
  session: DuckDbSession,
  relation: string,
  expectations: readonly Expectation[],
  { groupBy, signal }: EvaluateOptions,
): Promise<Scanned> {
  const group = groupBy === undefined ? `''` : identifier(groupBy)
  const aggregates = expectations.flatMap((each, at) => {
    if (isRowExpectation(each)) return [`${suspicionOf(each)} as v${at}`]
    if (each.kind !== 'freshness') return []
    return [`epoch_ms(max(cast(${identifier(each.column)} as timestamptz))) as v${at}`]
  })
  const counts = await session.rows(
    `select ${[`cast(${group} as varchar) as "group"`, 'count(*) as n', ...aggregates].join(',\n       ')}
     from ${relation} as checked ${groupBy === undefined ? '' : `group by ${group} order by ${group}`}`,
    { signal },
  )
  return { group, counts }
}

function judge(
  asked: Asked,
  expectation: Expectation,
  at: number,
): readonly ExpectationResult[] | Promise<readonly ExpectationResult[]> {
  if (isRowExpectation(expectation)) return judgeRows(asked, expectation, at)
  switch (expectation.kind) {
    case 'query':
      return judgeQuery(asked, expectation)
    case 'freshness':
      return [judgeFreshness(asked, expectation, at)]
    case 'drift':
      return judgeDays(asked, expectation)
    default:
      return assertNever(expectation, 'expectation')
  }
}

async function judgeRows(
  { relation, lookAt, options: { groupBy, signal }, group, counts }: Asked,
  expectation: RowExpectation,
  at: number,
): Promise<readonly ExpectationResult[]> {
  const isSuspected = counts.some((row) => Number(row[`v${at}`]) > 0)
  const broken = isSuspected
    ? await lookAt(expectation, violatingRows(relation, expectation, group), { group, signal })
    : new Map<string, Broken>()
  return counts.map((row) => resultOf(expectation, groupIn(row, groupBy), row, broken))
}

async function judgeQuery(
  { relation, lookAt, options: { groupBy, signal }, group, counts }: Asked,
  expectation: QueryExpectation,
): Promise<readonly ExpectationResult[]> {
  const isGrouped = groupBy !== undefined && expectation.of !== 'relation'
  const rows = queriedRows(relation, expectation)
  const broken = await lookAt(expectation, rows, { group: isGrouped ? group : `''`, signal })
  if (isGrouped) {
    const known = new Set(counts.map((row) => String(row['group'])))
    const others = [...broken.keys()].filter((of) => !known.has(of)).map((of) => ({ group: of, n: 0 }))
    return [...counts, ...others].map((row) => resultOf(expectation, groupIn(row, groupBy), row, broken))
  }
  return [resultOf(expectation, {}, { group: '', n: rowsOf(counts) }, broken)]
}

/** In milliseconds. */
const hourMs = 3_600_000

function judgeFreshness(
  { options: { nowMs = Date.now() }, counts }: Asked,
  expectation: FreshnessExpectation,
  at: number,
): ExpectationResult {
  const newest = counts.map((row) => row[`v${at}`]).filter((value) => value !== null && value !== undefined)
  // Without a value minus infinity, which is older than anything.
  const newestMs = Math.max(...newest.map(Number))
  const isFresh = nowMs - newestMs <= expectation.maxAgeHours * hourMs
  const problem =
    newest.length === 0
      ? `there is no ${expectation.column}`
      : `the newest is ${new Date(newestMs).toISOString()}, ${Math.floor((nowMs - newestMs) / hourMs)} hours ago`
  return {
    expectation: describeExpectation(expectation),
    outcome: isFresh ? 'holds' : 'breaks',
    rows: rowsOf(counts),
    ...noneBroken,
    ...(!isFresh && { problem }),
  }
}

function judgeDays(
  { options: { groupBy, nowMs = Date.now(), history = new Map() }, counts }: Asked,
  expectation: DriftExpectation,
): readonly ExpectationResult[] {
  const words = describeExpectation(expectation)
  if (groupBy === undefined) {
    const problem = 'its rows are not grouped by day'
    return [{ expectation: words, outcome: 'unknown', rows: rowsOf(counts), ...noneBroken, problem }]
  }
  const counted = new Map(counts.map((row) => [String(row['group']), Number(row['n'])]))
  return judgeDrift(expectation, counted, { history, nowMs }).map(({ day, ...verdict }) => ({
    expectation: words,
    group: day,
    ...noneBroken,
    ...verdict,
  }))
}

const rowsOf = (counts: readonly Row[]): number => counts.reduce((sum, row) => sum + Number(row['n']), 0)

const groupIn = (row: Row, groupBy: string | undefined): Pick<ExpectationResult, 'group'> =>
  groupBy === undefined ? {} : { group: String(row['group']) }

function resultOf(
  expectation: Expectation,
  group: Pick<ExpectationResult, 'group'>,
  row: Row,
  broken: ReadonlyMap<string, Broken>,
): ExpectationResult {
  const { violations, sample } = broken.get(String(row['group'])) ?? noneBroken
  return {
    expectation: describeExpectation(expectation),
    ...group,
    outcome: violations === 0 ? 'holds' : 'breaks',
    rows: Number(row['n']),
    violations,
    sample,
  }
}

async function sampleOf(
  session: DuckDbSession,
  rows: string,
  { group, sampleSize = 5, orderBy = [], signal }: EvaluateOptions & { readonly group: string },
): Promise<ReadonlyMap<string, Broken>> {
  const order = orderBy.length === 0 ? '' : `order by ${orderBy.map(identifier).join(', ')}`
  const sampled = await session.rows(
    `select * exclude (violation_rank) from (
       select *, cast(${group} as varchar) as violation_group, count(*) over (partition by ${group}) as violation_count,
         row_number() over (partition by ${group} ${order}) as violation_rank
       from (${rows})
     ) where violation_rank <= ${sampleSize} order by violation_group, violation_rank`,
    { signal },
  )
  const found = new Map<string, { violations: number; sample: Row[] }>()
  for (const { violation_group: of, violation_count: n, ...row } of sampled) {
    const broken = found.get(String(of)) ?? { violations: Number(n), sample: [] }
    broken.sample.push(row)
    found.set(String(of), broken)
  }
  return found
}
