/** What the audits of the books work with, and what they say. */
import { LakeError } from '../../lib/base/errors.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { DeltaTable } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import type { EventLog } from '../../lib/eventlog/eventlog.ts'
import type { ReplayBook } from '../../lib/runs/replay/replay-book.ts'
import type { LakeTable } from '../model/tables.ts'

export interface BooksContext {
  readonly table: (name: LakeTable) => DeltaTable
  readonly duckdb: DuckDb
  readonly clickhouse: () => Promise<ClickHouse>
  /** Asked for offsets that are in no table, and by a trace. */
  readonly log: () => Promise<EventLog>
  /** Asked by a trace. Absent: no rejected message was ever replayed. */
  readonly replays?: () => Promise<Pick<ReplayBook, 'at' | 'show'>>
  /** Where rows of ClickHouse lie while they are compared. */
  readonly temporaryDirectory: string
}

/** Where a message stood in the log. */
export interface Place {
  readonly partition: number
  readonly offset: bigint
}

/** Two counts that must be equal, of one table, and where it applies of one UTC day or one partition of the log. */
export interface Identity {
  /** The equation in words: `log = bronze + rejected`. */
  readonly name: string
  readonly table: string
  readonly date?: string
  readonly partition?: number
  readonly left: bigint
  readonly right: bigint
  /** What is wrong, in words; absent if the two sides agree. */
  readonly problem?: string
  /** Messages at fault, at most `placesNamed`. */
  readonly places?: readonly Place[]
  /** Rows at fault, at most `placesNamed`, each as both sides have it. */
  readonly rows?: readonly Row[]
}

export const placesNamed = 20

export function notMadeYet(table: LakeTable): LakeError {
  return new LakeError('TABLE_MISSING', `Table ${table}: no batch has made it yet`, {
    details: { table, fault: 'not-written-yet' },
  })
}

/** The place of a row of bronze, silver or quarantine. */
export function placeOf(row: Row): Place {
  return { partition: Number(row['kafka_partition']), offset: bigintOf(row['kafka_offset']) ?? 0n }
}

/** A whole number of a row, of any width. */
export function bigintOf(value: Row[string] | undefined): bigint | undefined {
  return typeof value === 'bigint' || typeof value === 'number' ? BigInt(value) : undefined
}
