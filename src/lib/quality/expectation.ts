/**
 * What must hold of the rows of a relation. An expectation is data: what asks it is in `evaluate.ts`.
 *
 * Nothing is decided by an accident of SQL: whether null breaks an expectation is declared with it.
 */

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
    case 'condition':
      return expectation.name
  }
}
