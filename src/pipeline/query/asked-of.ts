/** What checks need beside the rows that they are asked of: the tables that they compare with, and how many rows days had. */
import type { IoOptions } from '../../lib/base/io.ts'
import { type DeltaTable, emptySelect, recordsIn, type Snapshot } from '../../lib/delta/index.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { identifier } from '../../lib/duckdb/sql-text.ts'
import type { Expectation } from '../../lib/quality/expectation.ts'
import type { CheckBook, CheckResult } from '../../lib/runs/check-book.ts'
import { referencedBy, viewOf } from '../model/checks.ts'
import { dateList, dayColumn } from '../model/days.ts'
import { type LakeTable, lakeTables } from '../model/tables.ts'

/**
 * Makes a view of each table that the expectations compare with, by the name that they know it by.
 *
 * @param snapshotOf The version to compare with; `undefined` for a table that is not there, which has no rows.
 */
export async function createReferencedViews(
  session: DuckDbSession,
  table: (name: LakeTable) => DeltaTable,
  expectations: readonly Expectation[],
  snapshotOf: (name: LakeTable) => Promise<Snapshot | undefined>,
  { signal }: IoOptions = {},
): Promise<void> {
  for (const name of referencedBy(expectations)) {
    const columns = expectations.flatMap((each) =>
      each.kind === 'references' && each.relation === viewOf(name) ? each.columns : [],
    )
    const snapshot = await snapshotOf(name)
    const scan =
      snapshot === undefined
        ? emptySelect(lakeTables[name].schema)
        : (daysOnly(snapshot, columns) ??
          (await table(name).scan(session, snapshot, { columns: [...new Set(columns)], signal })))
    await session.run(`create or replace temporary view ${identifier(viewOf(name))} as ${scan}`, { signal })
  }
}

/** The days that have rows, as the log names them: no file is read. `undefined` if it does not tell, or more is asked. */
function daysOnly(snapshot: Snapshot, columns: readonly string[]): string | undefined {
  const isAsked = columns.every((column) => column === dayColumn)
  if (!isAsked || !snapshot.partitionColumns.includes(dayColumn)) return undefined
  const dayIn = snapshot.partitionValue(dayColumn)
  const days = new Set<string>()
  for (const file of snapshot.files) {
    const [day, rows] = [dayIn(file), recordsIn([file])]
    if (day === null || rows === undefined) return undefined
    if (rows > 0) days.add(day)
  }
  return `select unnest([${dateList([...days])}]::date[]) as ${identifier(dayColumn)}`
}

/** Rows of each day as the newest results have counted them. */
export function rowsByDay(results: readonly CheckResult[]): ReadonlyMap<string, number> {
  const newest = new Map<string, { readonly id: number; readonly rows: number }>()
  for (const { id, date, content } of results) {
    const rows =
      typeof content === 'object' && content !== null && 'checked' in content ? content['checked'] : 0
    if (date === undefined || typeof rows !== 'number' || rows === 0) continue
    if ((newest.get(date)?.id ?? -1) < id) newest.set(date, { id, rows })
  }
  return new Map([...newest].map(([day, { rows }]) => [day, rows]))
}

/** As `rowsByDay`, read only if one of the expectations needs it. */
export async function historyOf(
  checks: CheckBook | undefined,
  table: LakeTable,
  expectations: readonly Expectation[],
  { signal }: IoOptions = {},
): Promise<ReadonlyMap<string, number>> {
  if (checks === undefined || !expectations.some(({ kind }) => kind === 'drift')) return new Map()
  return rowsByDay(await checks.newest(table, { signal }))
}
