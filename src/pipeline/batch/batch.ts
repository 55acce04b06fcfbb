/**
 * The DAG `lakehouse_batch`: bronze → silver → gold → ClickHouse, over pinned versions.
 *
 *     bronze_to_silver ─┬─► silver_to_gold_dau ────────────┬─► gold_to_clickhouse ─┬─► ledger
 *                       ├─► silver_to_gold_conversion ─────┤                       └─► reconcile
 *                       ├─► silver_to_gold_events_source ──┤
 *                       └─► silver_to_gold_purchases_page ─┘
 *
 * One batch runs at a time, under a lease; each task knows from its own table what it has made, so a run that
 * was killed anywhere is simply run again.
 */

import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { Compute } from '../../lib/compute/compute.ts'
import type { AttemptLogs } from '../../lib/dag/attempt-log.ts'
import { type ExecutionEvent, execute } from '../../lib/dag/execute.ts'
import { createGraph, type Graph } from '../../lib/dag/graph.ts'
import type { DagNode, NodeContext, NodeResult, RunOutcome } from '../../lib/dag/node.ts'
import { plan, type Selection } from '../../lib/dag/plan.ts'
import type { RunRecorder, TableVersions } from '../../lib/dag/recorder.ts'
import type { Snapshot } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { EventLog } from '../../lib/eventlog/eventlog.ts'
import type { CandidateBook } from '../../lib/runs/candidate-book.ts'
import type { CheckBook } from '../../lib/runs/check-book.ts'
import type { Lease } from '../../lib/runs/leases.ts'
import type { LedgerBook } from '../../lib/runs/ledger-book.ts'
import type { ReleaseBook } from '../../lib/runs/release-book.ts'
import type { Lineage } from '../lineage/recording.ts'
import { checksOf, expectationsBefore, expectationsBetween, type TableCheck } from '../model/checks.ts'
import { goldMetrics } from '../model/gold.ts'
import { madeFrom } from '../model/made-from.ts'
import { type LakeTable, lakeTableNames, lakeTables } from '../model/tables.ts'
import { publishGold } from '../serving/publish.ts'
import { publishRelease } from '../serving/release.ts'
import { auditNodes } from './audit/audit-books.ts'
import {
  askGates,
  type Gate,
  type Gates,
  gateDetails,
  gatesByTask,
  type PassedGate,
  refusalText,
} from './audit/gate.ts'
import { batchDag } from './dag-name.ts'
import { planDays, type Scope } from './days.ts'
import { type Made, type MakeRequest, makeDays } from './make.ts'
import { type LakeState, type SettledContext, settledState, stateDetail } from './settled.ts'
import { declaredSelect, judgedTasks, loadTask, silverTask, tablesMade } from './tasks.ts'

export interface BatchContext extends SettledContext {
  readonly duckdb: DuckDb
  readonly compute: Compute
  /** Asked for by the load and the audits alone. */
  readonly clickhouse: () => Promise<ClickHouse>
  readonly temporaryDirectory: string
  /** These three as `MakeContext` has them. */
  readonly groupBytes?: number
  readonly groupsAtOnce?: number
  readonly inputWhere?: string
  /** The checks of a table: those that are declared, without it. */
  readonly checksOf?: (table: LakeTable) => readonly TableCheck[]
  /** The SELECT that makes a table: the one that is declared, without it. */
  readonly selectOf?: (table: LakeTable) => string
  /** Where refused versions are described; without it nobody can look at them. */
  readonly candidates?: CandidateBook
  /** What gold is made from, in place of silver's newest version. */
  readonly pinnedSilver?: Snapshot
  /** What judges tables beside their checks; without it nothing does. */
  readonly gates?: Gates
  /** Results of checks, for those that compare with earlier days. */
  readonly checks?: CheckBook
  /** Where what readers see together is written down; without it nothing is released. */
  readonly releases?: ReleaseBook
  /** Held by the run: without it, another may publish meanwhile. */
  readonly lease?: Lease
  /** Where what the audits find is written down; asked by them alone. Without it, or the log, nothing is audited. */
  readonly ledger?: () => Promise<LedgerBook>
  /** Asked by the audits alone. */
  readonly log?: () => Promise<EventLog>
  readonly attempts?: AttemptSettings
  /** Who is told of runs and of what they read and write; without it nobody is. */
  readonly lineage?: Lineage
  /** Where the log of each attempt is kept. */
  readonly logs?: AttemptLogs
  readonly clock?: Clock
  readonly logger?: Logger
}

