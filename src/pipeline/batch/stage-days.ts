/**
 * Computes days of a target group by group, in files that nobody sees yet.
 *
 * Where the target is by day, each group is written by itself. Where it is not, its rows are few: the groups are
 * computed one after the other, and written together.
 */
import type { IoOptions } from '../../lib/base/io.ts'
import type { ComputeInput } from '../../lib/compute/compute.ts'
import { type AddFile, combined, type Snapshot, type StagedFiles } from '../../lib/delta/index.ts'
import { dateList, filesOfDays } from '../model/days.ts'
import { isByDay } from './days.ts'
import type { MakeContext, MakeRequest } from './make.ts'

export interface DaysToStage {
  /** ISO days, in groups that fit into memory. At least one. */
  readonly groups: readonly (readonly string[])[]
  /** Files of the target that others take the place of. */
  readonly replaced: readonly AddFile[]
  /** Whether rows of other days are in those files, and stay. */
  readonly keepsRows: boolean
}

/** If it fails, nothing is left behind. */
export async function stageDays(
  context: MakeContext,
  request: MakeRequest,
  before: Snapshot,
  days: DaysToStage,
  { signal }: IoOptions,
): Promise<StagedFiles> {
  const target = context.table(request.target)
  if (!isByDay(before)) return stageTogether(context, request, before, days, { signal })
  let staged: StagedFiles = { files: [], rows: 0, sizeBytes: 0 }
  const groups = days.groups.values()
  const failed = new AbortController()
  const work = async (): Promise<void> => {
    for (const group of groups) {
      failed.signal.throwIfAborted()
      const ofGroup = await context.compute.stage(
        {
          inputs: [inputOf(context, request, group)],
          select: selectOf(context, request),
          orderBy: request.orderBy,
          target,
          targetSnapshot: before,
        },
        { signal: signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]) },
      )
      staged = combined(staged, ofGroup)
    }
  }
  const workers = Array.from({ length: context.groupsAtOnce ?? 1 }, () =>
    work().catch((error: unknown) => failed.abort(error)),
  )
  // All have ended before anything is removed: what one of them writes late would stay behind.
  await Promise.all(workers)
  if (failed.signal.aborted) await target.discard(staged)
  failed.signal.throwIfAborted()
  return staged
}

function stageTogether(
  context: MakeContext,
  request: MakeRequest,
  before: Snapshot,
  { groups, replaced, keepsRows }: DaysToStage,
  { signal }: IoOptions,
): Promise<StagedFiles> {
  const table = context.table(request.target)
  const kept = `select * from kept where event_date not in (${dateList(groups.flat())})`
  const parts = groups.map((group) => [inputOf(context, request, group)])
  const [only, ...others] = parts
  const isOne = only !== undefined && others.length === 0
  const select = selectOf(context, request)
  const made = isOne ? select : 'select * from made'
  return context.compute.stage(
    {
      inputs: [
        ...(isOne ? only : []),
        ...(keepsRows ? [{ name: 'kept', table, snapshot: before, files: replaced }] : []),
      ],
      ...(!isOne && { inParts: { name: 'made', select, parts } }),
      select: made,
      ...(keepsRows && { further: kept }),
      orderBy: request.orderBy,
      target: table,
      targetSnapshot: before,
    },
    { signal },
  )
}

function inputOf(
  { table }: MakeContext,
  { input: { table: name, name: view, snapshot } }: MakeRequest,
  days: readonly string[],
): ComputeInput {
  return { name: view, table: table(name), snapshot, files: filesOfDays(snapshot, days) }
}

function selectOf({ inputWhere }: MakeContext, { input: { name }, select }: MakeRequest): string {
  return inputWhere === undefined
    ? select
    : `with ${name} as (select * from ${name} where ${inputWhere}) select * from (${select})`
}
