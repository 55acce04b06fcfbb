/**
 * Asks expectations of a relation: all of them in one scan. Only where one is broken are its rows looked for.
 */
import type { IoOptions } from '../base/io.ts'
import type { DuckDbSession } from '../duckdb/duckdb.ts'
import { identifier } from '../duckdb/sql-text.ts'
import type { Row } from '../duckdb/values.ts'
import { describeExpectation, type Expectation } from './expectation.ts'
import { suspicionOf, violatingRows } from './predicate.ts'

export interface ExpectationResult {
  /** As `describeExpectation` has it. */
  readonly expectation: string
  /** The value of `groupBy`, as text; absent without it. */
  readonly group?: string
  /** Rows of the group. */
  readonly rows: number
  readonly violations: number
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
}

/**
 * One result for each expectation, and of each group. A relation without rows holds whatever is expected of its rows:
 * it has no groups, and without `groupBy` one result for each expectation, without violations.
 *
 * @param relation A name, or a SELECT in brackets.
 */
export function evaluateExpectations(
  session: DuckDbSession,
  relation: string,
  expectations: readonly Expectation[],
  options: EvaluateOptions = {},
): Promise<readonly ExpectationResult[]> {
  return evaluateWith(session, relation, expectations, options, (_, rows, { group, signal }) =>
    sampleOf(session, rows, { ...options, group, signal }),
  )
}

/** Of one group. */
export interface Broken {
  readonly violations: number
  readonly sample: readonly Row[]
}

/**
 * Looks at the rows that break an expectation.
 *
 * @param rows A SELECT. @returns By the text of the group.
 */
export type LookAtRows = (
  expectation: Expectation,
  rows: string,
  options: IoOptions & { readonly group: string },
) => Promise<ReadonlyMap<string, Broken>>

const noneBroken: Broken = { violations: 0, sample: [] }

/** As `evaluateExpectations`; what becomes of violating rows is the caller's affair. */
export async function evaluateWith(
  session: DuckDbSession,
  relation: string,
  expectations: readonly Expectation[],
  { groupBy, signal }: Pick<EvaluateOptions, 'groupBy' | 'signal'>,
  lookAt: LookAtRows,
): Promise<readonly ExpectationResult[]> {
  if (expectations.length === 0) return []
  const group = groupBy === undefined ? `''` : identifier(groupBy)
  const counts = await session.rows(
    `select cast(${group} as varchar) as "group", count(*) as n,
       ${expectations.map((each, at) => `${suspicionOf(each)} as v${at}`).join(',\n       ')}
     from ${relation} as checked ${groupBy === undefined ? '' : `group by ${group} order by ${group}`}`,
    { signal },
  )
  const results: ExpectationResult[] = []
  for (const [at, expectation] of expectations.entries()) {
    const isSuspected = counts.some((row) => Number(row[`v${at}`]) > 0)
    const broken = isSuspected
      ? await lookAt(expectation, violatingRows(relation, expectation, group), { group, signal })
      : new Map<string, Broken>()
    for (const row of counts) {
      results.push({
        expectation: describeExpectation(expectation),
        ...(groupBy !== undefined && { group: String(row['group']) }),
        rows: Number(row['n']),
        ...(broken.get(String(row['group'])) ?? noneBroken),
      })
    }
  }
  return results
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
