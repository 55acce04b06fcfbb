/** The new metadata and protocol of a table whose schema, partitioning or properties change. Pure. */
import { withoutMapping } from '../schema/column-mapping.ts'
import { decodeSchema, encodeSchema, type StructType } from '../schema/schema.ts'
import { requireNarrow, requireUniqueNames } from '../schema/schema-path.ts'
import { requireRoomForChanges } from './change-columns.ts'
import { columnMappingMode, withMapping } from './mapping.ts'
import type { Metadata, Protocol } from './metadata.ts'
import { propertiesOf } from './properties.ts'
import { requireWritable } from './protocol.ts'
import { protocolFor } from './protocol-for.ts'

/** What becomes of a table; what is not named stays. */
export interface Alteration {
  readonly schema?: StructType
  readonly partitionColumns?: readonly string[]
  readonly properties?: Metadata['configuration']
  /** Features to be listed whether they are used or not. */
  readonly features?: readonly string[]
}

export interface Altered {
  readonly metadata: Metadata
  /** Where it is another than the table has. */
  readonly protocol?: Protocol
}

/**
 * What the table's log is to say. New fields of a table that maps its columns get ids and names of their own.
 *
 * @throws LakeError `PROTOCOL_UNSUPPORTED` for what we cannot write, `SCHEMA_MISMATCH` for names that are the same
 * but for case, and for columns of changes where those are wanted.
 */
export function altered(
  { metadata: before, protocol }: { readonly metadata: Metadata; readonly protocol: Protocol },
  { schema, partitionColumns, properties, features }: Alteration,
  uri: string,
): Altered {
  const configuration = properties ?? before.configuration
  const isMappedNow = columnMappingMode(protocol, before) !== 'none'
  const ofNow = decodeSchema(before.schemaString)
  const wanted = schema ?? (isMappedNow ? ofNow : withoutMapping(ofNow))
  if (schema !== undefined) requireNarrow(schema)
  requireUniqueNames(wanted)
  requireRoomForChanges(wanted, configuration, uri)
  // A table that begins to map its columns has files that name them as the schema does.
  const physicalNames = isMappedNow ? 'unique' : 'asInSchema'
  const mapped =
    propertiesOf(configuration).columnMappingMode !== 'none'
      ? withMapping(wanted, configuration, physicalNames)
      : { schema: wanted, properties: configuration }
  const metadata: Metadata = {
    ...before,
    schemaString: encodeSchema(mapped.schema),
    partitionColumns: partitionColumns ?? before.partitionColumns,
    configuration: mapped.properties,
  }
  const grown = protocolFor(mapped.schema, mapped.properties, protocol, features)
  requireWritable(grown, metadata, uri)
  return { metadata, ...(grown !== protocol && { protocol: grown }) }
}
