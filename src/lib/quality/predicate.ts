/** Expectations as SQL: an aggregate that suspects, and a SELECT that finds the rows. Null is decided by declaration. */
import { identifier, text } from '../duckdb/sql-text.ts'
import type { Expectation } from './expectation.ts'

/** An aggregate that is 0 only if no row breaks the expectation. Of unique rows, hashes are counted: they may collide. */
export function suspicionOf(expectation: Expectation): string {
  if (expectation.kind !== 'unique') return `count(*) filter (where ${isBrokenBy(expectation)})`
  return `count(*) - count(distinct hash(${expectation.columns.map(identifier).join(', ')}))`
}

/**
 * A SELECT of the rows that break the expectation, with all of their columns.
 *
 * @param group SQL: unique rows are unique among those for which it has one value.
 */
export function violatingRows(relation: string, expectation: Expectation, group: string): string {
  const select = `select * from ${relation} as checked`
  if (expectation.kind !== 'unique') return `${select} where ${isBrokenBy(expectation)}`
  const columns = expectation.columns.map(identifier).join(', ')
  return `${select} qualify count(*) over (partition by ${group}, ${columns}) > 1`
}

type Conditional = Exclude<Expectation, { readonly kind: 'unique' }>

/** An SQL condition that is true of a row that breaks the expectation, and false of any other: never null. */
function isBrokenBy(expectation: Conditional): string {
  if (expectation.kind === 'notNull') return `${identifier(expectation.column)} is null`
  const holdsOfNull = expectation.nulls === 'hold'
  return `not coalesce((${conditionOf(expectation)}), ${holdsOfNull})`
}

function conditionOf(expectation: Exclude<Conditional, { readonly kind: 'notNull' }>): string {
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