/** How often a task is tried, and how long an attempt may take. Without it each has one attempt. */
export interface AttemptSettings {
  readonly mostAttempts: number
  readonly timeoutMs?: number
}

export interface BatchOptions extends IoOptions {
  readonly scope?: Scope
  /** These tasks and nothing else. */
  readonly tasks?: readonly string[]
  /** Tasks that run side by side, at most, and groups of days in each; memory grows with it. Without it two, and one. */
  readonly parallel?: number
  readonly recorder: RunRecorder
  readonly onEvent?: (event: ExecutionEvent) => void
}

/** Between attempts: soon at first, for a hiccup; later often enough for a server that is started again. */
const delays = { firstDelayMs: 1_000, maxDelayMs: 60_000 } as const

/** Tasks that run side by side: DuckDB uses all cores within one already. */
const concurrency = 2

export async function runBatch(
  given: BatchContext,
  { scope = { kind: 'changed' }, tasks, parallel, recorder, onEvent, signal }: BatchOptions,
): Promise<RunOutcome> {
  const context: BatchContext = parallel === undefined ? given : { ...given, groupsAtOnce: parallel }
  for (const name of lakeTableNames) await context.table(name).createIfMissing(lakeTables[name], { signal })
  const bronze = await context.table('bronze/events').snapshot({ signal })
  const isNamed = tasks !== undefined && tasks.length > 0
  const graph = batchGraph(isNamed ? asked(context) : context, bronze, scope, {
    leftOut: isNamed ? [...tablesMade.keys()].filter((task) => !tasks.includes(task)) : [],
  })
  return execute(graph, plan(graph, selectionOf(tasks)), {
    recorder,
    concurrency: parallel ?? concurrency,
    signal,
    ...(context.attempts && { retries: { ...delays, maxAttempts: context.attempts.mostAttempts } }),
    ...(context.attempts?.timeoutMs !== undefined && { timeoutMs: context.attempts.timeoutMs }),
    ...(context.logs && { logs: context.logs }),
    ...(context.clock && { clock: context.clock }),
    ...(onEvent && { onEvent }),
  })
}

/** Tasks that somebody names do their work. */
function asked({ isClickHouseAtRest: _, ...context }: BatchContext): BatchContext {
  return context
}

function selectionOf(tasks: readonly string[] | undefined): Selection {
  return tasks === undefined || tasks.length === 0 ? { kind: 'all' } : { kind: 'only', nodes: tasks }
}

