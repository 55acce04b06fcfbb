/** Loads `arrow.ts`, and Apache Arrow with it, on first use. */
import type { RecordBatch, Schema } from 'apache-arrow'
import type { StructType } from '../schema/schema.ts'
import type { ReadRowsOptions } from './read.ts'
import type { ReadableTable } from './readable-table.ts'

/** A batch for each chunk that is read; none where there are no rows. @throws LakeError as `readColumns` does. */
export async function* readArrow(
  table: ReadableTable,
  options: ReadRowsOptions = {},
): AsyncIterable<RecordBatch> {
  const { readBatches } = await import('./arrow.ts')
  yield* readBatches(table, options)
}

export async function arrowSchema(schema: StructType): Promise<Schema> {
  const arrow = await import('./arrow.ts')
  return arrow.arrowSchema(schema)
}
