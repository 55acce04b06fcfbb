/**
 * Extends the schema of a table for rows that bring more: new columns, wider types.
 *
 * Pure. The columns of the table keep their places; none is removed or narrowed.
 */
import { LakeError } from '../../base/errors.ts'
import { isSameName } from './names.ts'
import { type DataType, decimalOf, type Field, type PrimitiveType, type StructType } from './schema.ts'
import { pathText } from './schema-path.ts'
import { typeName, withTypeChange } from './type-changes.ts'
import { isWidening } from './type-widening.ts'

export interface MergedSchema {
  readonly schema: StructType
  /** Paths of the columns whose type changes. */
  readonly widened: readonly (readonly string[])[]
}

/** A type that was widened somewhere inside a field. */
interface TypeChange {
  readonly fieldPath: readonly string[]
  readonly from: PrimitiveType
  readonly to: PrimitiveType
}

interface Merging {
  readonly mayWiden: boolean
  readonly widened: (readonly string[])[]
}

/**
 * @param mayWiden Whether the table takes wider types; it does where `delta.enableTypeWidening` is true.
 * @throws LakeError `SCHEMA_MISMATCH` naming a column whose two types cannot be combined, with both types.
 */
export function mergeSchemas(
  table: StructType,
  rows: StructType,
  { mayWiden }: { readonly mayWiden: boolean },
): MergedSchema {
  const merging: Merging = { mayWiden, widened: [] }
  return { schema: mergeStructs(table, rows, [], merging), widened: merging.widened }
}

function mergeStructs(
  table: StructType,
  rows: StructType,
  at: readonly string[],
  merging: Merging,
): StructType {
  const matched = new Set<Field>()
  const fields = table.fields.map((field) => {
    const given =
      rows.fields.find(({ name }) => name === field.name) ??
      rows.fields.find(({ name }) => isSameName(name, field.name))
    if (given === undefined) return field
    matched.add(given)
    const path = [...at, field.name]
    const changes: TypeChange[] = []
    const type = mergeTypes(field.type, given.type, { path, fieldPath: [], changes }, merging)
    if (changes.length > 0) merging.widened.push(path)
    return changes.reduce((sum, { fieldPath, from, to }) => withTypeChange(sum, fieldPath, from, to), {
      ...field,
      type,
    })
  })
  const added = rows.fields
    .filter((field) => !matched.has(field))
    .map((field) => ({ ...field, nullable: true }))
  return { ...table, fields: [...fields, ...added] }
}

function mergeTypes(
  table: DataType,
  rows: DataType,
  at: {
    readonly path: readonly string[]
    readonly fieldPath: readonly string[]
    readonly changes: TypeChange[]
  },
  merging: Merging,
): DataType {
  const inside = (step: string, ofTable: DataType, ofRows: DataType): DataType =>
    mergeTypes(
      ofTable,
      ofRows,
      { ...at, path: [...at.path, step], fieldPath: [...at.fieldPath, step] },
      merging,
    )
  if (typeof table === 'string' || typeof rows === 'string') {
    if (typeof table === 'string' && typeof rows === 'string') {
      if (holdsAll(table, rows)) return table
      if (merging.mayWiden && isWidening(table, rows)) {
        at.changes.push({ fieldPath: at.fieldPath, from: table, to: rows })
        return rows
      }
    }
    throw mismatch(at.path, table, rows)
  }
  if (table.type === 'struct' && rows.type === 'struct') return mergeStructs(table, rows, at.path, merging)
  if (table.type === 'array' && rows.type === 'array') {
    return { ...table, elementType: inside('element', table.elementType, rows.elementType) }
  }
  if (table.type === 'map' && rows.type === 'map') {
    return {
      ...table,
      keyType: inside('key', table.keyType, rows.keyType),
      valueType: inside('value', table.valueType, rows.valueType),
    }
  }
  throw mismatch(at.path, table, rows)
}

const numbers = new Set<DataType>(['byte', 'short', 'integer', 'long', 'float', 'double'])

/** Whether values of `rows` go into `table`. Those that a float would round are refused one by one when staged. */
function holdsAll(table: PrimitiveType, rows: PrimitiveType): boolean {
  if (table === rows || isWidening(rows, table)) return true
  const isNumber = numbers.has(rows) || decimalOf(rows) !== undefined
  return table === 'double' ? isNumber : table === 'float' && isNumber && rows !== 'double'
}

function mismatch(path: readonly string[], table: DataType, rows: DataType): LakeError {
  const column = pathText(path)
  const couldWiden = typeof table === 'string' && typeof rows === 'string' && isWidening(table, rows)
  return new LakeError(
    'SCHEMA_MISMATCH',
    `Column ${column} is ${typeName(table)} in the table and ${typeName(rows)} in the rows`,
    {
      details: { column, table: typeName(table), rows: typeName(rows), fault: 'types-differ', couldWiden },
    },
  )
}
