/** What DuckDB says of its functions. */
import type { IoOptions } from '../base/io.ts'
import type { DuckDbSession } from './duckdb.ts'

/** Names, in lower case, of functions that give another value each time they are called, as `random` does. */
export async function volatileFunctions(
  session: DuckDbSession,
  { signal }: IoOptions = {},
): Promise<ReadonlySet<string>> {
  const rows = await session.rows(
    `select distinct lower(function_name) as name from duckdb_functions() where stability = 'VOLATILE'`,
    { signal },
  )
  return new Set(rows.map(({ name }) => String(name)))
}