/** @param leftOut tasks that this run leaves out: what their tables hold is published only if it belongs together. */
export function batchGraph(
  context: BatchContext,
  bronze: Snapshot,
  scope: Scope,
  { leftOut = [] }: { readonly leftOut?: readonly string[] } = {},
): Graph<DagNode> {
  const { selectOf = declaredSelect } = context
  const gatesOf = gatesByTask(context.gates, judgedTasks)
  const unlessSettled = leavingClickHouseAtRest(context)
  const goldTasks = goldMetrics.map((metric): DagNode => {
    return {
      name: metric.task,
      dependsOn: [silverTask],
      run: async ({ runId, signal, note }) => {
        const silver = context.pinnedSilver ?? (await context.table('silver/events').snapshot({ signal }))
        const made = await makeDays(
          context,
          {
            target: `gold/${metric.name}`,
            input: { table: 'silver/events', name: 'silver_events', snapshot: silver },
            select: selectOf(`gold/${metric.name}`),
            orderBy: metric.grain,
            ...askedBetween(context, 'silver/events', `gold/${metric.name}`),
            gates: await gatesOf(metric.task, { signal }),
            scope,
            task: metric.task,
            runId,
          },
          { signal },
        )
        return resultOf([made], { 'silver/events': silver.version }, note)
      },
    }
  })
  return createGraph<DagNode>(batchDag, [
    {
      name: silverTask,
      dependsOn: [],
      run: async (node) => makeSilver(context, bronze, scope, await gatesOf(silverTask, node), node),
    },
    ...goldTasks,
    {
      name: loadTask,
      dependsOn: goldTasks.map(({ name }) => name),
      run: unlessSettled(async (node) => {
        await requireOneRun(context, { leftOut, scope }, node)
        return publish(context, bronze, scope, await gatesOf(loadTask, node), node)
      }),
    },
    ...(context.ledger && context.log
      ? auditNodes({ ...context, ledger: context.ledger, log: context.log }, { after: loadTask })
      : []
    ).map((node) => ({ ...node, run: unlessSettled(node.run) })),
  ])
}

/** Of tasks that ask ClickHouse: they have nothing to do if it may be left at rest, and readers see what they saw. */
function leavingClickHouseAtRest(context: BatchContext): (work: DagNode['run']) => DagNode['run'] {
  let settled: Promise<LakeState | undefined> | undefined
  return (work) => async (node) => {
    // Asked once gold is made, and once for all tasks: by then one of them may have started ClickHouse.
    settled ??= settledState(context, { signal: node.signal })
    const state = await settled
    if (state === undefined) return work(node)
    const release = await context.releases?.newest({ signal: node.signal })
    return { kind: 'unchanged', details: { [stateDetail]: state, ...(release && { release: release.id }) } }
  }
}

/**
 * A run that failed between two tables has left them at different versions of their inputs: they are no release. A run of
 * all tasks that makes what has changed makes them equal again; one of some tasks, or of some days, may not.
 *
 * @throws LakeError `CHECK_FAILED` naming a table, and where it is known the days that it lacks.
 */
async function requireOneRun(
  { table }: BatchContext,
  { leftOut, scope }: { readonly leftOut: readonly string[]; readonly scope: Scope },
  { signal }: IoOptions,
): Promise<void> {
  const isOfSomeDays = scope.kind === 'range' || scope.kind === 'days'
  const silver = { name: 'silver/events', snapshot: await table('silver/events').snapshot({ signal }) }
  if (isOfSomeDays || leftOut.includes(silverTask)) {
    const bronze = madeFrom('bronze/events', await table('bronze/events').snapshot({ signal }))
    const quarantine = await table('silver/quarantine').snapshot({ signal })
    if (quarantine.transactionVersion(bronze) !== silver.snapshot.transactionVersion(bronze)) {
      throw new LakeError(
        'CHECK_FAILED',
        `${loadTask}: silver/events and silver/quarantine are not made from the same version of bronze/events`,
        { details: { table: 'silver/events', fault: 'not-one-run' } },
      )
    }
  }
  for (const { name, task } of goldMetrics) {
    if (!isOfSomeDays && !leftOut.includes(task)) continue
    const gold = `gold/${name}` as const
    const { days } = await planDays({ kind: 'changed' }, silver, await table(gold).snapshot({ signal }), {
      signal,
    })
    if (days.length === 0) continue
    throw new LakeError(
      'CHECK_FAILED',
      `${loadTask}: ${gold} is not made from silver/events at version ${silver.snapshot.version}: ${countOf(days.length, 'day')} to make, from ${days[0]}`,
      { details: { table: gold, days: [...days], fault: 'not-one-run' } },
    )
  }
}

