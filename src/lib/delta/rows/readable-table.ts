/** The part of a table that reading rows needs. */

import type { IoOptions } from '../../base/io.ts'
import type { DuckDb, DuckDbSession } from '../../duckdb/duckdb.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { ChangesOptions } from './changes.ts'
import type { ScanOptions } from './scan.ts'

export interface ReadableTable {
  readonly uri: string
  readonly duckdb: DuckDb
  /** The newest version. */
  snapshot(options?: IoOptions): Promise<Snapshot>
  /** A SELECT over the rows of `snapshot`, valid only in `session`. */
  scan(session: DuckDbSession, snapshot: Snapshot, options?: ScanOptions): Promise<string>
  /** A SELECT over the rows that versions changed; see `changesSelect`. */
  changes(session: DuckDbSession, to: Snapshot, options: ChangesOptions): Promise<string>
}
