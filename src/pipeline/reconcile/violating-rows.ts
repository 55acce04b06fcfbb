/**
 * Every row that broke a check, kept for ever in a Delta table of its own. It grows with what changes, not with the number
 * of asks: a row is written when it begins to break a check and when it no longer does; in between it is still broken.
 *
 * The asks of a table are numbered. The number is in the commit that holds the rows, so that of two asks at once the
 * second sees what the first has found.
 */
import type { IoOptions } from '../../lib/base/io.ts'
import {
  compactIfWorthwhile,
  type DeltaTable,
  field,
  type Snapshot,
  selectRows,
  structOf,
  type TableDeclaration,
  write,
} from '../../lib/delta/index.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import { compareViolations, summarizeViolations, type ViolatingRows } from '../../lib/quality/violations.ts'
import type { DayRange } from '../model/days.ts'
import type { LakeTable } from '../model/tables.ts'
import type { Platform } from '../platform/compose.ts'

/** Below LAKE_URI: in SQL `quality.violations`. */
export const violationsName = 'quality/violations'

/** It need not be there yet: the first row that breaks a check makes it. */
export function violationsTable(platform: Platform): Promise<DeltaTable> {
  return platform.tableAt(`${platform.config.lakeUri}/${violationsName}`)
}

const declaration: TableDeclaration = {
  schema: structOf(
    field('table_name', 'string'),
    field('ask', 'long'),
    field('check_name', 'string'),
    // Null for a check of the table as a whole.
    field('event_date', 'date'),
    field('kafka_partition', 'integer'),
    field('kafka_offset', 'long'),
    field('row_key', 'string'),
    field('state', 'string'),
    field('table_version', 'long'),
    field('recorded_at', 'timestamp'),
  ),
  properties: { 'delta.enableInCommitTimestamps': 'true' },
}

export interface AskedRows {
  readonly table: LakeTable
  readonly version: number
  /** The checks that were asked, in words. */
  readonly checks: readonly string[]
  /** The days that they were asked of; all, and the table as a whole, without it. */
  readonly days: DayRange | undefined
  /** The rows that break them: a temporary table, as `collectViolations` makes it. */
  readonly violating: string
}

export interface RecordedRows {
  /** The number of the ask; absent if there was no row to record, now and before. */
  readonly ask?: number
  readonly rows: readonly ViolatingRows[]
}

/** So many rows of a check and day are named. */
const rowsNamed = 20

/** Records what has changed since the table was asked before, and says of each row what has become of it. */
export async function recordViolations(
  violations: DeltaTable,
  session: DuckDbSession,
  asked: AskedRows,
  { signal }: IoOptions = {},
): Promise<RecordedRows> {
  const exists = await violations.exists({ signal })
  if (!exists && !(await hasRows(session, asked.violating, { signal }))) return { rows: [] }
  await violations.createIfMissing(declaration, { signal })
  let recorded: RecordedRows = { rows: [] }
  await write(violations, { signal }, async (before) => {
    const application = `checks/v1/${asked.table}`
    const ask = (before.transactionVersion(application) ?? 0) + 1
    await openRows(violations, session, before, asked, { signal })
    await compareViolations(
      session,
      { now: asked.violating, before: 'violations_before', into: 'violations_since' },
      { signal },
    )
    const rows = await summarizeViolations(session, 'violations_since', { sampleSize: rowsNamed, signal })
    if (rows.length === 0) return undefined
    recorded = { ask, rows }
    const now = new Date(violations.clock.now()).toISOString()
    const staged = await violations.stage(session, before, changedRows(asked, ask, now), { signal })
    return {
      staged,
      add: staged.files,
      // Another ask of the same table has written the same transaction: this one is then planned again.
      transactions: { [application]: ask },
      reads: { kind: 'none' },
      operation: {
        name: 'WRITE',
        parameters: { mode: 'Append', table: asked.table, ask: String(ask) },
        metrics: { numFiles: staged.files.length, numOutputRows: staged.rows },
      },
    }
  })
  await compactIfWorthwhile(violations, { enabled: true, signal })
  return recorded
}

async function hasRows(session: DuckDbSession, table: string, { signal }: IoOptions): Promise<boolean> {
  const { n } = await session.row(`select count(*) as n from ${table}`, { signal })
  return Number(n) > 0
}

/** The rows that broke the checks the last time that they were asked of these days. */
async function openRows(
  violations: DeltaTable,
  session: DuckDbSession,
  before: Snapshot,
  { table, checks, days }: AskedRows,
  { signal }: IoOptions,
): Promise<void> {
  const ofDays =
    days === undefined ? '' : ` and event_date >= date '${days.from}' and event_date < date '${days.to}'`
  const where = `table_name = ${text(table)} and check_name in (${checks.map(text).join(', ')})${ofDays}`
  const recorded = await selectRows(session, violations, before, { where, signal })
  await session.run(
    `create or replace temporary table violations_before as
     select check_name, coalesce(cast(event_date as varchar), '') as group_name, row_key
     from (
       select *, row_number() over (partition by check_name, event_date, row_key order by ask desc) as nth
       from (${recorded})
     ) where nth = 1 and state = 'new'`,
    { signal },
  )
}

function changedRows({ table, version }: AskedRows, ask: number, recordedAt: string): string {
  return `
select ${text(table)} as table_name, ${ask}::bigint as ask, check_name,
  cast(nullif(group_name, '') as date) as event_date,
  cast(row_key ->> '$.kafka_partition' as integer) as kafka_partition,
  cast(row_key ->> '$.kafka_offset' as bigint) as kafka_offset,
  row_key, since as state, ${version}::bigint as table_version, timestamptz '${recordedAt}' as recorded_at
from violations_since where since <> 'still'
order by check_name, event_date, kafka_partition, kafka_offset, row_key`
}
