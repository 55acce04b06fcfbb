/**
 * Columns whose type was widened: files hold the type of their time. Delta PROTOCOL.md, "Type Widening".
 *
 * A change that is not on the protocol's list is refused: its meaning for old files is not ours to guess.
 */
import { LakeError } from '../base/errors.ts'
import type { JsonValue } from '../base/json.ts'
import { type DataType, decimalOf, type Field, type StructType } from './schema.ts'

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

/** Digits before the point that a decimal needs to hold any value of the type. */
const wholeDigits: Readonly<Record<string, number>> = { byte: 10, short: 10, integer: 10, long: 20 }

/** Whether files that hold `from` may be read as `to`. */
export function isWidening(from: string, to: string): boolean {
  if (Object.hasOwn(widerTypes, from) && widerTypes[from]?.includes(to) === true) return true
  const wide = decimalOf(to)
  if (wide === undefined) return false
  const narrow = decimalOf(from)
  const digits = Object.hasOwn(wholeDigits, from) ? wholeDigits[from] : undefined
  if (narrow !== undefined) {
    return wide.scale >= narrow.scale && wide.precision - wide.scale >= narrow.precision - narrow.scale
  }
  return digits !== undefined && wide.precision - wide.scale >= digits
}

/** @throws LakeError `PROTOCOL_UNSUPPORTED` naming the column and the change. */
export function requireKnownTypeChanges(schema: StructType, table: string): void {
  visit(schema, '', (where, changes) => {
    for (const change of changesIn(changes)) {
      const [from, to] = [nameOf(change.fromType), nameOf(change.toType)]
      if (isWidening(from, to)) continue
      throw new LakeError(
        'PROTOCOL_UNSUPPORTED',
        `Cannot read ${table}: it needs typeWidening of column ${where} from ${from} to ${to}`,
        { details: { table, column: where, from, to } },
      )
    }
  })
}

/**
 * Whether a value of the column's type may lie between two of a type that files hold: not so for whole numbers.
 * The column may hold others; those count too.
 */
export function holdsFiner(column: Field): boolean {
  let found = false
  visit({ type: 'struct', fields: [column] }, '', (_, changes) => {
    for (const { toType } of changesIn(changes)) {
      found ||= toType !== 'long' && toType !== 'integer' && toType !== 'short'
    }
  })
  return found
}

const nameOf = (type: JsonValue | undefined): string => (typeof type === 'string' ? type : 'an unknown type')

/** What is no change counts as one between types that nobody knows. */
function changesIn(value: JsonValue | undefined): readonly TypeChange[] {
  if (!Array.isArray(value)) return []
  return (value as readonly JsonValue[]).map((change) =>
    typeof change === 'object' && change !== null ? (change as TypeChange) : {},
  )
}

function visit(
  type: DataType,
  where: string,
  see: (where: string, changes: JsonValue | undefined) => void,
): void {
  if (typeof type === 'string') return
  switch (type.type) {
    case 'struct':
      for (const field of type.fields) {
        const name = where === '' ? field.name : `${where}.${field.name}`
        see(name, field.metadata[typeChangesKey])
        visit(field.type, name, see)
      }
      return
    case 'array':
      visit(type.elementType, `${where}.element`, see)
      return
    case 'map':
      visit(type.keyType, `${where}.key`, see)
      visit(type.valueType, `${where}.value`, see)
  }
}
