/**
 * Column mapping of a table: whether files name columns differently from the schema, and the ids and physical names of
 * fields. Delta PROTOCOL.md, "Column Mapping".
 *
 * An id is given once and never again: `delta.columnMapping.maxColumnId` only rises.
 */
import { randomUUID } from 'node:crypto'
import { idKey, physicalNameKey, withoutMapping } from '../schema/column-mapping.ts'
import { decodeSchema, type StructType } from '../schema/schema.ts'
import { changeFields, fieldsOf } from '../schema/walk.ts'
import { hasReaderFeature } from './features.ts'
import type { Metadata, Protocol, StringMap } from './metadata.ts'
import { propertiesOf, type TableProperties, tableProperties } from './properties.ts'

/** How the files of a table name their columns. */
export function columnMappingMode(
  protocol: Protocol,
  { configuration }: Metadata,
): TableProperties['columnMappingMode'] {
  // Delta-spark 3.1 lists it only for writers, although the columns are mapped for readers too.
  const isSupported =
    protocol.minReaderVersion === 2 ||
    hasReaderFeature(protocol, 'columnMapping') ||
    protocol.writerFeatures?.includes('columnMapping') === true
  return isSupported ? propertiesOf(configuration).columnMappingMode : 'none'
}

/** The schema by which files are written: it names columns as `nameInFiles` finds them where the table maps them. */
export function fileSchema({ schemaString, configuration }: Metadata): StructType {
  const schema = decodeSchema(schemaString)
  return propertiesOf(configuration).columnMappingMode === 'none' ? withoutMapping(schema) : schema
}

export interface Mapped {
  readonly schema: StructType
  readonly properties: StringMap
}

/**
 * Ids and physical names for the fields that have none; the others keep theirs.
 *
 * @param physicalNames What new fields are called in files: as they are in the schema, for a table that has files
 * already, or by names of their own that no later field can be confused with.
 */
export function withMapping(
  schema: StructType,
  properties: StringMap,
  physicalNames: 'asInSchema' | 'unique',
): Mapped {
  let max = Math.max(propertiesOf(properties).maxColumnId, highestId(schema))
  const mapped = changeFields(schema, (field) => {
    const { [idKey]: id = ++max, [physicalNameKey]: name, ...metadata } = field.metadata
    const fresh = physicalNames === 'unique' ? `col-${randomUUID()}` : field.name
    return { ...field, metadata: { ...metadata, [idKey]: id, [physicalNameKey]: name ?? fresh } }
  })
  return { schema: mapped, properties: { ...properties, [tableProperties.maxColumnId.name]: String(max) } }
}

function highestId(schema: StructType): number {
  return fieldsOf(schema).reduce((max, { metadata }) => Math.max(max, Number(metadata[idKey] ?? 0)), 0)
}
