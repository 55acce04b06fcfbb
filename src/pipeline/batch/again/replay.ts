/**
 * A run once more, to the side: each of its tasks from the versions that the run has read, into tables that nobody sees,
 * and its rows compared with those that the run committed, day by day, by hash.
 *
 * Each task is made from what the run's own task has read, not from what the replay of an earlier task has made: a
 * difference is told where it arises.
 */
import { isLakeError, LakeError } from '../../../lib/base/errors.ts'
import type { IoOptions } from '../../../lib/base/io.ts'
import type { DagNode } from '../../../lib/dag/node.ts'
import type { DeltaTable, Snapshot } from '../../../lib/delta/index.ts'
import { identifier } from '../../../lib/duckdb/sql-text.ts'
import { endedRunStates, type RunWithAttempts } from '../../../lib/runs/run.ts'
import { dateList, dayColumn, filesOfDays } from '../../model/days.ts'
import { daysOfRun, runOf } from '../../model/made-from.ts'
import type { LakeTable } from '../../model/tables.ts'
import type { BatchContext } from '../batch.ts'
import { batchDag } from '../dag-name.ts'
import { filesThatMayHold, isByDay } from '../days.ts'
import { inputOf, tablesMade } from '../tasks.ts'
import { tryTask } from '../trial.ts'

export const replayDag = 'lakehouse_replay'

/** A task of a run, with what it read and what it committed. */
export interface ReplayedTask {
  readonly task: string
  readonly input: { readonly table: LakeTable; readonly snapshot: Snapshot }
  readonly outputs: readonly { readonly table: LakeTable; readonly committed: Snapshot }[]
  /** UTC days that it made. */
  readonly days: readonly string[]
}

export interface ReplayedDay {
  readonly table: LakeTable
  readonly day: string
  readonly rows: number
  readonly hash: string
  /** Of the replay. */
  readonly replayedRows: number
  readonly replayedHash: string
  readonly isEqual: boolean
}

/**
 * @throws LakeError `USAGE` for a run of another DAG, or one that has not ended; `VERSION_MISSING` naming a version that
 * is no longer in the log of its table.
 */
export async function planReplay(
  { table }: Pick<BatchContext, 'table'>,
  run: RunWithAttempts,
  { signal }: IoOptions = {},
): Promise<readonly ReplayedTask[]> {
  if (run.dag !== batchDag || !endedRunStates.includes(run.state)) {
    const got = run.dag === batchDag ? `one that is ${run.state}` : `one of ${run.dag}`
    throw new LakeError('USAGE', `Run ${run.id}: expected a run of ${batchDag} that has ended, got ${got}`, {
      details: { fault: 'not-a-batch', runId: run.id },
    })
  }
  const planned: ReplayedTask[] = []
  for (const [task, tables] of tablesMade) {
    const made = run.attempts.find(({ node, state }) => node === task && state === 'succeeded')
    if (made === undefined) continue
    const name = inputOf(task)
    const version = made.inputs?.[name]
    if (typeof version !== 'number') {
      throw new LakeError(
        'VERSION_MISSING',
        `Run ${run.id}, ${task}: the version of ${name} that it read is not recorded`,
        {
          details: { fault: 'inputs-not-recorded', runId: run.id },
        },
      )
    }
    const days = new Set<string>()
    const outputs: { table: LakeTable; committed: Snapshot }[] = []
    for (const output of tables) {
      const after = made.versionsAfter?.[output]
      if (typeof after !== 'number' || after === made.versionsBefore?.[output]) continue
      const committed = await snapshotAt(run.id, table(output), output, after, { signal })
      for (const day of await daysMade(run.id, output, committed, { signal })) days.add(day)
      outputs.push({ table: output, committed })
    }
    if (outputs.length === 0) continue
    const snapshot = await snapshotAt(run.id, table(name), name, version, { signal })
    planned.push({ task, input: { table: name, snapshot }, outputs, days: [...days].sort() })
  }
  return planned
}

/**
 * A node for each task; none depends on another. It notes its days, and fails if one differs.
 *
 * @param scratch An empty table in place of one of the lake's, for a task.
 * @param onDays Told what a task has found.
 */
export function replayNodes(
  context: BatchContext,
  run: Pick<RunWithAttempts, 'id'>,
  tasks: readonly ReplayedTask[],
  scratch: (name: LakeTable) => Promise<DeltaTable>,
  onDays: (days: readonly ReplayedDay[]) => void,
): readonly DagNode[] {
  return tasks.map((task) => ({
    name: task.task,
    dependsOn: [],
    run: async ({ logger, signal }) => {
      const found = await replayTask(context, run, task, scratch, { signal })
      onDays(found)
      for (const day of found) logger.info({ ...day }, day.isEqual ? 'Equal rows' : 'Different rows')
      const different = found.filter(({ isEqual }) => !isEqual)
      const [first] = different
      if (first !== undefined) throw differs(run.id, task.task, first, different)
      return {
        kind: 'succeeded',
        rowsOut: found.reduce((sum, { rows }) => sum + rows, 0),
        inputs: { [task.input.table]: task.input.snapshot.version },
        details: { equal: true, days: task.days },
      }
    },
  }))
}

