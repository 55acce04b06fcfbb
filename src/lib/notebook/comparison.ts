/** Two lists of rows that should say the same, brought together by their keys. Pure. */
import { inspect, isDeepStrictEqual } from 'node:util'
import { LakeError } from '../base/errors.ts'
import { type AnyRow, plainNumber, plainRow } from './cell-value.ts'
import { cellOf } from './named-rows.ts'

/** One key of both sides. `left` or `right` is undefined where that side has no such row. */
export interface ComparedRow {
  readonly key: AnyRow
  readonly left: AnyRow | undefined
  readonly right: AnyRow | undefined
  /** The columns that differ; empty where one side lacks the row. */
  readonly differing: readonly string[]
  readonly isEqual: boolean
}

export interface Comparison {
  /** Every key once: in the order of `left`, then what only `right` has. */
  readonly rows: readonly ComparedRow[]
  readonly isEqual: boolean
}

export interface ComparisonOptions {
  /** Columns that name a row on both sides. */
  readonly key: readonly string[]
  /** Columns that are compared; default: all that a row of the left side has. */
  readonly columns?: readonly string[]
}

/**
 * Values are equal when they are the same value, lists and times by what they hold: numbers are not rounded, and a bigint
 * equals its number. In a key null is a value like others, and not the text `null`.
 *
 * @throws LakeError `CONSTRAINT_VIOLATED` when a key stands twice on one side.
 */
export function compareRows(
  left: readonly object[],
  right: readonly object[],
  { key, columns }: ComparisonOptions,
): Comparison {
  const lefts = byKey(left, key, 'left')
  const rights = byKey(right, key, 'right')
  const rows = [...new Set([...lefts.keys(), ...rights.keys()])].map((name): ComparedRow => {
    const [one, other] = [lefts.get(name), rights.get(name)]
    const compared = columns ?? Object.keys(one ?? {})
    const differing =
      one === undefined || other === undefined
        ? []
        : compared.filter((column) => !isSame(cellOf(one, column), cellOf(other, column)))
    const isEqual = one !== undefined && other !== undefined && differing.length === 0
    return { key: pick(one ?? other ?? {}, key), left: one, right: other, differing, isEqual }
  })
  return { rows, isEqual: rows.every((row) => row.isEqual) }
}

function byKey(rows: readonly object[], key: readonly string[], side: string): Map<string, AnyRow> {
  const found = new Map<string, AnyRow>()
  for (const row of rows.map((each): AnyRow => ({ ...each }))) {
    const name = nameOf(pick(row, key))
    if (found.has(name)) {
      throw new LakeError('CONSTRAINT_VIOLATED', `compareRows: ${name} stands twice on the ${side} side`, {
        details: { fault: 'compared-key-not-unique', key },
      })
    }
    found.set(name, row)
  }
  return found
}

/** Tells apart what is not the same, where `String` would not. */
function nameOf(key: AnyRow): string {
  return inspect(plainRow(key), {
    depth: null,
    maxArrayLength: null,
    maxStringLength: null,
    breakLength: Infinity,
  })
}

function pick(row: AnyRow, columns: readonly string[]): AnyRow {
  return Object.fromEntries(columns.map((column) => [column, cellOf(row, column)]))
}

function isSame(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(plainNumber(one), plainNumber(other))
}
