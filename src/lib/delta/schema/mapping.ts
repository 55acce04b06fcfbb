/**
 * Ids and physical names for the fields of a table that maps its columns. Delta PROTOCOL.md, "Column Mapping".
 *
 * An id is given once and never again: `delta.columnMapping.maxColumnId` only rises.
 */
import { randomUUID } from 'node:crypto'
import type { StructType } from './schema.ts'
import { changeFields, fieldsOf } from './walk.ts'

export const mappingMode = 'delta.columnMapping.mode'
export const maxColumnId = 'delta.columnMapping.maxColumnId'
const idKey = 'delta.columnMapping.id'
const physicalNameKey = 'delta.columnMapping.physicalName'

type Properties = Readonly<Record<string, string>>

export interface Mapped {
  readonly schema: StructType
  readonly properties: Properties
}

export function isMapped(properties: Properties): boolean {
  return !/^(none)?$/i.test(properties[mappingMode] ?? '')
}

/**
 * Ids and physical names for the fields that have none; the others keep theirs.
 *
 * @param physicalNames What new fields are called in files: as they are in the schema, for a table that has files
 * already, or by names of their own that no later field can be confused with.
 */
export function withMapping(
  schema: StructType,
  properties: Properties,
  physicalNames: 'asInSchema' | 'unique',
): Mapped {
  let max = Math.max(Number(properties[maxColumnId] ?? 0), highestId(schema))
  const mapped = changeFields(schema, (field) => {
    const { [idKey]: id = ++max, [physicalNameKey]: name, ...metadata } = field.metadata
    const fresh = physicalNames === 'unique' ? `col-${randomUUID()}` : field.name
    return { ...field, metadata: { ...metadata, [idKey]: id, [physicalNameKey]: name ?? fresh } }
  })
  return { schema: mapped, properties: { ...properties, [maxColumnId]: String(max) } }
}

function highestId(schema: StructType): number {
  return fieldsOf(schema).reduce((max, { metadata }) => Math.max(max, Number(metadata[idKey] ?? 0)), 0)
}
