/** A DuckDB of a file's own, and the embedded ClickHouse that all files of a worker share. */
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { openEmbeddedClickHouse } from '../../lib/clickhouse-server/embedded.ts'
import type { Home } from '../../lib/clickhouse-server/home.fixture.ts'
import { sharedHome } from '../../lib/clickhouse-server/shared.fixture.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'

export interface Engines extends AsyncDisposable {
  readonly duckdb: DuckDb
  readonly clickhouse: ClickHouse
  /** Of the embedded server. */
  readonly home: Home
}

/** Tables of a few rows need one thread; more of them cost each statement time. */
export async function openEngines({ threads = 1 }: { readonly threads?: number } = {}): Promise<Engines> {
  const duckdb = await openDuckDb({ threads })
  const home = await sharedHome()
  const clickhouse = await openEmbeddedClickHouse({ home: home.path })
  return {
    duckdb,
    clickhouse,
    home,
    [Symbol.asyncDispose]: async () => {
      await clickhouse[Symbol.asyncDispose]()
      duckdb[Symbol.dispose]()
    },
  }
}
