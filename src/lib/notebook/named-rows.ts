/**
 * Rows as objects that keep all columns of an answer in its order.
 *
 * JavaScript moves names like `2024` to the front of an object: where it does, the order of the answer is remembered
 * beside its rows. A name that is doubled gets a number: `a`, `a:1`.
 */
import { distinctNames } from '../base/distinct-names.ts'
import type { AnyRow } from './cell-value.ts'

const orderOf = new WeakMap<object, readonly string[]>()

/** @param tuples values by the position of their column. */
export function namedRows(
  columns: readonly string[],
  tuples: readonly (readonly unknown[])[],
): readonly AnyRow[] {
  const names = distinctNames(columns)
  const isMoved = names.some((name) => /^\d+$/.test(name))
  return tuples.map((values) => {
    // Not by assignment: `__proto__` is a name like any other.
    const row = Object.fromEntries(names.map((name, index) => [name, values[index] ?? null]))
    if (isMoved) orderOf.set(row, names)
    return row
  })
}

/** The columns that any of the rows has, in the order in which they come. */
export function columnNames(rows: readonly object[]): readonly string[] {
  return [...new Set(rows.flatMap((row) => orderOf.get(row) ?? Object.keys(row)))]
}

/** The value of a column; `undefined` where the row does not have it, whatever objects inherit by that name. */
export function cellOf(row: object, column: string): unknown {
  return Object.hasOwn(row, column) ? Reflect.get(row, column) : undefined
}
