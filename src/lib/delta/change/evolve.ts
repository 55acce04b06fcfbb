/** Changes the schema of a table so that new rows fit, in the commit that writes the rows. */
import type { IoOptions } from '../../base/io.ts'
import { columnTypes } from '../../duckdb/column-type.ts'
import { type Altered, altered } from '../protocol/alteration.ts'
import { partitionColumnsOf } from '../protocol/new-table.ts'
import { duckDbType, encodeSchema } from '../schema/schema.ts'
import { mergeSchemas } from '../schema/schema-merge.ts'
import { schemaOf } from '../schema/source-schema.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { DeltaTable } from '../table.ts'
import { requireConstraintsFit, requireUnused } from './references.ts'
import type { RowSource } from './source.ts'

/**
 * What the table is to be so that it holds the rows: columns that it lacks are added, nullable and at the end, and
 * types are widened where `delta.enableTypeWidening` is true.
 *
 * @returns `undefined` where the rows fit already.
 * @throws LakeError `SCHEMA_MISMATCH` naming a column whose two types cannot be combined, and as `altered` does.
 */
export async function mergedWithRows(
  table: DeltaTable,
  snapshot: Snapshot,
  { session, select }: RowSource,
  { signal }: IoOptions = {},
): Promise<Altered | undefined> {
  const given = schemaOf(await columnTypes(session, select))
  const { enableTypeWidening: mayWiden } = snapshot.properties
  const { schema, widened } = mergeSchemas(snapshot.schema, given, { mayWiden })
  if (encodeSchema(schema) === encodeSchema(snapshot.schema)) return undefined
  for (const path of widened) {
    await requireUnused(session, snapshot, path, {
      doing: 'widen',
      ignoring: ['partition', 'statistics'],
      signal,
    })
  }
  return altered(snapshot, { schema }, table.uri)
}

/**
 * What the table is to be so that it has the schema of the rows, and no other columns. Properties stay.
 *
 * @param partitionBy The new partition columns; those of the table without it.
 * @returns `undefined` where the table has that schema.
 * @throws LakeError `SCHEMA_MISMATCH` naming a constraint whose columns would be gone, and as `altered` does.
 */
export async function replacedByRows(
  table: DeltaTable,
  snapshot: Snapshot,
  { session, select }: RowSource,
  {
    partitionBy = snapshot.partitionColumns,
    signal,
  }: IoOptions & { readonly partitionBy?: readonly string[] } = {},
): Promise<Altered | undefined> {
  const schema = schemaOf(await columnTypes(session, select))
  const partitionColumns = partitionColumnsOf(schema, partitionBy)
  await requireConstraintsFit(session, snapshot, schema, { signal })
  const isSame =
    duckDbType(schema) === duckDbType(snapshot.schema) &&
    partitionColumns.join('\0') === snapshot.partitionColumns.join('\0')
  return isSame ? undefined : altered(snapshot, { schema, partitionColumns }, table.uri)
}
