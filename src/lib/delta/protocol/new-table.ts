/** The protocol and the metadata of a new table, from its schema and its properties. */
import { randomUUID } from 'node:crypto'
import { LakeError } from '../../base/errors.ts'
import { someOf } from '../../base/some-of.ts'
import { findNamed } from '../schema/names.ts'
import { encodeSchema, type StructType } from '../schema/schema.ts'
import { requireNarrow, requireUniqueNames } from '../schema/schema-path.ts'
import { requireRoomForChanges } from './change-columns.ts'
import { withMapping } from './mapping.ts'
import type { Metadata, Protocol, StringMap } from './metadata.ts'
import { propertiesOf } from './properties.ts'
import { requireWritable } from './protocol.ts'
import { protocolFor } from './protocol-for.ts'
import { checkedProperties } from './set-properties.ts'

export interface TableDeclaration {
  readonly schema: StructType
  readonly partitionBy?: readonly string[]
  /** What they do not ask for is not used: such a table can be written by every writer. */
  readonly properties?: StringMap
  readonly description?: string
}

export interface NewTable {
  readonly protocol: Protocol
  readonly metadata: Metadata
}

/**
 * @param uri names the table in errors. @param nowMs Milliseconds since the epoch.
 * @throws LakeError `CONFIG_INVALID` for a property that cannot be set, `SCHEMA_MISMATCH` for names that are the
 * same but for case, for columns of changes where those are wanted, and for partition columns that are none, `PROTOCOL_UNSUPPORTED` for what we cannot write.
 */
export function declareTable(
  { schema, partitionBy = [], properties: given = {}, description }: TableDeclaration,
  { uri, nowMs }: { readonly uri: string; readonly nowMs: number },
): NewTable {
  const { properties: own, features } = checkedProperties(given, 'newTable')
  requireNarrow(schema)
  requireUniqueNames(schema)
  requireRoomForChanges(schema, own, uri)
  const mapped =
    propertiesOf(own).columnMappingMode !== 'none'
      ? withMapping(schema, own, 'unique')
      : { schema, properties: own }
  const metadata: Metadata = {
    id: randomUUID(),
    ...(description !== undefined && { description }),
    format: { provider: 'parquet', options: {} },
    schemaString: encodeSchema(mapped.schema),
    partitionColumns: partitionColumnsOf(schema, partitionBy),
    configuration: mapped.properties,
    createdTime: nowMs,
  }
  const protocol = protocolFor(mapped.schema, mapped.properties, undefined, features)
  requireWritable(protocol, metadata, uri)
  return { protocol, metadata }
}

/** In the spelling of the schema. @throws LakeError `SCHEMA_MISMATCH`. */
export function partitionColumnsOf(schema: StructType, names: readonly string[]): readonly string[] {
  const columns = names.map((name) => {
    const found = findNamed(schema.fields, name)
    if (found !== undefined && typeof found.type === 'string' && found.type !== 'variant') return found.name
    const what =
      found === undefined ? 'there is no such column' : 'its type is none that folders can be named by'
    const known = someOf(schema.fields.map((field) => field.name))
    throw new LakeError('SCHEMA_MISMATCH', `Partition column ${name}: ${what}; there are ${known}`, {
      details: { column: name },
    })
  })
  if (
    new Set(columns).size < columns.length ||
    (columns.length > 0 && columns.length === schema.fields.length)
  ) {
    throw new LakeError(
      'SCHEMA_MISMATCH',
      `Partition columns ${columns.join(', ')}: each is named once, and a column must be left for the files`,
      { details: { columns } },
    )
  }
  return columns
}
