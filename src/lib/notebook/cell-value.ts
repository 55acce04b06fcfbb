/** Values as a notebook meets them: plain, without rounding, and printable. */

/** A row of any query; what a column holds is the query's affair. */
export type AnyRow = Readonly<Record<string, unknown>>

/** A data frame of danfo, or another with these two: the names of its columns, and its rows by position. */
export interface RowFrame {
  readonly columns: readonly string[]
  readonly values: readonly (readonly unknown[])[]
}

/** A bigint as a number where that says the same; every other value as it is. */
export function plainNumber(value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** The same of each value of a row. */
export function plainRow(row: AnyRow): AnyRow {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainNumber(value)]))
}

/**
 * As one would write it in a table: nothing for null, values of a list one after the other (null in it by its name), bytes
 * by their length.
 */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`
  if (Array.isArray(value)) return value.map((each) => (each === null ? 'null' : cellText(each))).join(', ')
  return typeof value === 'object' ? compactJson(value) : String(value)
}

/** JSON on one line; a bigint is written as text. */
export function compactJson(value: object): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner))
}
