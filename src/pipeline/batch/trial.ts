/**
 * A task on trial: the module of production, on the lake as it is, with some days or some of the users alone. What it makes
 * goes into tables of its own, which nobody else reads.
 */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { silentLogger } from '../../lib/base/log.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { LakeTable } from '../model/tables.ts'
import { type BatchContext, batchGraph } from './batch.ts'
import type { Scope } from './days.ts'
import { inputOf, tablesMade } from './tasks.ts'

export interface TrialRequest {
  readonly task: string
  /** UTC days; all without it. */
  readonly days?: readonly string[] | undefined
  /** The share of users whose events are taken, above 0 and up to 1: each with all of their events. Events without a user count by themselves. */
  readonly sample?: number | undefined
  /** The version of its input; the newest without it. */
  readonly input?: Snapshot | undefined
}

export interface Tried {
  /** What the task has made. */
  readonly tables: readonly LakeTable[]
  /** The table that it was made from, as it was. */
  readonly input: { readonly table: LakeTable; readonly snapshot: Snapshot }
  readonly rowsIn: number
  readonly rowsOut: number
}

/**
 * @param scratch The table to write in place of one of the lake's: empty, and nobody else's.
 * @throws LakeError `USAGE` for a task that makes no table, and what the task throws: a check that is broken is broken here
 * too.
 */
export async function tryTask(
  context: BatchContext,
  scratch: (name: LakeTable) => Promise<DeltaTable>,
  { task, days, sample = 1, input }: TrialRequest,
  { signal }: IoOptions = {},
): Promise<Tried> {
  const names = tablesMade.get(task)
  if (names === undefined) {
    throw new LakeError('USAGE', `${task}: expected one of the tasks ${[...tablesMade.keys()].join(', ')}`)
  }
  if (!(sample > 0 && sample <= 1)) {
    throw new LakeError('USAGE', `sample: expected a share above 0 and up to 1, got ${sample}`)
  }
  const own = new Map<LakeTable, DeltaTable>()
  for (const name of names) own.set(name, await scratch(name))
  const { duckdb, compute, clickhouse, temporaryDirectory, checksOf, selectOf, clock, logger } = context
  const trial: BatchContext = {
    table: (name) => own.get(name) ?? context.table(name),
    duckdb,
    compute,
    ...(sample < 1 && { inputWhere: ofSample(sample) }),
    clickhouse,
    temporaryDirectory,
    ...(checksOf && { checksOf }),
    ...(selectOf && { selectOf }),
    ...(input && { pinnedSilver: input }),
    ...(clock && { clock }),
    ...(logger && { logger }),
  }
  const scope: Scope = days === undefined ? { kind: 'full' } : { kind: 'days', days }
  const table = inputOf(task)
  const snapshot = input ?? (await context.table(table).snapshot({ signal }))
  // The graph is made of bronze; a task over silver does not look at it.
  const bronze =
    table === 'bronze/events' ? snapshot : await context.table('bronze/events').snapshot({ signal })
  const node = batchGraph(trial, bronze, scope).nodes.find(({ name }) => name === task)
  if (node === undefined) throw new LakeError('BUG', `No node ${task}`)
  const { rowsIn = 0, rowsOut = 0 } = await node.run({
    // Of no run of the store.
    runId: 0,
    attempt: 1,
    logger: logger ?? silentLogger,
    signal: signal ?? new AbortController().signal,
    note: () => undefined,
  })
  return { tables: names, input: { table, snapshot }, rowsIn, rowsOut }
}

const partsOfShare = 16 ** 8

/** A user is in the sample or not, with all events; an event without a user by itself. The same ones at every engine. */
const ofSample = (share: number): string => {
  const most = Math.round(share * partsOfShare)
    .toString(16)
    .padStart(8, '0')
  return `substr(md5(coalesce(cast(user_id as string), event_id)), 1, 8) < '${most}'`
}
