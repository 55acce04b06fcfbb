/** Rows of a table as an Arrow table. Loads Apache Arrow on first use. */
import type { IoOptions } from '../lib/base/io.ts'
import { arrowSchema, type DeltaTable, readArrow, type Snapshot } from '../lib/delta/index.ts'
import type { ArrowTable, RowsOptions } from './table.ts'

export async function arrowOf(
  table: DeltaTable,
  snapshot: Snapshot,
  { columns, where, limit }: Omit<RowsOptions, 'orderBy'>,
  { signal }: IoOptions,
): Promise<ArrowTable> {
  const { Table } = await import('apache-arrow')
  const batches = []
  for await (const batch of readArrow(table, { snapshot, columns, where, limit, signal })) batches.push(batch)
  if (batches.length > 0) return new Table(batches)
  const { fields, type } = snapshot.schema
  const chosen = columns === undefined ? fields : fields.filter(({ name }) => columns.includes(name))
  return new Table(await arrowSchema({ type, fields: chosen }))
}
