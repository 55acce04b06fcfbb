/**
 * What must hold of the rows of a relation, and the rows that break it.
 *
 * An expectation is data; evaluating one is a query for its violating rows. Nothing is published on a guess:
 * a relation without rows holds whatever is expected of its rows.
 */
import type { IoOptions } from '../base/io.ts'
import type { DuckDbSession } from '../duckdb/duckdb.ts'
import { identifier } from '../duckdb/sql-text.ts'
import type { Row } from '../duckdb/values.ts'

export type Expectation =
  | { readonly kind: 'notNull'; readonly column: string }
  /** No two rows agree in all these columns. */
  | { readonly kind: 'unique'; readonly columns: readonly string[] }
  /** Both ends included; null breaks it. */
  | { readonly kind: 'between'; readonly column: string; readonly min: number; readonly max?: number }
  /** An SQL condition of a row; null breaks it. */
  | { readonly kind: 'condition'; readonly name: string; readonly sql: string }

export interface ExpectationResult {
  /** In words: `dau_count is between 1 and any`. */
  readonly expectation: string
  readonly violations: number
  /** Some of the violating rows. */
  readonly sample: readonly Row[]
}

const sampleSize = 5

/** @param relation A name, or a SELECT in brackets. */
export async function evaluateExpectations(
  session: DuckDbSession,
  relation: string,
  expectations: readonly Expectation[],
  options: IoOptions = {},
): Promise<readonly ExpectationResult[]> {
  const results: ExpectationResult[] = []
  for (const expectation of expectations) {
    const violating = violatingRows(relation, expectation)
    const { n } = await session.row(`select count(*) as n from (${violating})`, options)
    const violations = Number(n)
    const sample =
      violations === 0 ? [] : await session.rows(`select * from (${violating}) limit ${sampleSize}`, options)
    results.push({ expectation: describeExpectation(expectation), violations, sample })
  }
  return results
}

function describeExpectation(expectation: Expectation): string {
  switch (expectation.kind) {
    case 'notNull':
      return `${expectation.column} is not null`
    case 'unique':
      return `${expectation.columns.join(', ')} is unique`
    case 'between':
      return `${expectation.column} is between ${expectation.min} and ${expectation.max ?? 'any'}`
    case 'condition':
      return expectation.name
  }
}

function violatingRows(relation: string, expectation: Expectation): string {
  const select = `select * from ${relation} as checked`
  switch (expectation.kind) {
    case 'notNull':
      return `${select} where ${identifier(expectation.column)} is null`
    case 'unique': {
      const columns = expectation.columns.map(identifier).join(', ')
      return `${select} qualify count(*) over (partition by ${columns}) > 1`
    }
    case 'between': {
      const column = identifier(expectation.column)
      const above = expectation.max === undefined ? '' : ` or ${column} > ${expectation.max}`
      return `${select} where ${column} is null or ${column} < ${expectation.min}${above}`
    }
    case 'condition':
      return `${select} where not coalesce((${expectation.sql}), false)`
  }
}
