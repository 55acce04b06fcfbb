/**
 * Columns whose type was widened: older files still hold the older type. Delta PROTOCOL.md, "Type Widening".
 *
 * A table is refused if a widening could lose part of a value of an old file. We make only widenings that the protocol
 * lists.
 */
import { LakeError } from '../../base/errors.ts'
import type { JsonValue } from '../../base/json.ts'
import { decimalOf, type Field, type StructType } from './schema.ts'
import { fieldsOf, fieldsWithPaths } from './walk.ts'

const typeChangesKey = 'delta.typeChanges'

interface TypeChange {
  readonly fromType?: JsonValue
  readonly toType?: JsonValue
}

const widerTypes: Readonly<Record<string, readonly string[]>> = {
  byte: ['short', 'integer', 'long', 'double'],
  short: ['integer', 'long', 'double'],
  integer: ['long', 'double'],
  float: ['double'],
  date: ['timestamp_ntz'],
}

/** Digits before the point that the protocol asks of a decimal for the type. */
const wholeDigits: Readonly<Record<string, number>> = { byte: 10, short: 10, integer: 10, long: 20 }
/** Those that hold any value of the type: older writers asked for no more. */
const neededDigits: Readonly<Record<string, number>> = { byte: 3, short: 5, integer: 10, long: 19 }

/** Whether `from` may be made `to`. */
export function isWidening(from: string, to: string): boolean {
  return isWidened(from, to, wholeDigits)
}

/** Whether every value of `from` is one of `to`: files that hold the one may be read as the other. */
function isLossless(from: string, to: string): boolean {
  return isWidened(from, to, neededDigits)
}

function isWidened(from: string, to: string, digitsOf: Readonly<Record<string, number>>): boolean {
  if (Object.hasOwn(widerTypes, from) && widerTypes[from]?.includes(to) === true) return true
  const wide = decimalOf(to)
  if (wide === undefined) return false
  const narrow = decimalOf(from)
  const digits = Object.hasOwn(digitsOf, from) ? digitsOf[from] : undefined
  if (narrow !== undefined) {
    return wide.scale >= narrow.scale && wide.precision - wide.scale >= narrow.precision - narrow.scale
  }
  return digits !== undefined && wide.precision - wide.scale >= digits
}

/** @throws LakeError `PROTOCOL_UNSUPPORTED` naming the column and the change. */
export function requireKnownTypeChanges(schema: StructType, table: string): void {
  for (const { field, path } of fieldsWithPaths(schema)) {
    for (const change of changesIn(field)) {
      const where = path.join('.')
      const [from, to] = [nameOf(change.fromType), nameOf(change.toType)]
      if (isLossless(from, to)) continue
      throw new LakeError(
        'PROTOCOL_UNSUPPORTED',
        `Cannot read ${table}: it needs typeWidening of column ${where} from ${from} to ${to}`,
        { details: { table, column: where, from, to } },
      )
    }
  }
}

/**
 * Whether a value of the column's type may lie between two of a type that files hold: not so for whole numbers.
 * The column may hold others; those count too.
 */
export function holdsFiner(column: Field): boolean {
  return [column, ...fieldsOf(column.type)]
    .flatMap(changesIn)
    .some(({ toType }) => toType !== 'long' && toType !== 'integer' && toType !== 'short')
}

const nameOf = (type: JsonValue | undefined): string => (typeof type === 'string' ? type : 'an unknown type')

/** What is no change counts as one between types that nobody knows. */
function changesIn({ metadata }: Field): readonly TypeChange[] {
  const value = metadata[typeChangesKey]
  if (!Array.isArray(value)) return []
  return (value as readonly JsonValue[]).map((change) =>
    typeof change === 'object' && change !== null ? (change as TypeChange) : {},
  )
}
