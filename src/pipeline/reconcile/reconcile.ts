/**
 * Speed against batch: each window of the speed layer beside the same window of silver, at equal offsets.
 *
 * Both layers are cut at the offsets that the newest batch has read. Rows of `realtime.*` say which offsets they
 * cover; of a micro-batch that lies across the cut, the offsets before it are counted again from bronze. So what is
 * not yet landed, or not yet batched, is on neither side. What is left is found row by row: events that came late,
 * further deliveries, events in quarantine, and what nothing explains.
 */

import type { IoOptions } from '../../lib/base/io.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import type { DayRange } from '../model/days.ts'
import { aggregates } from '../realtime/windows.ts'
import { type RealtimeTable, realtimeTableNames } from '../serving/tables.ts'
import { type BooksContext, bigintOf } from './books.ts'
import { type ComparedLog, comparedLog } from './compared-log.ts'
import { readCut } from './cut.ts'
import { createMessagesOfBothLayers } from './messages-of-both.ts'
import { countedByDay, createCountedWindows, messagesBehind, verdict } from './window-verdict.ts'

export interface ReconcileOptions extends IoOptions {
  /** Windows of these UTC days alone: `from` included, `to` not. */
  readonly days?: DayRange
  readonly onProgress?: (done: string) => void
}

/** A window of one table and dimension in which the layers differ. */
export interface Difference {
  readonly table: string
  /** When the window begins: `2026-01-31T12:30:00Z`. */
  readonly window: string
  /** The event type or source; null for a table that has neither. */
  readonly dimension: string | null
  readonly realtime: bigint
  readonly batch: bigint
  /** Rows of silver that the speed layer counts as late. */
  readonly late: bigint
  /** Further deliveries, which the speed layer counts. */
  readonly duplicate: bigint
  /** Rows of silver that the speed layer has not counted, as the log had lost them. */
  readonly skipped: bigint
  /** Rows in quarantine that the speed layer counts. */
  readonly quarantined: bigint
  /** `realtime - (batch - late - skipped + duplicate + quarantined)`. */
  readonly unexplained: bigint
  /** Messages of each class, at most `rowsNamed`. */
  readonly rows: readonly Row[]
}

export interface ReconcileReport {
  /** Nothing is unexplained. */
  readonly balanced: boolean
  /** Partition → the offset up to which both layers are compared. */
  readonly cut: Readonly<Record<string, bigint>>
  readonly differences: readonly Difference[]
  /** UTC day → what the speed layer has counted of it before the cut, in all its tables. */
  readonly counted: Readonly<Record<string, bigint>>
}

export const rowsNamed = 20

/** @throws LakeError `TABLE_MISSING` if no batch has run yet. */
export async function reconcile(
  context: BooksContext,
  { days, onProgress = () => undefined, signal }: ReconcileOptions = {},
): Promise<ReconcileReport> {
  const cut = await readCut(context, { signal })
  const clickhouse = await context.clickhouse()
  const log = await comparedLog(clickhouse, cut, { signal })
  if (log === undefined) return { balanced: true, cut: {}, differences: [], counted: {} }
  const differences: Difference[] = []
  const counted: Record<string, bigint> = {}
  await context.duckdb.use(async (session) => {
    onProgress('bronze and silver')
    await createMessagesOfBothLayers(context, session, cut, log, { days, signal })
    for (const table of realtimeTableNames) {
      onProgress(`realtime.${table}`)
      await createCountedWindows(session, clickhouse, table, { log, days, signal })
      differences.push(...(await differencesOf(session, table, { log, signal })))
      for (const row of await session.rows(countedByDay(table, log), { signal })) {
        const day = String(row['day'])
        counted[day] = (counted[day] ?? 0n) + count(row, 'n')
      }
    }
  })
  return {
    balanced: differences.every(({ unexplained }) => unexplained === 0n),
    cut: Object.fromEntries([...log.partitions].map(([partition, { cut: at }]) => [partition, at])),
    differences,
    counted,
  }
}

async function differencesOf(
  session: DuckDbSession,
  table: RealtimeTable,
  { log, signal }: IoOptions & { readonly log: ComparedLog },
): Promise<readonly Difference[]> {
  const rows = await session.rows(verdict(table, log), { signal })
  const messages = new Map<string, Row[]>()
  for (const { window, dimension, ...message } of await session.rows(messagesBehind(table, rowsNamed), {
    signal,
  })) {
    const key = `${String(window)} ${String(dimension)}`
    const ofWindow = messages.get(key)
    if (ofWindow === undefined) messages.set(key, [message])
    else ofWindow.push(message)
  }
  return rows.map((row) => ({
    table: `realtime.${table}`,
    window: String(row['window']),
    dimension: aggregates[table].dimension === undefined ? null : String(row['dimension']),
    realtime: count(row, 'realtime'),
    batch: count(row, 'batch'),
    late: count(row, 'late'),
    duplicate: count(row, 'duplicate'),
    skipped: count(row, 'skipped'),
    quarantined: count(row, 'quarantined'),
    unexplained: count(row, 'unexplained'),
    rows: messages.get(`${String(row['window'])} ${String(row['dimension'])}`) ?? [],
  }))
}

const count = (row: Row, column: string): bigint => bigintOf(row[column]) ?? 0n
