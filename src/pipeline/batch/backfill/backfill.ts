/**
 * Makes the days of a range again, in parts. Each part is a run of its own, with all that a run of the batch does: it
 * commits its days, and publishes them whole, or nothing.
 *
 * Between two parts the lease of the batch is free, and every other run that waits for it goes first. Where each day stands
 * is in the run store: the next backfill of the same range goes on from there. A part that fails is halved until the days
 * that cannot be made stand alone; the others are made.
 */
import { type ErrorCode, isLakeError, messageOf } from '../../../lib/base/errors.ts'
import type { IoOptions } from '../../../lib/base/io.ts'
import type { ExecutionEvent } from '../../../lib/dag/execute.ts'
import type { NodeOutcome, RunOutcome } from '../../../lib/dag/node.ts'
import type { RecordedError } from '../../../lib/dag/recorder.ts'
import type { Backfill, BackfillDay } from '../../../lib/runs/control/backfill-book.ts'
import type { LeaseHolder } from '../../../lib/runs/leases.ts'
import type { RunStore } from '../../../lib/runs/run-store.ts'
import { madeFrom } from '../../model/made-from.ts'
import { notMadeYet } from '../../reconcile/books.ts'
import type { BatchContext } from '../batch.ts'
import { batchDag } from '../dag-name.ts'
import type { Scope } from '../days.ts'
import { runRecordedBatch } from '../recorded.ts'
import { judgedTasks, tablesMade } from '../tasks.ts'
import { type BackfillPlan, type BackfillRequest, planBackfill } from './plan.ts'

export type BackfillEvent =
  | { readonly kind: 'planned'; readonly plan: BackfillPlan; readonly backfill: number }
  | { readonly kind: 'part-started'; readonly days: readonly string[]; readonly left: number }
  | { readonly kind: 'part-ended'; readonly days: readonly string[]; readonly outcome: RunOutcome }
  | { readonly kind: 'run'; readonly event: ExecutionEvent }

export interface BackfillOptions extends IoOptions {
  /** Tasks, and groups of days in each, that run side by side within a part; its days are committed together. */
  readonly parallel?: number
  readonly onEvent?: (event: BackfillEvent) => void
  readonly onWait?: (holder: LeaseHolder) => void
}

/** A task that failed though the days were made: the load, or an audit. */
export interface BackfillProblem {
  readonly runId: number
  readonly task: string
  readonly error: RecordedError
  /** Nothing was published as some other day is not made in each table. */
  readonly isOfOtherDays: boolean
}

export interface BackfillOutcome {
  /** Absent where no day was to be made. */
  readonly id?: number
  /** `stopped`: what failed would fail for every part. `cancelled`: by the caller's signal. */
  readonly kind: 'succeeded' | 'unchanged' | 'failed' | 'stopped' | 'cancelled'
  readonly days: readonly BackfillDay[]
  /** Of the newest part. */
  readonly problems: readonly BackfillProblem[]
  /** What stopped it. */
  readonly error?: unknown
}

/** Not a matter of some days: the next part would fail too. */
const stopping: readonly ErrorCode[] = [
  'CONFIG_INVALID',
  'USAGE',
  'DISK_FULL',
  'FILES_EXHAUSTED',
  'FILE_UNWRITABLE',
  'STORE_UNAVAILABLE',
  'STORE_REFUSED',
  'RUNSTORE_UNAVAILABLE',
  'RUNSTORE_REFUSED',
  'CLICKHOUSE_UNAVAILABLE',
  'CLICKHOUSE_REFUSED',
  'EVENTLOG_UNAVAILABLE',
  'LEASE_LOST',
]

/**
 * @throws LakeError `RUN_BUSY` naming the process if another backfill goes on, `USAGE` for an unknown task,
 * `TABLE_MISSING` if it is to be audited and no batch has made silver yet: the books of some days alone cannot be balanced.
 */
export async function runBackfill(
  context: BatchContext,
  store: RunStore,
  request: BackfillRequest,
  options: BackfillOptions = {},
): Promise<BackfillOutcome> {
  return store.leases.withLease(
    `${batchDag}/backfill`,
    async ({ signal }) => {
      const plan = await planBackfill(context, store, request, { signal })
      if (plan.parts.length === 0)
        return { kind: 'unchanged', days: plan.unfinished?.days ?? [], problems: [] }
      const { tasks = [] } = request
      const isAudited = tasks.length === 0 || tasks.some((task) => !judgedTasks.includes(task))
      if (isAudited) await requireMade(context, { signal })
      const backfill = await opened(store, plan, { signal })
      options.onEvent?.({ kind: 'planned', plan, backfill: backfill.id })
      return makeParts(context, store, { backfill, plan, tasks }, { ...options, signal })
    },
    { signal: options.signal },
  )
}

async function requireMade({ table }: BatchContext, { signal }: IoOptions): Promise<void> {
  const [bronze, silver] = [table('bronze/events'), table('silver/events')]
  if (await silver.exists({ signal })) {
    const made = madeFrom('bronze/events', await bronze.snapshot({ signal }))
    if ((await silver.snapshot({ signal })).transactionVersion(made) !== undefined) return
  }
  throw notMadeYet('silver/events')
}

