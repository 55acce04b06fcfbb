/** What a backfill is to do, as data: which days, why each, how they are grouped, and what it costs. Changes nothing. */
import { isLakeError } from '../../../lib/base/errors.ts'
import type { IoOptions } from '../../../lib/base/io.ts'
import { recordsIn, type Snapshot } from '../../../lib/delta/index.ts'
import type { Backfill, BackfillDay, BackfillWork } from '../../../lib/runs/control/backfill-book.ts'
import type { RunWithAttempts } from '../../../lib/runs/run.ts'
import type { RunStore } from '../../../lib/runs/run-store.ts'
import { type DayRange, dayColumn, dayOf, filesOfDays, inGroups } from '../../model/days.ts'
import type { BatchContext } from '../batch.ts'
import { batchDag } from '../dag-name.ts'
import type { DayReason } from '../days.ts'
import { planBatch, reasonsOf } from '../explain/explain.ts'
import { silverTask, tablesMade } from '../tasks.ts'

export interface BackfillRequest {
  readonly range: DayRange
  /** These tasks and nothing else; all of them without it. */
  readonly tasks?: readonly string[]
  /** A part has so many days at most. Without it, as many as the bytes allow. */
  readonly partDays?: number
  /** A part has input files of so many bytes together, or one day. 128 MiB without it: some five million events. */
  readonly partBytes?: number
  /** Makes all days of the range again, also if an earlier backfill of this range did not come to its end. */
  readonly restart?: boolean
}

export interface PlannedDay {
  readonly day: string
  readonly reason: DayReason
  /** `made` by a backfill of this range that did not come to its end, and not to be made again. */
  readonly state: BackfillDay['state']
  /** Of its input: what is read for it. Absent where the statistics of a file do not say. */
  readonly rows?: number
  readonly bytes: number
}

/** What it will take, from what earlier runs took. */
export interface Estimate {
  readonly seconds: number
  readonly runs: number
}

export interface BackfillPlan {
  readonly work: BackfillWork
  /** The one to go on with. */
  readonly unfinished?: Backfill
  /** Those of the range that the input has, in their order. */
  readonly days: readonly PlannedDay[]
  /** The days that are to be made, each part a run of its own. */
  readonly parts: readonly (readonly string[])[]
  readonly estimate?: Estimate
}

const defaultPartBytes = 128 * 2 ** 20

/** @throws LakeError `USAGE` for a task that is none of the batch's. */
export async function planBackfill(
  context: BatchContext,
  store: Pick<RunStore, 'backfills' | 'runs'>,
  request: BackfillRequest,
  { signal }: IoOptions = {},
): Promise<BackfillPlan> {
  const { range, tasks = [], partDays = Number.POSITIVE_INFINITY, partBytes = defaultPartBytes } = request
  const work: BackfillWork = { dag: batchDag, ...range, tasks: [...tasks].sort() }
  const found = request.restart === true ? undefined : await store.backfills.unfinished(work, { signal })
  const { tasks: planned } = await planBatch(context, {
    scope: { kind: 'range', ...range },
    tasks,
    signal,
  })
  const input = await inputOf(context, tasks, { signal })
  const reasons = reasonsOf(planned.flatMap((task) => task.tables).flatMap(({ days }) => days))
  const days = input === undefined ? [] : daysOf(input, range)
  const made = new Set(found?.days.filter(({ state }) => state === 'made').map(({ day }) => day))
  const plannedDays = days.map((day): PlannedDay => {
    const files = input === undefined ? [] : filesOfDays(input, [day])
    const rows = recordsIn(files)
    const reason = reasons.get(day) ?? 'asked'
    return {
      day,
      reason,
      // A day that has changed since it was made is made again.
      state: made.has(day) && reason === 'asked' ? 'made' : 'waiting',
      ...(rows !== undefined && { rows }),
      bytes: files.reduce((sum, { size }) => sum + size, 0),
    }
  })
  const open = plannedDays.filter(({ state }) => state !== 'made')
  const groups =
    input === undefined
      ? []
      : inGroups(
          input,
          open.map(({ day }) => day),
          { mostBytes: partBytes },
        )
  const parts = groups.flatMap((group) => chunks(group, partDays))
  const estimate = await estimateOf(store, { tasks, parts: parts.length, days: open }, { signal })
  return {
    work,
    ...(found && { unfinished: found }),
    days: plannedDays,
    parts,
    ...(estimate && { estimate }),
  }
}