/** Gold into ClickHouse, and all of it to readers; if a gate refuses it, they keep what they see. */
async function publish(
  context: BatchContext,
  bronze: Snapshot,
  scope: Scope,
  gates: readonly Gate[],
  { runId, signal }: NodeContext,
): Promise<NodeResult> {
  const { clock = systemClock, logger = silentLogger, releases } = context
  let passed: readonly PassedGate[] = []
  const { kind, rows, versions, versionsBefore, boundary } = await publishGold(
    { ...context, clickhouse: await context.clickhouse(), clock, logger },
    bronze,
    {
      runId,
      isFull: scope.kind === 'full',
      signal,
      beforeLoad: async () => {
        const said = await askGates(
          gates,
          { run: runId, task: loadTask, tables: {}, madeFrom: { 'bronze/events': bronze.version } },
          { signal },
        )
        passed = said.passed
        if (said.refusing.length === 0) return
        throw new LakeError('CHECK_FAILED', `${loadTask}: ${refusalText(said.refusing)}`, {
          details: { task: loadTask, gates: said.refusing, fault: 'gate-refused-load' },
        })
      },
    },
  )
  const release =
    releases && (await publishRelease({ ...context, releases }, { runId, gold: versions }, { signal }))
  return {
    kind,
    rowsIn: rows,
    rowsOut: rows,
    inputs: versions,
    versionsBefore,
    versionsAfter: versions,
    details: {
      boundary,
      ...(release !== undefined && { release: release.id }),
      ...gateDetails(passed),
    },
  }
}

/** What is asked of the input before a target is made from it, and of the target before it is committed. */
function askedBetween(
  { checksOf: checksIn = checksOf }: BatchContext,
  input: LakeTable,
  target: LakeTable,
): Pick<MakeRequest, 'checks' | 'inputChecks'> {
  return {
    checks: expectationsBefore(checksIn(target)),
    inputChecks: expectationsBetween(checksIn(input), target),
  }
}

async function makeSilver(
  context: BatchContext,
  bronze: Snapshot,
  scope: Scope,
  gates: readonly Gate[],
  { runId, signal, note }: NodeContext,
): Promise<NodeResult> {
  const input = { table: 'bronze/events', name: 'bronze_events', snapshot: bronze } as const
  const orderBy = ['event_date', 'kafka_partition', 'kafka_offset']
  const common = { input, orderBy, scope, task: silverTask, runId }
  const { selectOf = declaredSelect } = context
  const quarantine = await makeDays(
    context,
    {
      ...common,
      target: 'silver/quarantine',
      select: selectOf('silver/quarantine'),
      ...askedBetween(context, 'bronze/events', 'silver/quarantine'),
    },
    { signal },
  )
  const silver = await makeDays(
    context,
    {
      ...common,
      target: 'silver/events',
      select: selectOf('silver/events'),
      ...askedBetween(context, 'bronze/events', 'silver/events'),
      gates,
    },
    { signal },
  )
  return resultOf([silver, quarantine], { 'bronze/events': bronze.version }, note)
}

function resultOf(made: readonly Made[], inputs: TableVersions, note: NodeContext['note']): NodeResult {
  const [first] = made
  const result: NodeResult = {
    kind: made.some(({ kind }) => kind === 'succeeded') ? 'succeeded' : 'unchanged',
    rowsIn: first?.rowsIn ?? 0,
    rowsOut: made.reduce((sum, { rowsOut }) => sum + rowsOut, 0),
    inputs,
    versionsBefore: Object.fromEntries(made.map(({ target, versionBefore }) => [target, versionBefore])),
    versionsAfter: Object.fromEntries(made.map(({ target, versionAfter }) => [target, versionAfter])),
    details: { days: [...(first?.days ?? [])], ...gateDetails(made.flatMap((each) => each.gates)) },
  }
  note(result)
  return result
}
