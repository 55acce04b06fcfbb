/** Rows that are to be written. */
import type { DuckDbSession } from '../../duckdb/duckdb.ts'

/** A SELECT and the session that it is good in. It may be run several times, and must give the same rows. */
export interface RowSource {
  readonly session: DuckDbSession
  readonly select: string
}
