/** Spark with Delta beside us: one process of it for all tests, since its first statements take the longest. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { openLocalStore } from '../../../storage/store.local.ts'
import { DeltaTable } from '../../table.ts'
import { Peer, type SpelledRow, sorted } from './peer.fixture.ts'
import { type Told, tell } from './stories.fixture.ts'

/** Statements of Spark take seconds each on a machine that is busy. */
export const sparkTimeoutMs = 600_000

export interface Sparks {
  readonly root: string
  readonly duckdb: DuckDb
  readonly spark: Peer
  readonly told: readonly Told[]
}

/** Ends with its tables. */
export async function startSpark(): Promise<Sparks & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), 'lake-spark-'))
  const duckdb = await openDuckDb({ threads: 1 })
  const [spark, told] = await Promise.all([Peer.start(process.env['SPARK_COMMAND']), tell(duckdb, root)])
  return {
    root,
    duckdb,
    spark,
    told,
    [Symbol.asyncDispose]: async () => {
      await spark[Symbol.asyncDispose]()
      duckdb[Symbol.dispose]()
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** As `ourRows` gives them. */
export async function sparkRows(
  { spark }: Sparks,
  path: string,
  version?: number,
): Promise<readonly string[]> {
  const at = version === undefined ? '' : ` version as of ${version}`
  return sorted(await spark.ask(`select * from delta.\`${path}\`${at}`))
}

/** As `ourChanges` gives them from version 0 on. */
export async function sparkChanges({ spark }: Sparks, path: string): Promise<readonly string[]> {
  const found = await spark.ask(`select * from table_changes_by_path('${path}', 0)`)
  return sorted(found.map(({ _commit_timestamp, ...row }) => row))
}

/** Puts the path of a table for each `PATH`. The rows are those of the last statement. */
export async function runAll(
  { spark }: Sparks,
  path: string,
  statements: readonly string[],
): Promise<readonly SpelledRow[]> {
  let rows: readonly SpelledRow[] = []
  for (const statement of statements) rows = await spark.ask(statement.replaceAll('PATH', path))
  return rows
}

export function tableAt({ duckdb }: Sparks, path: string): { readonly table: DeltaTable } & AsyncDisposable {
  const store = openLocalStore(path)
  return {
    table: new DeltaTable({ store, duckdb }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
