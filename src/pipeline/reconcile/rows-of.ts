/** Tables of the lake as views of one session, for the audits to compare. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { AddFile, Snapshot } from '../../lib/delta/index.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import type { LakeTable } from '../model/tables.ts'
import type { BooksContext } from './books.ts'

export interface RowsOptions extends IoOptions {
  /** Files that are read: all of the snapshot without it. */
  readonly files?: readonly AddFile[]
  /** An SQL condition over the rows. */
  readonly where?: string
}

/** Makes a temporary view of a version of a table. */
export async function createRowsView(
  { table }: BooksContext,
  session: DuckDbSession,
  view: string,
  name: LakeTable,
  snapshot: Snapshot,
  { files, where = 'true', signal }: RowsOptions = {},
): Promise<void> {
  const scan = await table(name).scan(session, snapshot, {
    ...(files && { files }),
    ...(signal && { signal }),
  })
  await session.run(`create or replace temporary view ${view} as select * from (${scan}) where ${where}`, {
    signal,
  })
}