/** What the first of the tasks reads. */
async function inputOf(
  { table }: BatchContext,
  tasks: readonly string[],
  { signal }: IoOptions,
): Promise<Snapshot | undefined> {
  const makesSilver = tasks.length === 0 || tasks.includes(silverTask)
  const input = table(makesSilver ? 'bronze/events' : 'silver/events')
  return (await input.exists({ signal })) ? input.snapshot({ signal }) : undefined
}

function daysOf(snapshot: Snapshot, { from, to }: DayRange): readonly string[] {
  const days = new Set(snapshot.files.map(snapshot.partitionValue(dayColumn)).map(dayOf))
  return [...days].filter((day) => day >= from && day < to).sort()
}

function chunks(days: readonly string[], most: number): readonly (readonly string[])[] {
  const found: (readonly string[])[] = []
  for (let at = 0; at < days.length; at += most) found.push(days.slice(at, at + most))
  return found
}

/** Of so many runs the newest ones tell what the next will take. */
const runsAsked = 20

interface Cost {
  readonly tasks: readonly string[]
  readonly parts: number
  readonly days: readonly PlannedDay[]
}

async function estimateOf(
  { runs }: Pick<RunStore, 'runs'>,
  { tasks, parts, days }: Cost,
  { signal }: IoOptions,
): Promise<Estimate | undefined> {
  const done = await runs.list({ dag: batchDag, states: ['succeeded'], limit: runsAsked }, { signal })
  const shown: RunWithAttempts[] = []
  for (const { id } of done) {
    try {
      shown.push(await runs.show(id, { signal }))
    } catch (error) {
      // Removed from the store meanwhile.
      if (!isLakeError(error, 'RUN_MISSING')) throw error
    }
  }
  const taken = shown.flatMap((run) => takenBy(run, tasks) ?? [])
  if (taken.length === 0) return undefined
  const rows = days.reduce((sum, day) => sum + (day.rows ?? 0), 0)
  const { fixed, perRow } = costOf(taken)
  return { seconds: parts * fixed + rows * perRow, runs: taken.length }
}

interface Taken {
  readonly rows: number
  readonly seconds: number
}

/** What the tasks read and took in a run that did all of them. */
function takenBy({ attempts }: RunWithAttempts, tasks: readonly string[]): Taken | undefined {
  const wanted = tasks.length === 0 ? [...new Set(attempts.map(({ node }) => node))] : tasks
  const theirs = attempts.filter(({ node }) => wanted.includes(node))
  const ran = theirs.filter(({ state }) => state === 'succeeded' || state === 'unchanged')
  if (new Set(ran.map(({ node }) => node)).size < wanted.length) return undefined
  const rows = Math.max(...ran.filter(({ node }) => tablesMade.has(node)).map(({ rowsIn = 0 }) => rowsIn))
  if (!(rows > 0)) return undefined
  const ms = ran.reduce((sum, { startedMs = 0, endedMs = 0 }) => sum + endedMs - startedMs, 0)
  return { rows, seconds: ms / 1000 }
}

/** Seconds = fixed + perRow × rows, by least squares; neither is below 0. */
export function costOf(taken: readonly Taken[]): { readonly fixed: number; readonly perRow: number } {
  const mean = (of: (each: Taken) => number): number =>
    taken.reduce((sum, each) => sum + of(each), 0) / taken.length
  const [rows, seconds] = [mean((each) => each.rows), mean((each) => each.seconds)]
  const spread = mean((each) => (each.rows - rows) ** 2)
  const slope = spread === 0 ? 0 : mean((each) => (each.rows - rows) * (each.seconds - seconds)) / spread
  const perRow = Math.min(Math.max(0, slope), seconds / rows)
  return { fixed: seconds - perRow * rows, perRow }
}
