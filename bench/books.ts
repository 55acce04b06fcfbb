/** The audits of the books over a history of events, beside the batch that made what they audit. */
import type { BatchContext } from '../src/pipeline/batch/batch.ts'
import { runRecordedBatch } from '../src/pipeline/batch/recorded.ts'
import type { Platform } from '../src/pipeline/platform/compose.ts'
import { batchContextOf, runLandingStage, runRealtimeStage } from '../src/pipeline/platform/stages.ts'
import type { BooksContext } from '../src/pipeline/reconcile/books.ts'
import { checkTables } from '../src/pipeline/reconcile/check-tables.ts'
import { explainNumber } from '../src/pipeline/reconcile/explain.ts'
import { auditLedger } from '../src/pipeline/reconcile/ledger/ledger.ts'
import { reconcile } from '../src/pipeline/reconcile/reconcile.ts'
import { violationsName } from '../src/pipeline/reconcile/violating-rows.ts'
import { type Case, type Measurement, measurement, onPlatform, secondsOf, sendHistory } from './case.ts'

/** `BENCH_EVENTS=10000000` measures as many. */
const count = Number(process.env['BENCH_EVENTS'] ?? 1_000_000)

export const booksCase: Case = {
  name: 'books',
  run: () =>
    onPlatform(async (platform) => {
      await sendHistory(platform, count)
      await Promise.all([
        runLandingStage(platform, { drain: true }),
        runRealtimeStage(platform, { drain: true }),
      ])
      const context = await batchContextOf(platform)
      const store = await platform.runs()
      const batch = await secondsOf(() => runRecordedBatch(context, store, { trigger: 'manual' }))
      const beside = { name: 'the batch', value: batch }
      const measured: Measurement[] = []
      for (const [name, audit] of audits(platform, context)) {
        measured.push(measurement(name, 's', await secondsOf(audit), count, beside))
      }
      return measured
    }),
}

function audits(
  platform: Platform,
  context: BatchContext & BooksContext,
): readonly (readonly [string, () => Promise<unknown>])[] {
  const day = dayBefore(1)
  const ledger = async (isFull: boolean): Promise<unknown> => {
    const { ledger, releases } = await platform.runs()
    return auditLedger(context, { ledger, releases, isFull })
  }
  return [
    [
      'check',
      async () => {
        const violations = await platform.tableAt(`${platform.config.lakeUri}/${violationsName}`)
        return checkTables(context, { ...(await platform.runs()), violations })
      },
    ],
    ['ledger, every day', () => ledger(true)],
    ['ledger, nothing new', () => ledger(false)],
    ['reconcile, every day', () => reconcile(context)],
    ['reconcile, one day', () => reconcile(context, { days: { from: day, to: dayBefore(0) } })],
    ['explain', () => explainNumber(context, { table: 'gold/daily_active_users', date: day })],
  ]
}

/** A UTC day, so many before today: the history ends with yesterday. */
function dayBefore(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
}
