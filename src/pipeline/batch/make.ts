/**
 * Makes days of a table again: compute → audit → commit, the days whole and all of them in one commit. They are
 * computed and audited in groups, so that memory does not grow with the history.
 *
 * What is computed is seen by nobody until the commit; where a check fails, readers keep the version they
 * have. If somebody else commits in between, it is computed again, and not committed over theirs.
 */

import type { Clock } from '../../lib/base/clock.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Logger } from '../../lib/base/log.ts'
import type { Compute } from '../../lib/compute/compute.ts'
import {
  type AddFile,
  type Change,
  type DeltaTable,
  type Plan,
  recordsIn,
  type Snapshot,
  type StagedFiles,
  write,
} from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Expectation } from '../../lib/quality/expectation.ts'
import type { CandidateBook } from '../../lib/runs/candidate-book.ts'
import type { CheckBook } from '../../lib/runs/check-book.ts'
import { codeOf, codeTags } from '../model/code-of-days.ts'
import { dateList, filesOfDays, inGroups } from '../model/days.ts'
import { madeFrom, madeFromTags, runTags } from '../model/made-from.ts'
import { type LakeTable, lakeTables } from '../model/tables.ts'
import { auditInput, auditStaged, judgeStaged } from './audit/audit.ts'
import type { Gate, PassedGate } from './audit/gate.ts'
import { type DayPlan, filesThatMayHold, isByDay, planDays, type Scope } from './days.ts'
import { stageDays } from './stage-days.ts'

export interface MakeContext {
  readonly table: (name: LakeTable) => DeltaTable
  readonly compute: Compute
  readonly duckdb: DuckDb
  /** Where refused versions are described, so that they can be looked at; without it their files go at once. */
  readonly candidates?: CandidateBook
  /** Results of checks, for those that compare with earlier days. */
  readonly checks?: CheckBook
  /**
   * Days are computed together while their input files are at most so large, and four times so for a table that is
   * not by day: its rows are few, and made of few columns. 16 MiB without it.
   */
  readonly groupBytes?: number
  /** Groups of days that are computed side by side, each with memory of its own. One without it. */
  readonly groupsAtOnce?: number
  /** A condition in SQL: of the input, these rows alone. */
  readonly inputWhere?: string
  readonly clock?: Clock
  readonly logger?: Logger
}

/** Of compressed Parquet: some 600,000 events, with which the engine holds a few hundred MB. */
const defaultGroupBytes = 16 * 2 ** 20

export interface MakeRequest {
  readonly target: LakeTable
  readonly input: { readonly table: LakeTable; readonly name: string; readonly snapshot: Snapshot }
  /** A SELECT over the input's name: the rows of the target. Computed over the days to make, and nothing else. */
  readonly select: string
  /** Columns that the rows are written in the order of: figures read well, and bounds of files stay narrow. */
  readonly orderBy: readonly string[]
  /** What its rows must keep to be committed. */
  readonly checks: readonly Expectation[]
  /** What rows of the input must keep for the target to be made from them. */
  readonly inputChecks?: readonly Expectation[]
  /** Asked of its rows after the checks. */
  readonly gates?: readonly Gate[]
  readonly scope: Scope
  readonly task: string
  readonly runId: number
}

export interface Made {
  readonly kind: 'succeeded' | 'unchanged'
  readonly target: LakeTable
  readonly versionBefore: number
  readonly versionAfter: number
  readonly days: readonly string[]
  readonly rowsIn: number
  readonly rowsOut: number
  readonly gates: readonly PassedGate[]
}

/** @throws LakeError `CHECK_FAILED` as `auditInput`, `auditStaged` and `judgeStaged` do; `COMMIT_CONFLICT` after some tries. */
export async function makeDays(
  context: MakeContext,
  request: MakeRequest,
  { signal }: IoOptions = {},
): Promise<Made> {
  const { target } = request
  const table = context.table(target)
  await table.createIfMissing(lakeTables[target], { signal })
  let made = nothingMade
  let versionBefore = 0
  const outcome = await write(table, { signal }, async (before) => {
    versionBefore = before.version
    const planned = await planMake(context, request, before, { signal })
    made = planned?.made ?? nothingMade
    return planned?.plan
  })
  return {
    ...made,
    kind: outcome.kind === 'committed' ? 'succeeded' : 'unchanged',
    target,
    versionBefore,
    versionAfter: outcome.version,
  }
}

/** What of a `Made` is known when its rows are computed. */
type MadeRows = Pick<Made, 'days' | 'rowsIn' | 'rowsOut' | 'gates'>

const nothingMade: MadeRows = { days: [], rowsIn: 0, rowsOut: 0, gates: [] }

