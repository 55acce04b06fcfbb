/**
 * Rows as a data frame. The frame's class is handed in, so that nothing here loads one: a notebook
 * hands in danfo's `DataFrame`, and gets that.
 */
import { LakeError } from '../base/errors.ts'
import { type AnyRow, compactJson, plainNumber, type RowFrame } from './cell-value.ts'
import { cellOf, columnNames, namedRows } from './named-rows.ts'

/** What the constructor of a column-oriented data frame looks like. */
export type FrameClass<Frame> = new (
  columns: Record<string, readonly (string | number | boolean | null)[]>,
) => Frame

/**
 * A frame with a column for each name that a row has, in the order in which they come. Whole numbers that no
 * number can hold exactly turn their whole column into text, and so do lists and objects.
 *
 * @throws LakeError `USAGE` when there are no rows: a frame would not know its columns.
 */
export function toFrame<Frame>(Class: FrameClass<Frame>, rows: readonly object[]): Frame {
  if (rows.length === 0) {
    throw new LakeError('USAGE', 'toFrame: expected at least one row', { details: { fault: 'no-rows' } })
  }
  return new Class(columnsOf(rows))
}

/** The same rows, column by column. */
export function columnsOf(rows: readonly object[]): Record<string, (string | number | boolean | null)[]> {
  return Object.fromEntries(
    columnNames(rows).map((name) => [name, columnOf(rows.map((row) => cellOf(row, name)))]),
  )
}

function columnOf(values: readonly unknown[]): (string | number | boolean | null)[] {
  const plain = values.map((value) => (value === undefined ? null : plainNumber(value)))
  const scalars = plain.filter(isScalar)
  if (scalars.length === plain.length) return scalars
  return plain.map((value) => (value === null ? null : asText(value)))
}

function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

function asText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return typeof value === 'object' && value !== null ? compactJson(value) : String(value)
}

export function frameRows({ columns, values }: RowFrame): readonly AnyRow[] {
  return namedRows(columns, values)
}
