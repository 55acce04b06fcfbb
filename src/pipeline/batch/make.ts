/**
 * Makes days of a table again: compute → check → commit, the days whole and all of them in one commit.
 *
 * What is computed is seen by nobody until the commit; where a check fails, readers keep the version they
 * have. A commit of somebody else in between means computing anew, not committing over it.
 */

import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Logger } from '../../lib/base/log.ts'
import type { Compute } from '../../lib/compute/compute.ts'
import {
  type AddFile,
  type Change,
  type DeltaTable,
  decodeStatistics,
  type Snapshot,
} from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { type Expectation, evaluateExpectations } from '../../lib/quality/expectation.ts'
import { type LakeTable, lakeTables } from '../model/tables.ts'
import {
  type DayPlan,
  filesOfDays,
  filesThatMayHold,
  madeFrom,
  madeFromTags,
  planDays,
  type Scope,
} from './days.ts'

export interface MakeContext {
  readonly table: (name: LakeTable) => DeltaTable
  readonly compute: Compute
  readonly duckdb: DuckDb
  readonly logger?: Logger
}

export interface MakeRequest {
  readonly target: LakeTable
  readonly input: { readonly table: LakeTable; readonly name: string; readonly snapshot: Snapshot }
  /** A SELECT over the input's name: the rows of the target. Computed over the days to make, and nothing else. */
  readonly select: string
  /** Columns that the rows are written in the order of: figures read well, and bounds of files stay narrow. */
  readonly orderBy: readonly string[]
  readonly checks: readonly Expectation[]
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
}

const attempts = 5

/** @throws LakeError `CHECK_FAILED` naming the check, the table and rows; `COMMIT_CONFLICT` after some tries. */
export async function makeDays(
  context: MakeContext,
  request: MakeRequest,
  { signal }: IoOptions = {},
): Promise<Made> {
  const table = context.table(request.target)
  await table.createIfMissing(lakeTables[request.target], { signal })
  let reason = ''
  for (let attempt = 0; attempt < attempts; attempt++) {
    const made = await tryToMake(context, request, await table.snapshot({ signal }), { signal })
    if (typeof made !== 'string') return made
    reason = made
  }
  throw new LakeError('COMMIT_CONFLICT', `${request.target}: ${reason}, ${attempts} times in a row`)
}

async function tryToMake(
  context: MakeContext,
  { target, input, select, orderBy, checks, scope, task, runId }: MakeRequest,
  before: Snapshot,
  { signal }: IoOptions,
): Promise<Made | string> {
  const table = context.table(target)
  const inputTable = context.table(input.table)
  const plan = await planDays(
    scope,
    { name: input.table, table: inputTable, snapshot: input.snapshot },
    { table, snapshot: before },
    { signal },
  )
  const { days, restored } = plan
  if (restored !== undefined) {
    context.logger?.warn(
      { table: target, days: days.length },
      `${target}: every day is made again: ${restored}`,
    )
  }
  const versions = { target, versionBefore: before.version, versionAfter: before.version }
  if (days.length === 0) return { ...versions, kind: 'unchanged', days, rowsIn: 0, rowsOut: 0 }

  const inputFiles = filesOfDays(input.snapshot.files, days)
  const isPartitioned = before.partitionColumns.includes('event_date')
  const isWhole = scope.kind === 'full'
  const replaced = isWhole
    ? before.files
    : isPartitioned
      ? filesOfDays(before.files, days)
      : filesThatMayHold(before.files, days)
  // A whole table is made without a look at the one before, which may be damaged.
  const keepsRows = !isPartitioned && !isWhole
  const staged = await context.compute.stage(
    {
      inputs: [
        { name: input.name, table: inputTable, snapshot: input.snapshot, files: inputFiles },
        ...(keepsRows ? [{ name: 'kept', table, snapshot: before, files: replaced }] : []),
      ],
      select: `select * from (${keepsRows ? `${select} union all by name ${keptRows(days)}` : select}) order by ${orderBy.join(', ')}`,
      target: table,
      targetSnapshot: before,
    },
    { signal },
  )
  try {
    await requireChecks(context, table, before, staged.files, checks, target, { signal })
  } catch (error) {
    await table.discard(staged)
    throw error
  }
  const outcome = await table.commit(before, {
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
      tags: { task, run: String(runId), ...(plan.madeFrom && madeFromTags(plan.madeFrom)) },
    },
  })
  if (outcome.kind === 'conflict') {
    await table.discard(staged)
    return outcome.reason
  }
  return {
    ...versions,
    kind: 'succeeded',
    versionAfter: outcome.version,
    days,
    rowsIn: rowsOf(inputFiles),
    rowsOut: keepsRows
      ? await rowsOfDays(context, table, before, staged.files, days, { signal })
      : staged.rows,
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

function keptRows(days: readonly string[]): string {
  return `select * from kept where event_date not in (${dateList(days)})`
}

function dateList(days: readonly string[]): string {
  return days.map((day) => `date '${day}'`).join(', ')
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

async function requireChecks(
  { duckdb }: MakeContext,
  table: DeltaTable,
  snapshot: Snapshot,
  files: readonly AddFile[],
  checks: readonly Expectation[],
  name: string,
  { signal }: IoOptions,
): Promise<void> {
  const results = await duckdb.use(async (session) => {
    const select = await table.scan(session, snapshot, { files, ...(signal && { signal }) })
    return await evaluateExpectations(session, `(${select})`, checks, { signal })
  })
  const failed = results.filter(({ violations }) => violations > 0)
  if (failed.length === 0) return
  throw new LakeError(
    'CHECK_FAILED',
    `${name}: ${failed.map(({ expectation, violations }) => `expected ${expectation}, ${countOf(violations, 'row')} ${violations === 1 ? 'breaks' : 'break'} it`).join('; ')}`,
    { details: { table: name, failed } },
  )
}

function rowsOf(files: readonly AddFile[]): number {
  return files.reduce((sum, { stats }) => sum + (decodeStatistics(stats)?.numRecords ?? 0), 0)
}
