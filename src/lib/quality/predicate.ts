/** Expectations as SQL: an aggregate that suspects, and a SELECT that finds the rows. Null is decided by declaration. */
import { identifier, text } from '../duckdb/sql-text.ts'
import type { QueryExpectation, RowExpectation } from './expectation.ts'

/** An aggregate that is 0 only if no row breaks the expectation. Of unique rows, hashes are counted: they may collide. */
export function suspicionOf(expectation: RowExpectation): string {
  if (expectation.kind !== 'unique') return `count(*) filter (where ${isBrokenBy(expectation)})`
  return `count(*) - count(distinct hash(${expectation.columns.map(identifier).join(', ')}))`
}

/**
 * A SELECT of the rows that break the expectation, with all of their columns.
 *
 * @param group SQL: unique rows are unique among those for which it has one value.
 */
export function violatingRows(relation: string, expectation: RowExpectation, group: string): string {
  const select = `select * from ${relation} as checked`
  if (expectation.kind !== 'unique') return `${select} where ${isBrokenBy(expectation)}`
  const columns = expectation.columns.map(identifier).join(', ')
  return `${select} qualify count(*) over (partition by ${group}, ${columns}) > 1`
}

/** The rows that the SELECT of the expectation returns. */
export function queriedRows(relation: string, { sql }: QueryExpectation): string {
  // On lines of its own, so that a comment at its end ends there.
  return `with checked as (select * from ${relation}) select * from (\n${sql}\n) as violations`
}

type Conditional = Exclude<RowExpectation, { readonly kind: 'unique' }>

/** An SQL condition that is true of a row that breaks the expectation, and false of any other: never null. */
function isBrokenBy(expectation: Conditional): string {
  if (expectation.kind === 'notNull') return `${identifier(expectation.column)} is null`
  const holdsOfNull = expectation.nulls === 'hold'
  return `not coalesce((${conditionOf(expectation)}), ${holdsOfNull})`
}

/** Null if a value that it needs is null. */
function conditionOf(expectation: Exclude<Conditional, { readonly kind: 'notNull' }>): string {
  switch (expectation.kind) {
    case 'between': {
      const column = identifier(expectation.column)
      const below = expectation.max === undefined ? '' : ` and ${column} <= ${expectation.max}`
      return `${column} >= ${expectation.min}${below}`
    }
    case 'oneOf':
      return `${identifier(expectation.column)} in (${expectation.values.map((value) => text(value)).join(', ')})`
    case 'references': {
      const columns = expectation.columns.map(identifier)
      const isNull = columns.map((column) => `checked.${column} is null`).join(' or ')
      const isSame = columns.map((column) => `referenced.${column} = checked.${column}`).join(' and ')
      const distinct = `select distinct ${columns.join(', ')} from ${identifier(expectation.relation)}`
      return `case when ${isNull} then null else exists (select 1 from (${distinct}) as referenced where ${isSame}) end`
    }
    case 'condition':
      return expectation.sql
  }
}
