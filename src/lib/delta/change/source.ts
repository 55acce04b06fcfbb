/** The rows of a write, as a SELECT. */
import type { DuckDbSession } from '../../duckdb/duckdb.ts'

/** A SELECT and the session that it is good in. It may be run several times, and must give the same rows. */
export interface RowSource {
  readonly session: DuckDbSession
  readonly select: string
}
