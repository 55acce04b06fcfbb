/**
 * What must hold of a relation and its rows. An expectation is data: what asks it is in `evaluate.ts`.
 *
 * Nothing is decided by an accident of SQL: whether null breaks an expectation is declared with it.
 */
import { countOf } from '../base/count-of.ts'

/** Whether null breaks the expectation; it does where nothing is said. */
interface Nulls {
  readonly nulls?: 'break' | 'hold'
}

export type Expectation = RowExpectation | QueryExpectation | FreshnessExpectation | DriftExpectation

/** Of rows: all of them are asked in one scan. */
export type RowExpectation =
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
  /**
   * The values of the columns are in a row of another relation, in columns of the same names. Its row with a null there is
   * no such row; `nulls` says what null is here.
   */
  | ({ readonly kind: 'references'; readonly columns: readonly string[]; readonly relation: string } & Nulls)

/** Of what a row alone does not show: a SELECT over `checked`, which returns the rows that break it. A scan of its own. */
export interface QueryExpectation {
  readonly kind: 'query'
  /** In words. */
  readonly name: string
  readonly sql: string
  /**
   * `group`: a row breaks it within its group, whose column the SELECT returns. `relation`: its rows may be of several
   * groups, and it cannot be asked of a part. `group` without it.
   */
  readonly of?: 'group' | 'relation'
}

/** The newest value of a time column, over the whole relation. Without any value there is nothing fresh. */
export interface FreshnessExpectation {
  readonly kind: 'freshness'
  readonly column: string
  readonly maxAgeHours: number
}

/**
 * The number of rows of a day is about that of the same weekday in the weeks before: at most so far from their median, as a
 * share of it. A day that is not over, or that has too few days to be compared with, is neither good nor bad.
 */
export interface DriftExpectation {
  readonly kind: 'drift'
  /** 0.5: from half of the median to one and a half. */
  readonly within: number
  /** So many weeks are looked back; 8 without it. */
  readonly weeks?: number
  /** With fewer days than these nothing is said; 3 without it. */
  readonly atLeast?: number
}

export const expectationKinds = [
  'notNull',
  'unique',
  'between',
  'oneOf',
  'condition',
  'references',
  'query',
  'freshness',
  'drift',
] as const satisfies readonly Expectation['kind'][]

/** Whether it is asked of the relation as a whole: the rows of some groups alone do not answer it. */
export function isOfRelation(expectation: Expectation): boolean {
  return expectation.kind === 'freshness' || (expectation.kind === 'query' && expectation.of === 'relation')
}

/** In words: `dau_count is between 1 and any`. The words are the name by which results are kept. */
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
    case 'references':
      return `${expectation.columns.join(', ')} is in ${expectation.relation}`
    case 'freshness':
      return `the newest ${expectation.column} is at most ${countOf(expectation.maxAgeHours, 'hour')} old`
    case 'drift':
      return `the number of rows is within ${Math.round(expectation.within * 100)} % of its weekday`
    case 'condition':
    case 'query':
      return expectation.name
  }
}
