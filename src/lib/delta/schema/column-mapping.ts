/**
 * The names of columns in data files, partition values and statistics, if they differ from those of the schema. Delta
 * PROTOCOL.md, "Column Mapping".
 */

import { text } from '../../duckdb/sql-text.ts'
import { findNamed } from './names.ts'
import type { DataType, Field, StructType } from './schema.ts'
import { changeFields } from './walk.ts'

export const physicalNameKey = 'delta.columnMapping.physicalName'
export const idKey = 'delta.columnMapping.id'

export function nameInFiles({ name, metadata }: Field): string {
  const physical = metadata[physicalNameKey]
  return typeof physical === 'string' ? physical : name
}

/** Names in the spelling of the schema: some writers spell partition columns in another case. */
export function spelledBy({ fields }: StructType, names: readonly string[]): readonly string[] {
  return names.map((name) => findNamed(fields, name)?.name ?? name)
}

/** What a partition column, which the log names logically, is called in `partitionValues`. */
export function partitionKeys(schema: StructType, partitionColumns: readonly string[]): readonly string[] {
  return spelledBy(schema, partitionColumns).map((column) => {
    const found = schema.fields.find(({ name }) => name === column)
    return found === undefined ? column : nameInFiles(found)
  })
}

/**
 * The field ids that the files of a mapped table must hold, as DuckDB's `FIELD_IDS`; `undefined` where the table
 * has none. Columns that `partitionColumns` names are not in the files.
 */
export function fieldIds(schema: StructType, partitionColumns: readonly string[]): string | undefined {
  const stored = schema.fields.filter(({ name }) => !partitionColumns.includes(name))
  if (!stored.some(({ metadata }) => idKey in metadata)) return undefined
  return idsOf(stored)
}

function idsOf(fields: readonly Field[]): string {
  const entries = fields
    .filter(({ metadata }) => idKey in metadata)
    .map((each) => {
      const id = Number(each.metadata[idKey])
      const inner = idsInside(each.type)
      const own = inner === undefined ? `${id}` : `{__duckdb_field_id: ${id}, ${inner}}`
      return `${text(nameInFiles(each))}: ${own}`
    })
  return `{${entries.join(', ')}}`
}

/** Elements, keys and values have no ids of their own; the structs in them do. */
function idsInside(type: DataType): string | undefined {
  if (typeof type === 'string') return undefined
  switch (type.type) {
    case 'struct':
      return idsOf(type.fields).slice(1, -1)
    case 'array':
      return named({ element: type.elementType })
    case 'map':
      return named({ key: type.keyType, value: type.valueType })
  }
}

function named(parts: Readonly<Record<string, DataType>>): string | undefined {
  const entries = Object.entries(parts).flatMap(([name, type]) => {
    const inner = idsInside(type)
    return inner === undefined ? [] : [`${name}: {${inner}}`]
  })
  return entries.length === 0 ? undefined : entries.join(', ')
}

export function columnId({ metadata }: Field): number | undefined {
  const id = metadata[idKey]
  return typeof id === 'number' ? id : undefined
}

/** The schema of a table that does not map its columns, whatever an earlier time has left in its metadata. */
export function withoutMapping(schema: StructType): StructType {
  return changeFields(schema, (field) => {
    const { [physicalNameKey]: _, ...metadata } = field.metadata
    return { ...field, metadata }
  })
}
