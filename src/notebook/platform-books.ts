/** The books over the parts of the platform: the modules that the commands and the batch call. */
import { LakeError } from '../lib/base/errors.ts'
import { plainNumber } from '../lib/notebook/cell-value.ts'
import { dayAfter, isDay } from '../pipeline/model/days.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { batchContextOf } from '../pipeline/platform/stages.ts'
import { explainNumber } from '../pipeline/reconcile/explain.ts'
import { auditLedger } from '../pipeline/reconcile/ledger/ledger.ts'
import { toldIdentity } from '../pipeline/reconcile/ledger/recorded-identity.ts'
import { reconcileDays } from '../pipeline/reconcile/reconcile-days.ts'
import { traceMessage } from '../pipeline/reconcile/trace.ts'
import type { Books, Explanation, Ledger, MessageTrace, Reconciliation } from './books.ts'
import { ask } from './cell.ts'

export function createBooks(platform: Platform): Books {
  return {
    ledger: ({ full = false } = {}) =>
      ask('lake.ledger', async (signal): Promise<Ledger> => {
        const { ledger, releases } = await platform.runs()
        const { balanced, identities } = await auditLedger(await batchContextOf(platform), {
          ledger,
          releases,
          isFull: full,
          signal,
        })
        return plain({ balanced, identities: identities.map(toldIdentity) })
      }),

    reconcile: ({ date } = {}) =>
      ask('lake.reconcile', async (signal): Promise<Reconciliation> => {
        const { ledger } = await platform.runs()
        const { balanced, cut, differences } = await reconcileDays(await batchContextOf(platform), {
          ledger,
          ...(date !== undefined && { days: { from: requireDay(date), to: dayAfter(date) } }),
          signal,
        })
        return plain({ balanced, cut, differences })
      }),

    explain: (table, date, options = {}) =>
      ask(`lake.explain('${table}', '${date}')`, async (signal): Promise<Explanation> => {
        const { releases } = await platform.runs()
        const request = { table, date: requireDay(date), releases, ...options }
        return plain(await explainNumber(await batchContextOf(platform), request, { signal }))
      }),

    trace: (partition, offset) =>
      ask(`lake.trace(${partition}, ${offset})`, async (signal): Promise<MessageTrace> => {
        const place = { partition, offset: BigInt(offset) }
        return plain(await traceMessage(await batchContextOf(platform), place, { signal }))
      }),
  }
}

/** What is made on trial is in no book: it would be missed, and that would be recorded. */
export const booksOfTrial: Books = {
  ledger: () => noBooks('ledger'),
  reconcile: () => noBooks('reconcile'),
  explain: () => noBooks('explain'),
  trace: () => noBooks('trace'),
}

function noBooks(call: string): Promise<never> {
  return ask(`lake.${call}`, () =>
    Promise.reject(
      new LakeError(
        'USAGE',
        `lake.${call}: what is made on trial is in no book; ask the lake that it was tried on`,
      ),
    ),
  )
}

/** @throws LakeError `USAGE` */
export function requireDay(date: string): string {
  if (isDay(date)) return date
  throw new LakeError('USAGE', `date ${date}: expected a UTC day such as 2026-01-31`)
}

/** Counts and offsets as `number`: they stay far below what that rounds. */
function plain<Answer>(value: object): Answer {
  return plainValue(value) as Answer
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return plainNumber(value)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plainValue(each)]))
}
