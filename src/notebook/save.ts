/** A table of an analyst's own, written from a cell. */
import { LakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import { overwrite } from '../lib/delta/index.ts'
import type { RowFrame } from '../lib/notebook/cell-value.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { locateTable } from '../pipeline/query/locate.ts'
import { cellRows, createCellRows } from './cell-rows.ts'
import type { SavedTable } from './lake.ts'

/** Cells write below this alone: what the platform writes is the stages' own, and every other table somebody's. */
const sandbox = /^sandbox\/[a-z][a-z0-9_]*$/i

/** @throws LakeError `USAGE` for a table outside the sandbox, and as `createCellRows` and `overwrite` do. */
export async function saveTable(
  platform: Platform,
  name: string,
  of: string | readonly object[] | RowFrame,
  { signal }: IoOptions,
): Promise<SavedTable> {
  if (!sandbox.test(name)) {
    throw new LakeError('USAGE', `lake.save: ${name} is not in the sandbox`, {
      details: { fault: 'not-in-sandbox', table: name },
    })
  }
  const duckdb = await platform.duckdb()
  return duckdb.use(async (session) => {
    await createCellRows(session, platform, of, { signal })
    const table = await locateTable(platform, name, { orNew: true, signal })
    const source = { session, select: `select * from ${cellRows}` }
    const exists = await table.exists({ signal })
    await overwrite(table, source, { overwriteSchema: exists, create: {}, signal })
    const { version, numRecords } = await table.snapshot({ signal })
    return { table: name, version, rows: numRecords ?? Number.NaN }
  })
}
