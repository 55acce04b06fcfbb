/**
 * Makes a table from rows: protocol, metadata and files in version 0.
 *
 * A writer that is killed before that commit leaves no table. Of several writers at once, one makes it.
 */
import { isLakeError } from '../../base/errors.ts'
import { formatJson } from '../../base/json.ts'
import { columnTypes } from '../../duckdb/column-type.ts'
import { version } from '../log/log-path.ts'
import { declareTable, type TableDeclaration } from '../protocol/new-table.ts'
import type { StructType } from '../schema/schema.ts'
import { schemaOf } from '../schema/source-schema.ts'
import type { DeltaTable } from '../table.ts'
import { outputMetrics } from './operation.ts'
import type { RowSource } from './source.ts'
import type { WriteOptions, WriteOutcome } from './write.ts'

/** What a table is made with where there is none. */
export interface Creation extends Omit<TableDeclaration, 'schema'> {
  /** That of the rows, all columns nullable, without it. */
  readonly schema?: StructType
}

export interface CreateOptions extends Creation, Omit<WriteOptions, 'computedFrom'> {
  /** What becomes of a column of `schema` that the rows lack: an error, or null. */
  readonly missing?: 'error' | 'null'
}

/**
 * @returns `exists` where there is a table, or another writer has made it meanwhile: nothing was written then.
 * @throws LakeError as `declareTable` and `DeltaTable.stage` do, and `SCHEMA_MISMATCH` for a column of a type that
 * Delta has not.
 */
export async function createFrom(
  table: DeltaTable,
  { session, select }: RowSource,
  { schema, missing = 'error', transaction, tags, signal, ...declared }: CreateOptions = {},
): Promise<WriteOutcome | { readonly kind: 'exists' }> {
  if (await table.exists({ signal })) return { kind: 'exists' }
  const made = declareTable(
    { ...declared, schema: schema ?? schemaOf(await columnTypes(session, select)) },
    { uri: table.uri, nowMs: table.clock.now() },
  )
  const staged = await table.stage(session, made, select, { missing, signal })
  const metrics = outputMetrics(staged)
  try {
    const outcome = await table.create(
      {
        ...made,
        add: staged.files,
        ...(transaction !== undefined && { transactions: { [transaction.appId]: transaction.version } }),
        operation: {
          name: 'CREATE TABLE AS SELECT',
          parameters: {
            partitionBy: formatJson(made.metadata.partitionColumns),
            properties: formatJson(made.metadata.configuration),
          },
          metrics,
          ...(tags !== undefined && { tags }),
        },
      },
      { signal },
    )
    if (outcome === 'created') return { kind: 'committed', version: version(0), metrics }
  } catch (error) {
    if (isLakeError(error, 'COMMIT_LOST')) await table.discard(staged)
    throw error
  }
  await table.discard(staged)
  return { kind: 'exists' }
}
