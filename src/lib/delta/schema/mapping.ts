/**
 * Ids and physical names for the fields of a table that maps its columns. Delta PROTOCOL.md, "Column Mapping".
 *
 * An id is given once and never again: `delta.columnMapping.maxColumnId` only rises.
 */
import { randomUUID } from 'node:crypto'
import type { Metadata } from '../log/actions.ts'
import type { DataType, Field, StructType } from './schema.ts'

export const mappingMode = 'delta.columnMapping.mode'
export const maxColumnId = 'delta.columnMapping.maxColumnId'
const idKey = 'delta.columnMapping.id'
const physicalNameKey = 'delta.columnMapping.physicalName'

type Properties = Metadata['configuration']

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
  const ofField = (field: Field): Field => {
    const { [idKey]: id = ++max, [physicalNameKey]: name, ...metadata } = field.metadata
    const fresh = physicalNames === 'unique' ? `col-${randomUUID()}` : field.name
    return {
      ...field,
      type: ofType(field.type),
      metadata: { ...metadata, [idKey]: id, [physicalNameKey]: name ?? fresh },
    }
  }
  const ofType = (type: DataType): DataType => {
    if (typeof type === 'string') return type
    switch (type.type) {
      case 'struct':
        return { ...type, fields: type.fields.map(ofField) }
      case 'array':
        return { ...type, elementType: ofType(type.elementType) }
      case 'map':
        return { ...type, keyType: ofType(type.keyType), valueType: ofType(type.valueType) }
    }
  }
  const fields = schema.fields.map(ofField)
  return { schema: { ...schema, fields }, properties: { ...properties, [maxColumnId]: String(max) } }
}

function highestId(type: DataType): number {
  if (typeof type === 'string') return 0
  switch (type.type) {
    case 'struct':
      return type.fields.reduce(
        (max, { metadata, type: inner }) => Math.max(max, Number(metadata[idKey] ?? 0), highestId(inner)),
        0,
      )
    case 'array':
      return highestId(type.elementType)
    case 'map':
      return Math.max(highestId(type.keyType), highestId(type.valueType))
  }
}
