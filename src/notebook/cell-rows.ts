/** What a cell hands over (rows, a frame, or SQL over the lake) as a relation of DuckDB. */
import type { IoOptions } from '../lib/base/io.ts'
import { createTemporaryTable } from '../lib/duckdb/append.ts'
import type { DuckDbSession } from '../lib/duckdb/duckdb.ts'
import type { RowFrame } from '../lib/notebook/cell-value.ts'
import { typedColumns } from '../lib/notebook/typed-columns.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { createLakeViews } from '../pipeline/query/lake-views.ts'
import { tableUnknown } from '../pipeline/query/unknown-table.ts'

/** The name of the relation in its session. */
export const cellRows = 'cell_rows'

/** @throws LakeError `USAGE` for rows whose columns have no type, `SQL_INVALID` naming the tables that may be meant. */
export async function createCellRows(
  session: DuckDbSession,
  platform: Platform,
  of: string | readonly object[] | RowFrame,
  { signal }: IoOptions,
): Promise<void> {
  if (typeof of !== 'string') {
    await createTemporaryTable(session, cellRows, typedColumns(of))
    return
  }
  try {
    await createLakeViews(session, platform, of, { signal })
    // A view would be bound again at each use: the query runs once.
    await session.run(`create temporary table ${cellRows} as\n${of}`, { signal })
  } catch (error) {
    throw await tableUnknown(error, of, platform, { signal })
  }
}
