/**
 * What must hold of the rows of a relation, and the rows that break it.
 *
 * An expectation is data. All expectations of a relation are evaluated in one scan; only where one is broken are its
 * rows looked for. Nothing is decided by an accident of SQL: whether null breaks an expectation is declared with it.
 */
import type { IoOptions } from '../base/io.ts'
import type { DuckDbSession } from '../duckdb/duckdb.ts'
import { identifier, text } from '../duckdb/sql-text.ts'
import type { Row } from '../duckdb/values.ts'

/** Whether null breaks the expectation; it does where nothing is said. */
interface Nulls {
  readonly nulls?: 'break' | 'hold'
}

export type Expectation =
  | { readonly kind: 'notNull'; readonly column: string }
  /** No two rows agree in all these columns; null is equal to null. */
  | { readonly kind: 'unique'; readonly columns: readonly string[] }
  /** Both ends included. */
  | ({
      readonly kind: 'between'
      readonly column: string
      readonly min: number
      readonly max?: number
    } & Nulls)
  /** One of these texts. */
  | ({ readonly kind: 'oneOf'; readonly column: string; readonly values: readonly string[] } & Nulls)
  /** An SQL condition of a row, with what it says in words. */
  | ({ readonly kind: 'condition'; readonly name: string; readonly sql: string } & Nulls)

export interface ExpectationResult {
  /** In words: `dau_count is between 1 and any`. */
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
}

/**
 * One result for each expectation, and of each group. A relation without rows holds whatever is expected of its rows:
 * it has no groups, and without `groupBy` one result for each expectation, without violations.
 *
 * @param relation A name, or a SELECT in brackets.
 */
export async function evaluateExpectations(
  session: DuckDbSession,
  relation: string,
  expectations: readonly Expectation[],
  { groupBy, sampleSize = 5, signal }: EvaluateOptions = {},
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
    const isBroken = counts.some((row) => Number(row[`v${at}`]) > 0)
    const broken = isBroken
      ? await brokenRows(session, relation, expectation, { group, sampleSize, signal })
      : new Map<string, Broken>()
    for (const row of counts) {
      const { violations, sample } = broken.get(String(row['group'])) ?? { violations: 0, sample: [] }
      results.push({
        expectation: describeExpectation(expectation),
        ...(groupBy !== undefined && { group: String(row['group']) }),
        rows: Number(row['n']),
        violations,
        sample,
      })
    }
  }
  return results
}

interface Broken {
  violations: number
  readonly sample: Row[]
}

async function brokenRows(
  session: DuckDbSession,
  relation: string,
  expectation: Expectation,
  { group, sampleSize, signal }: IoOptions & { readonly group: string; readonly sampleSize: number },
): Promise<ReadonlyMap<string, Broken>> {
  const rows = await session.rows(
    `select *, cast(${group} as varchar) as violation_group, count(*) over (partition by ${group}) as violation_count
     from (${violatingRows(relation, expectation, group)})
     qualify row_number() over (partition by ${group}) <= ${sampleSize}`,
    { signal },
  )
  const found = new Map<string, Broken>()
  for (const { violation_group: of, violation_count: n, ...row } of rows) {
    const broken = found.get(String(of)) ?? { violations: Number(n), sample: [] }
    broken.sample.push(row)
    found.set(String(of), broken)
  }
  return found
}

export function describeExpectation(expectation: Expectation): string {
  switch (expectation.kind) {
    case 'notNull':
      return `${expectation.column} is not null`
    case 'unique':
      return `${expectation.columns.join(', ')} is unique`
    case 'between':
      return `${expectation.column} is between ${expectation.min} and ${expectation.max ?? 'any'}`
    case 'oneOf':
      return `${expectation.column} is one of ${expectation.values.join(', ')}`
    case 'condition':
      return expectation.name
  }
}

/** An aggregate that is 0 only if no row breaks the expectation. Of unique rows, hashes are counted: they may collide. */
function suspicionOf(expectation: Expectation): string {
  if (expectation.kind !== 'unique') return `count(*) filter (where ${isBrokenBy(expectation)})`
  return `count(*) - count(distinct hash(${expectation.columns.map(identifier).join(', ')}))`
}

/** An SQL condition that is true of a row that breaks the expectation, and false of any other: never null. */
function isBrokenBy(expectation: Exclude<Expectation, { readonly kind: 'unique' }>): string {
  if (expectation.kind === 'notNull') return `${identifier(expectation.column)} is null`
  const holdsOfNull = expectation.nulls === 'hold'
  return `not coalesce((${conditionOf(expectation)}), ${holdsOfNull})`
}

function conditionOf(expectation: Exclude<Expectation, { readonly kind: 'unique' | 'notNull' }>): string {
  switch (expectation.kind) {
    case 'between': {
      const column = identifier(expectation.column)
      const below = expectation.max === undefined ? '' : ` and ${column} <= ${expectation.max}`
      return `${column} >= ${expectation.min}${below}`
    }
    case 'oneOf':
      return `${identifier(expectation.column)} in (${expectation.values.map((value) => text(value)).join(', ')})`
    case 'condition':
      return expectation.sql
  }
}

function violatingRows(relation: string, expectation: Expectation, group: string): string {
  const select = `select * from ${relation} as checked`
  if (expectation.kind !== 'unique') return `${select} where ${isBrokenBy(expectation)}`
  const columns = expectation.columns.map(identifier).join(', ')
  return `${select} qualify count(*) over (partition by ${group}, ${columns}) > 1`
}