/** The one to go on with, with each day that is to be made waiting; else a new one. */
async function opened(
  { backfills }: RunStore,
  { work, unfinished, days }: BackfillPlan,
  { signal }: IoOptions,
): Promise<Backfill> {
  if (unfinished === undefined) {
    return backfills.begin(
      work,
      days.map(({ day }) => day),
      { signal },
    )
  }
  const waiting = days.filter(({ state }) => state === 'waiting')
  await backfills.record(
    unfinished.id,
    waiting.map(({ day }) => ({ day, state: 'waiting' })),
    { signal },
  )
  return backfills.show(unfinished.id, { signal })
}

interface Work {
  readonly backfill: Backfill
  readonly plan: BackfillPlan
  readonly tasks: readonly string[]
}

async function makeParts(
  context: BatchContext,
  store: RunStore,
  { backfill: { id }, plan, tasks }: Work,
  options: BackfillOptions,
): Promise<BackfillOutcome> {
  const { backfills } = store
  let problems: readonly BackfillProblem[] = []
  const ended = async (kind: BackfillOutcome['kind'], error?: unknown): Promise<BackfillOutcome> => ({
    id,
    kind,
    days: (await backfills.show(id)).days,
    problems,
    ...(error !== undefined && { error }),
  })
  const parts = [...plan.parts]
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    options.onEvent?.({ kind: 'part-started', days: part, left: parts.flat().length })
    const verdict = await makePart(
      context,
      store,
      { id, tasks, scope: { kind: 'days', days: part } },
      options,
    )
    if (verdict.kind === 'cancelled') return ended('cancelled')
    if (verdict.kind === 'stopped') return ended('stopped', verdict.error)
    if (verdict.kind === 'made') problems = verdict.problems
    if (verdict.kind === 'made' || part.length === 1) {
      const { runId } = verdict
      const state =
        verdict.kind === 'made'
          ? ({ state: 'made' } as const)
          : ({ state: 'failed', error: verdict.error } as const)
      await backfills.record(
        id,
        part.map((day) => ({ day, runId, ...state })),
      )
    } else {
      const middle = Math.ceil(part.length / 2)
      parts.unshift(part.slice(0, middle), part.slice(middle))
    }
  }
  const isMade = (await backfills.show(id)).days.every(({ state }) => state === 'made')
  if (isMade && problems.some(({ isOfOtherDays }) => isOfOtherDays)) {
    // A day that failed has kept the others from being published: what they have changed is made once more, together.
    const verdict = await makePart(context, store, { id, tasks, scope: { kind: 'changed' } }, options)
    if (verdict.kind === 'cancelled') return ended('cancelled')
    if (verdict.kind === 'stopped') return ended('stopped', verdict.error)
    if (verdict.kind === 'not-made') return ended('failed')
    problems = verdict.problems
  }
  return ended(isMade && problems.length === 0 ? 'succeeded' : 'failed')
}

interface Part {
  /** Of the backfill. */
  readonly id: number
  readonly tasks: readonly string[]
  readonly scope: Scope
}

async function makePart(
  context: BatchContext,
  store: RunStore,
  { id, tasks, scope }: Part,
  { parallel, onEvent, onWait, signal }: BackfillOptions,
): Promise<Verdict> {
  try {
    const outcome = await runRecordedBatch(context, store, {
      scope,
      tasks,
      trigger: 'backfill',
      backfill: id,
      ...(parallel !== undefined && { parallel }),
      signal,
      ...(onWait && { onWait }),
      onEvent: (event) => onEvent?.({ kind: 'run', event }),
    })
    onEvent?.({ kind: 'part-ended', days: scope.kind === 'days' ? scope.days : [], outcome })
    return judge(outcome)
  } catch (error) {
    return signal?.aborted === true ? { kind: 'cancelled' } : { kind: 'stopped', error }
  }
}

type Verdict =
  | { readonly kind: 'made'; readonly runId: number; readonly problems: readonly BackfillProblem[] }
  | { readonly kind: 'not-made'; readonly runId: number; readonly error: RecordedError }
  | { readonly kind: 'stopped'; readonly error: unknown }
  | { readonly kind: 'cancelled' }

type Failed = NodeOutcome & { readonly kind: 'failed' }

/** Days are made if each task that makes tables has done its part; the load and the audits are of no single day. */
function judge({ runId, kind, nodes }: RunOutcome): Verdict {
  if (kind === 'cancelled') return { kind: 'cancelled' }
  const failed = nodes.filter((node): node is Failed => node.kind === 'failed')
  const stop = failed.find(({ error }) => isLakeError(error, ...stopping))
  if (stop !== undefined) return { kind: 'stopped', error: stop.error }
  const notMade = failed.find(({ node }) => tablesMade.has(node))
  if (notMade !== undefined) return { kind: 'not-made', runId, error: recorded(notMade.error) }
  const problems = failed.map(({ node, error }) => ({
    runId,
    task: node,
    error: recorded(error),
    isOfOtherDays: isLakeError(error, 'CHECK_FAILED') && error.details['fault'] === 'not-one-run',
  }))
  return { kind: 'made', runId, problems }
}

function recorded(error: unknown): RecordedError {
  return { code: isLakeError(error) ? error.code : 'BUG', message: messageOf(error) }
}
