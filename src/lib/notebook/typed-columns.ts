/** Rows of a notebook as columns of the engine, so that SQL can be asked of them. No value is changed. */
import { LakeError } from '../base/errors.ts'
import type { AppendColumn } from '../duckdb/append.ts'
import { compactJson, type RowFrame } from './cell-value.ts'
import { cellOf, columnNames } from './named-rows.ts'

export function isRowFrame(of: object): of is RowFrame {
  return !Array.isArray(of) && 'columns' in of && Array.isArray(of.columns) && 'values' in of
}

/**
 * The columns of rows, or of a frame, each of the type that holds its values: whole numbers, numbers, texts, truths,
 * bytes, times. Lists and objects are texts of JSON; an absent value is null.
 *
 * @throws LakeError `USAGE` naming a column whose values are of two types, or a whole number beyond 64 bits; and for rows
 * that name no column.
 */
export function typedColumns(of: readonly object[] | RowFrame): readonly AppendColumn[] {
  const columns = isRowFrame(of)
    ? of.columns.map((name, at) => ({ name, values: of.values.map((row) => row[at]) }))
    : columnNames(of).map((name) => ({ name, values: of.map((row) => cellOf(row, name)) }))
  if (columns.length > 0) return columns.map(({ name, values }) => typedColumn(name, values))
  throw new LakeError('USAGE', 'expected at least one row, or a frame with columns', {
    details: { fault: 'no-rows' },
  })
}

function typedColumn(name: string, values: readonly unknown[]): AppendColumn {
  const kinds = new Set(values.flatMap((value) => kindOf(value) ?? []))
  // A whole number is a number among others that are not whole.
  if (kinds.has('double')) kinds.delete('whole')
  const [kind = 'text', ...others] = kinds
  if (others.length > 0) {
    throw new LakeError(
      'USAGE',
      `column ${name}: expected values of one type, got ${[...kinds].join(' and ')}`,
      {
        details: { column: name },
      },
    )
  }
  switch (kind) {
    case 'whole':
      return { name, kind: 'bigint', values: values.map((value) => wholeOf(name, value)) }
    case 'double':
      return { name, kind: 'double', values: values.map((value) => doubleOf(name, value)) }
    case 'boolean':
      return {
        name,
        kind: 'boolean',
        values: values.map((value) => (typeof value === 'boolean' ? value : null)),
      }
    case 'bytes':
      return {
        name,
        kind: 'blob',
        values: values.map((value) => (value instanceof Uint8Array ? value : null)),
      }
    case 'time':
      return {
        name,
        kind: 'timestampMs',
        values: values.map((value) => (value instanceof Date ? value.getTime() : null)),
      }
    case 'text':
      return { name, kind: 'varchar', values: values.map(textOf) }
  }
}

type Kind = 'whole' | 'double' | 'boolean' | 'bytes' | 'time' | 'text'

function kindOf(value: unknown): Kind | undefined {
  if (value === null || value === undefined) return undefined
  switch (typeof value) {
    case 'bigint':
      return 'whole'
    case 'number':
      return Number.isSafeInteger(value) ? 'whole' : 'double'
    case 'boolean':
      return 'boolean'
    case 'object':
      return value instanceof Uint8Array ? 'bytes' : value instanceof Date ? 'time' : 'text'
    default:
      return 'text'
  }
}

const [least, most] = [-(2n ** 63n), 2n ** 63n - 1n]

function wholeOf(name: string, value: unknown): bigint | null {
  if (typeof value !== 'number' && typeof value !== 'bigint') return null
  const whole = BigInt(value)
  if (whole >= least && whole <= most) return whole
  throw new LakeError('USAGE', `column ${name}: expected whole numbers of 64 bits, got ${value}`, {
    details: { column: name },
  })
}

function doubleOf(name: string, value: unknown): number | null {
  if (typeof value === 'number') return value
  if (typeof value !== 'bigint') return null
  if (BigInt(Number(value)) === value) return Number(value)
  throw new LakeError(
    'USAGE',
    `column ${name}: expected values of one type, got ${value}, which a number would round`,
    {
      details: { column: name },
    },
  )
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return typeof value === 'object' ? compactJson(value) : String(value)
}