async function replayTask(
  context: BatchContext,
  run: Pick<RunWithAttempts, 'id'>,
  { task, input, outputs, days }: ReplayedTask,
  scratch: (name: LakeTable) => Promise<DeltaTable>,
  { signal }: IoOptions,
): Promise<readonly ReplayedDay[]> {
  const made = new Map<LakeTable, DeltaTable>()
  const keep = async (name: LakeTable): Promise<DeltaTable> => {
    const table = await scratch(name)
    made.set(name, table)
    return table
  }
  try {
    // The checks have judged these rows when the run committed them; here they are compared with what was committed.
    await tryTask({ ...context, checksOf: () => [] }, keep, { task, days, input: input.snapshot }, { signal })
    const found: ReplayedDay[] = []
    for (const { table: name, committed } of outputs) {
      const replayed = made.get(name)
      if (replayed === undefined) throw new LakeError('BUG', `${task}: expected a table in place of ${name}`)
      const before = await digests(context, context.table(name), committed, days, { signal })
      const after = await digests(context, replayed, await replayed.snapshot({ signal }), days, { signal })
      found.push(...compared(name, days, before, after))
    }
    return found
  } catch (error) {
    if (!isLakeError(error, 'OBJECT_MISSING', 'FILE_MISSING')) throw error
    throw new LakeError(
      'VERSION_MISSING',
      `Run ${run.id}, ${task}: files of the versions that it read or wrote are gone: vacuum has removed them`,
      { cause: error, details: { fault: 'replay-vacuumed', runId: run.id } },
    )
  }
}

interface Digest {
  readonly rows: number
  readonly hash: string
}

const noRows: Digest = { rows: 0, hash: '0' }

function compared(
  table: LakeTable,
  days: readonly string[],
  before: ReadonlyMap<string, Digest>,
  after: ReadonlyMap<string, Digest>,
): readonly ReplayedDay[] {
  return days.map((day) => {
    const [was, is] = [before.get(day) ?? noRows, after.get(day) ?? noRows]
    const isEqual = was.rows === is.rows && was.hash === is.hash
    return { table, day, ...was, replayedRows: is.rows, replayedHash: is.hash, isEqual }
  })
}

/** By day, the number of rows and the sum of their hashes: the order of rows does not matter, how often each is there does. */
async function digests(
  { duckdb }: BatchContext,
  table: DeltaTable,
  snapshot: Snapshot,
  days: readonly string[],
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, Digest>> {
  const files = isByDay(snapshot) ? filesOfDays(snapshot, days) : filesThatMayHold(snapshot, days)
  const columns = snapshot.schema.fields.map(({ name }) => identifier(name)).sort()
  const rows = await duckdb.use(async (session) => {
    const scan = await table.scan(session, snapshot, { files, signal })
    return await session.rows(
      `select ${dayColumn}::varchar as day, count(*) as n, sum(hash(${columns.join(', ')})::hugeint)::varchar as digest
       from (${scan}) where ${dayColumn} in (${dateList(days)}) group by all`,
      { signal },
    )
  })
  return new Map(
    rows.map((row) => [String(row['day']), { rows: Number(row['n']), hash: String(row['digest']) }]),
  )
}

async function snapshotAt(
  runId: number,
  table: DeltaTable,
  name: LakeTable,
  version: number,
  { signal }: IoOptions,
): Promise<Snapshot> {
  try {
    return await table.snapshot({ version, signal })
  } catch (error) {
    if (!isLakeError(error, 'VERSION_MISSING', 'TABLE_MISSING', 'OBJECT_MISSING')) throw error
    throw new LakeError('VERSION_MISSING', `Run ${runId}: ${name} has no version ${version} any more`, {
      cause: error,
      details: { fault: 'replay-vacuumed', runId, table: name, version },
    })
  }
}

/** As the commit says itself, which holds the rows. */
async function daysMade(
  runId: number,
  name: LakeTable,
  committed: Snapshot,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  for await (const { info } of committed.commits({ signal })) {
    const days = runOf(info) === runId ? daysOfRun(info) : undefined
    if (days !== undefined) return days
    break
  }
  throw new LakeError(
    'VERSION_MISSING',
    `Run ${runId}: version ${committed.version} of ${name} is no commit of this run, or its commit is no longer in the log`,
    { details: { fault: 'replay-vacuumed', runId, table: name, version: committed.version } },
  )
}

const daysNamed = 5

function differs(
  runId: number,
  task: string,
  { table }: ReplayedDay,
  different: readonly ReplayedDay[],
): LakeError {
  const named = different
    .slice(0, daysNamed)
    .map(({ table: of, day, rows, replayedRows }) =>
      rows === replayedRows
        ? `${of} ${day} (other values)`
        : `${of} ${day} (${rows} rows, now ${replayedRows})`,
    )
  const more = different.length > named.length ? `, and ${different.length - named.length} more` : ''
  return new LakeError(
    'CHECK_FAILED',
    `${task}: the replay of run ${runId} has other rows than it committed: ${named.join(', ')}${more}`,
    { details: { fault: 'replay-differs', runId, table, days: different.map(({ day }) => day) } },
  )
}
