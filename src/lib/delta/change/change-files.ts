/**
 * Change files say what a commit did to rows, for readers of changes. Delta PROTOCOL.md, "Add CDC File".
 *
 * If a commit has change files, readers of changes read nothing else of it. So its inserts are in them too.
 */

import type { IoOptions } from '../../base/io.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import type { ChangeFile } from '../log/actions.ts'
import { propertiesOf } from '../protocol/properties.ts'
import { combined, type StagedFiles } from '../rows/stage.ts'
import { encodeSchema, field, structOf } from '../schema/schema.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { DeltaTable } from '../table.ts'

export type RowChange = 'insert' | 'delete' | 'update_preimage' | 'update_postimage'

/** Rows, a SELECT with the columns of the schema, and what became of each of them. */
export interface ChangedRows {
  readonly change: RowChange
  readonly select: string
  /** What becomes of a column that the rows lack: an error, or null. */
  readonly missing?: 'error' | 'null'
}

const folder = '_change_data'
const none: StagedFiles = { files: [], rows: 0, sizeBytes: 0 }

/** Writes the change files of a commit that takes rows out of files; none where the table does not want them. */
export async function stageChanges(
  table: DeltaTable,
  session: DuckDbSession,
  { metadata, schema }: Pick<Snapshot, 'metadata' | 'schema'>,
  changed: readonly ChangedRows[],
  { signal }: IoOptions = {},
): Promise<StagedFiles> {
  if (!propertiesOf(metadata.configuration).enableChangeDataFeed) return none
  const withChange = structOf(...schema.fields, field('_change_type', 'string'))
  const target = { metadata: { ...metadata, schemaString: encodeSchema(withChange) } }
  let staged = none
  for (const { change, select, missing = 'error' } of changed) {
    const rows = `select *, '${change}' as _change_type from (${select}\n)`
    staged = combined(
      staged,
      await table.stage(session, target, rows, { missing, dataChange: false, folder, signal }),
    )
  }
  return staged
}

export function changeFilesOf({ files }: StagedFiles): readonly ChangeFile[] {
  return files.map(({ path, partitionValues, size }) => ({ path, partitionValues, size, dataChange: false }))
}
