/**
 * The reconciliation as an audit that is kept: one identity a day. Days whose files, rules and windows are those of an
 * audit before, in which nothing was unexplained, are compared again only if they are asked for.
 */
import { createHash } from 'node:crypto'
import { countOf } from '../../lib/base/count-of.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { LedgerBook } from '../../lib/runs/ledger-book.ts'
import { type DayRange, dayAfter } from '../model/days.ts'
import { aggregates } from '../realtime/windows.ts'
import { realtimeTableNames } from '../serving/tables.ts'
import { type AuditBook, isBalanced, openAuditBook } from './audit-book.ts'
import type { BooksContext } from './books.ts'
import { comparedLog } from './compared-log.ts'
import { type Cut, readCut } from './cut.ts'
import { identityNames } from './identity-names.ts'
import { fileMarks, markOf } from './ledger/file-marks.ts'
import type { AuditedIdentity } from './ledger/recorded-identity.ts'
import { windowRules } from './messages-of-both.ts'
import { type Difference, type ReconcileReport, reconcile } from './reconcile.ts'

export interface ReconcileDaysOptions extends IoOptions {
  readonly ledger: LedgerBook
  /** These days; without it all of them. */
  readonly days?: DayRange | undefined
  /** Leaves out the days that have not changed since nothing of them was unexplained. */
  readonly isIncremental?: boolean
  /** Takes what is unexplained for right from now on; the text says why, and is recorded. */
  readonly accept?: string | undefined
  /** The run of the batch that this audit is a task of. */
  readonly runId?: number | undefined
  readonly onProgress?: (done: string) => void
}

export interface ReconcileDaysReport extends ReconcileReport {
  /** One for each day that was compared. */
  readonly days: readonly AuditedIdentity[]
}

const table = 'realtime'
/** Of an ISO day, with which the time of a window begins. */
const dayLength = '2026-01-31'.length

/** @throws LakeError `TABLE_MISSING` if no batch has run yet. */
export async function reconcileDays(
  context: BooksContext,
  { ledger, days, isIncremental = false, accept, runId, onProgress, signal }: ReconcileDaysOptions,
): Promise<ReconcileDaysReport> {
  const book = await openAuditBook(ledger, { signal })
  const marks = await marksOfDays(context, { signal })
  const ranges = isIncremental ? consecutive(changedDays(marks, book, days)) : [days]
  const reports: ReconcileReport[] = []
  for (const range of ranges) {
    reports.push(
      await reconcile(context, { ...(range && { days: range }), ...(onProgress && { onProgress }), signal }),
    )
  }
  const report = merged(reports)
  const compared = [...marks.keys()].filter((date) => ranges.some((range) => isWithin(date, range)))
  const differing = report.differences.map(({ window }) => window.slice(0, dayLength))
  const found = await book.keep(
    [...new Set([...compared, ...differing])].map((date) => identityOf(date, report, marks.get(date) ?? '')),
    { accept, runId, signal },
  )
  return { ...report, balanced: found.every(isBalanced), days: found }
}

/** UTC day → a text that is another one whenever something that the comparison of the day reads is. */
async function marksOfDays(
  context: BooksContext,
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, string>> {
  const cut = await readCut(context, { signal })
  const clickhouse = await context.clickhouse()
  const log = await comparedLog(clickhouse, cut, { signal })
  if (log === undefined) return new Map()
  const marks = await Promise.all([
    ...filesOf(context, cut, { signal }),
    windowMarks(clickhouse, log.logId, { signal }),
  ])
  const days = [...new Set(marks.flatMap((each) => [...each.keys()]))].sort()
  return new Map(
    days.map((date) => [date, markOf(windowRules, ...marks.map((each) => each.get(date) ?? ''))]),
  )
}

function filesOf(
  { table: tableOf }: BooksContext,
  { events, silver, quarantine }: Cut,
  options: IoOptions,
): readonly Promise<ReadonlyMap<string, string>>[] {
  return [
    fileMarks(tableOf('bronze/events'), events, options),
    fileMarks(tableOf('silver/events'), silver, options),
    fileMarks(tableOf('silver/quarantine'), quarantine, options),
  ]
}

async function windowMarks(
  clickhouse: ClickHouse,
  logId: string,
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, string>> {
  const rows = await clickhouse.query<{ day: string; digest: string }>(
    realtimeTableNames
      .map(
        (name) => `SELECT toString(toDate(window_start, 'UTC')) AS day,
           concat('${name} ', toString(count()), ' ', toString(sum(cityHash64(*)))) AS digest
         FROM realtime.${name} WHERE log_id = {log:String} AND ${aggregates[name].measure} > 0 GROUP BY day`,
      )
      .join(' UNION ALL '),
    { params: { log: logId }, signal },
  )
  const digests = new Map<string, string[]>()
  for (const { day, digest } of rows) digests.set(day, [...(digests.get(day) ?? []), digest])
  return new Map([...digests].map(([day, each]) => [day, each.sort().join(', ')]))
}

function changedDays(
  marks: ReadonlyMap<string, string>,
  { before }: AuditBook,
  range: DayRange | undefined,
): readonly string[] {
  return [...marks].flatMap(([date, mark]) => {
    const known = before({ name: identityNames.windows, table, date })
    const holds = known !== undefined && known.problem === undefined && known.mark === mark
    return holds || !isWithin(date, range) ? [] : [date]
  })
}

function isWithin(date: string, range: DayRange | undefined): boolean {
  return range === undefined || (date >= range.from && date < range.to)
}

/** Ranges of days that follow each other. */
function consecutive(days: readonly string[]): readonly DayRange[] {
  const ranges: { readonly from: string; to: string }[] = []
  for (const day of days) {
    const last = ranges.at(-1)
    if (last?.to === day) last.to = dayAfter(day)
    else ranges.push({ from: day, to: dayAfter(day) })
  }
  return ranges
}

function merged(reports: readonly ReconcileReport[]): ReconcileReport {
  return {
    balanced: reports.every(({ balanced }) => balanced),
    cut: reports[0]?.cut ?? {},
    differences: reports.flatMap(({ differences }) => differences),
    counted: Object.assign({}, ...reports.map(({ counted }) => counted)),
  }
}

function identityOf(date: string, { counted, differences }: ReconcileReport, mark: string): AuditedIdentity {
  const unexplained = differences.filter(
    (difference) => difference.unexplained !== 0n && difference.window.startsWith(date),
  )
  const left = counted[date] ?? 0n
  const right = left - unexplained.reduce((sum, difference) => sum + difference.unexplained, 0n)
  const identity = { name: identityNames.windows, table, date, left, right, mark }
  if (unexplained.length === 0) return identity
  return {
    ...identity,
    problem: `${countOf(unexplained.length, 'window')} with counts that nothing explains`,
    evidence: evidenceOf(unexplained),
  }
}

function evidenceOf(unexplained: readonly Difference[]): string {
  const lines = unexplained.map((each) => [each.table, each.window, each.dimension, String(each.unexplained)])
  return createHash('sha256').update(JSON.stringify(lines)).digest('hex').slice(0, 32)
}