/** `undefined` if no day is to be made. */
async function planMake(
  context: MakeContext,
  request: MakeRequest,
  before: Snapshot,
  { signal }: IoOptions,
): Promise<{ readonly plan: Plan; readonly made: MadeRows } | undefined> {
  const { target, input, checks, inputChecks = [], gates = [], scope, task, runId } = request
  const source = { name: input.table, snapshot: input.snapshot }
  const days = await planDays(scope, source, before, { code: codeOf(request.select), signal })
  if (days.lineage.kind === 'broken') {
    context.logger?.warn(
      { table: target, days: days.days.length },
      `${target}: every day is made again: ${days.lineage.reason}`,
    )
  }
  if (days.days.length === 0) return undefined

  const table = context.table(target)
  const files = filesToMake(request, before, days.days)
  const { groupBytes = defaultGroupBytes } = context
  const mostBytes = isByDay(before) ? groupBytes : 4 * groupBytes
  const groups = inGroups(input.snapshot, days.days, { mostBytes })
  // What another engine computes at once takes no memory here; what is audited does.
  const { atOnce } = context.compute
  const computed =
    atOnce === undefined
      ? groups
      : inGroups(input.snapshot, days.days, { mostBytes: atOnce.bytes, mostDays: atOnce.partitions })
  const audited = { target, input, groups }
  await auditInput(context, { ...audited, files: files.input }, inputChecks, { signal })
  const staged = await stageDays(context, request, before, { groups: computed, ...files }, { signal })
  const made = { ...audited, before, staged, task, runId }
  await auditStaged(context, made, checks, { signal })
  const passed = await judgeStaged(context, { ...made, replaced: files.replaced }, gates, { signal })
  try {
    const rowsOut = files.keepsRows
      ? await rowsOfDays(context, table, before, staged.files, days.days, { signal })
      : staged.rows
    return {
      plan: planOf(request, before, days, files, staged),
      made: { days: days.days, rowsIn: recordsIn(files.input) ?? 0, rowsOut, gates: passed },
    }
  } catch (error) {
    await table.discard(staged)
    throw error
  }
}

interface FilesToMake {
  readonly input: readonly AddFile[]
  /** Files of the target that others take the place of. */
  readonly replaced: readonly AddFile[]
  /** Whether rows of other days are in those files, and stay. */
  readonly keepsRows: boolean
}

function filesToMake({ input, scope }: MakeRequest, before: Snapshot, days: readonly string[]): FilesToMake {
  // A whole table is made without a look at the one before, which may be damaged.
  const isWhole = scope.kind === 'full'
  return {
    input: filesOfDays(input.snapshot, days),
    replaced: isWhole
      ? before.files
      : isByDay(before)
        ? filesOfDays(before, days)
        : filesThatMayHold(before, days),
    keepsRows: !isByDay(before) && !isWhole,
  }
}

function planOf(
  { input, task, runId }: MakeRequest,
  before: Snapshot,
  plan: DayPlan,
  { replaced }: FilesToMake,
  staged: StagedFiles,
): Plan {
  const { days } = plan
  return {
    staged,
    add: staged.files,
    remove: replaced,
    ...recordOf(input, before, plan),
    reads: { kind: 'table' },
    operation: {
      name: 'WRITE',
      parameters: { mode: 'Overwrite', days: `${days[0]}…${days.at(-1)} (${days.length})` },
      metrics: {
        numFiles: staged.files.length,
        numOutputRows: staged.rows,
        numOutputBytes: staged.sizeBytes,
        numRemovedFiles: replaced.length,
      },
      tags: {
        ...runTags(runId, task, days),
        ...(plan.madeFrom && madeFromTags(plan.madeFrom)),
        ...(plan.madeBy && codeTags(plan.madeBy)),
      },
    },
  }
}

/** The version of the input that the target is made from: also if it stays the same, for it marks our commits. */
function recordOf(
  { table, snapshot }: MakeRequest['input'],
  before: Snapshot,
  { isComplete }: DayPlan,
): Pick<Change, 'transactions' | 'mayGoBack'> {
  const application = madeFrom(table, snapshot)
  const made = isComplete ? snapshot.version : before.transactionVersion(application)
  if (made === undefined) return {}
  return { transactions: { [application]: made }, mayGoBack: isComplete }
}

/** Files of a table without partitions hold rows of other days beside those that were made. */
async function rowsOfDays(
  { duckdb }: MakeContext,
  table: DeltaTable,
  snapshot: Snapshot,
  files: readonly AddFile[],
  days: readonly string[],
  { signal }: IoOptions,
): Promise<number> {
  const row = await duckdb.use(async (session) => {
    const scan = await table.scan(session, snapshot, { files, signal })
    return await session.row(`select count(*) as n from (${scan}) where event_date in (${dateList(days)})`, {
      signal,
    })
  })
  return Number(row['n'])
}
