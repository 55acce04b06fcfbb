/**
 * A change to what a table is: its schema, partitioning or properties, planned again where others changed it first.
 *
 * The protocol grows with what the change needs; files and rows stay as they are.
 */

import type { Operation } from '../../log/commit.ts'
import type { ReadSet } from '../../log/conflict.ts'
import { requireRoomForChanges } from '../../protocol/change-columns.ts'
import { columnMappingMode, withMapping } from '../../protocol/mapping.ts'
import type { Metadata, Protocol } from '../../protocol/metadata.ts'
import { propertiesOf } from '../../protocol/properties.ts'
import { requireWritable } from '../../protocol/protocol.ts'
import { protocolFor } from '../../protocol/protocol-for.ts'
import { withoutMapping } from '../../schema/column-mapping.ts'
import { decodeSchema, encodeSchema, type StructType } from '../../schema/schema.ts'
import { requireUniqueNames } from '../../schema/schema-path.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import type { DeltaTable } from '../../table.ts'
import { type WriteOptions, type WriteOutcome, write } from '../write.ts'

export type AlterOptions = Omit<WriteOptions, 'transaction'>

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
  { metadata: before, protocol }: Pick<Snapshot, 'metadata' | 'protocol'>,
  { schema, partitionColumns, properties, features }: Alteration,
  uri: string,
): Altered {
  const configuration = properties ?? before.configuration
  const isMappedNow = columnMappingMode(protocol, before) !== 'none'
  const ofNow = decodeSchema(before.schemaString)
  const wanted = schema ?? (isMappedNow ? ofNow : withoutMapping(ofNow))
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

export interface PlannedAlteration extends Alteration {
  readonly operation: Operation
  /** What was read to know that the change is right; nothing without it. */
  readonly reads?: ReadSet
}

/**
 * Commits what `plan` makes of the newest snapshot.
 *
 * @param plan Gives `undefined` where the table is so already.
 * @throws LakeError as `write`, `altered` and `plan` do. Nothing is changed then.
 */
export async function alterTable(
  table: DeltaTable,
  options: AlterOptions,
  plan: (snapshot: Snapshot) => PlannedAlteration | undefined | Promise<PlannedAlteration | undefined>,
): Promise<WriteOutcome> {
  return write(table, options, async (snapshot) => {
    table.requireWritable(snapshot)
    const planned = await plan(snapshot)
    if (planned === undefined) return undefined
    const { operation, reads = { kind: 'none' }, ...alteration } = planned
    return { ...altered(snapshot, alteration, table.uri), reads, operation }
  })
}
