/**
 * Gives columns a wider type, and records the change, which readers of older files need. Delta PROTOCOL.md, "Type
 * Widening".
 */
import { LakeError } from '../../base/errors.ts'
import type { JsonValue } from '../../base/json.ts'
import { type DataType, duckDbType, type Field, type PrimitiveType } from './schema.ts'
import { isWidening } from './type-widening.ts'

export const typeWidening = 'delta.enableTypeWidening'
const typeChangesKey = 'delta.typeChanges'

/** For errors: Delta's name of the type, of nested ones DuckDB's. */
export function typeName(type: DataType): string {
  return typeof type === 'string' ? type : duckDbType(type)
}

/**
 * The field with a type change noted.
 *
 * @param fieldPath Where inside the field the type is, as the protocol spells it: `element`, `value.element`; empty
 * for the field itself.
 */
export function withTypeChange(
  field: Field,
  fieldPath: readonly string[],
  from: PrimitiveType,
  to: PrimitiveType,
): Field {
  const before = field.metadata[typeChangesKey]
  const change: JsonValue = {
    fromType: from,
    toType: to,
    ...(fieldPath.length > 0 && { fieldPath: fieldPath.join('.') }),
  }
  const changes = [...(Array.isArray(before) ? (before as readonly JsonValue[]) : []), change]
  return { ...field, metadata: { ...field.metadata, [typeChangesKey]: changes } }
}

/** @throws LakeError `SCHEMA_MISMATCH` naming the column and both types. */
export function requireWidening(column: string, from: DataType, to: DataType): void {
  if (typeof from === 'string' && typeof to === 'string' && isWidening(from, to)) return
  throw new LakeError(
    'SCHEMA_MISMATCH',
    `Column ${column} is ${typeName(from)}, which cannot become ${typeName(to)}: not every value of the old type is a value of the new one`,
    {
      details: { column, from: typeName(from), to: typeName(to), fault: 'not-a-wider-type' },
    },
  )
}
