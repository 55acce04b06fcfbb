/** What a batch would do, as data and as text: each task, the days that it would make, and why. Changes nothing. */
import { countOf } from '../../../lib/base/count-of.ts'
import type { IoOptions } from '../../../lib/base/io.ts'
import { explain } from '../../../lib/dag/explain.ts'
import { type Plan, plan, type Selection } from '../../../lib/dag/plan.ts'
import type { DeltaTable, Snapshot } from '../../../lib/delta/index.ts'
import { codeOf } from '../../model/code-of-days.ts'
import type { LakeTable } from '../../model/tables.ts'
import { type BatchContext, batchGraph } from '../batch.ts'
import { type DayReason, planDays, type Scope } from '../days.ts'
import { declaredSelect, silverTask, tablesMade } from '../tasks.ts'

export interface DayToMake {
  readonly day: string
  readonly reason: DayReason
}

export interface TableToMake {
  readonly table: LakeTable
  readonly days: readonly DayToMake[]
  /** Why every day is made, if the input no longer holds the commit that the table was made from. */
  readonly because?: string
}

export interface TaskPlan {
  readonly task: string
  readonly kind: 'run' | 'skip'
  readonly dependsOn: readonly string[]
  /** Of a task that makes tables and runs. */
  readonly tables: readonly TableToMake[]
}

export interface BatchPlan {
  /** The version of bronze that the days are planned from; absent while there is no such table. */
  readonly bronze?: number
  /** Those of bronze that a task makes, sorted. */
  readonly days: readonly string[]
  readonly tasks: readonly TaskPlan[]
  /** The same, for people. */
  readonly lines: readonly string[]
}

export interface PlanBatchOptions extends IoOptions {
  readonly scope?: Scope
  readonly tasks?: readonly string[]
}

/** @throws LakeError `USAGE` for a task that is none of the batch's. */
export async function planBatch(
  context: BatchContext,
  { scope = { kind: 'changed' }, tasks = [], signal }: PlanBatchOptions = {},
): Promise<BatchPlan> {
  const bronze = await snapshotOf(context.table('bronze/events'), { signal })
  if (bronze === undefined) {
    return { days: [], tasks: [], lines: ['bronze/events is not there yet: nothing to make'] }
  }
  const selection: Selection = tasks.length === 0 ? { kind: 'all' } : { kind: 'only', nodes: tasks }
  const planned = plan(batchGraph(context, bronze, scope), selection)
  const toMake = await tablesToMake(context, { bronze, scope, planned }, { signal })
  const days = [...new Set([...toMake.values()].flat().flatMap((each) => each.days.map(({ day }) => day)))]
  return {
    bronze: bronze.version,
    days: days.sort(),
    tasks: planned.nodes.map(({ name, kind, dependsOn }) => ({
      task: name,
      kind,
      dependsOn,
      tables: toMake.get(name) ?? [],
    })),
    lines: [
      ...explain(planned),
      ...[...toMake.values()].flat().flatMap(linesOf),
      `bronze/events at version ${bronze.version}: ${days.length === 0 ? 'no day has changed' : `${countOf(days.length, 'day')} to make: ${days.join(', ')}`}`,
    ],
  }
}

async function snapshotOf(table: DeltaTable, { signal }: IoOptions): Promise<Snapshot | undefined> {
  return (await table.exists({ signal })) ? table.snapshot({ signal }) : undefined
}

interface Planned {
  readonly bronze: Snapshot
  readonly scope: Scope
  readonly planned: Plan
}

/** By task. A day that silver makes is made in gold too, once silver is committed. */
async function tablesToMake(
  context: BatchContext,
  { bronze, scope, planned }: Planned,
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, readonly TableToMake[]>> {
  const { selectOf = declaredSelect } = context
  const runs = new Set(planned.nodes.filter(({ kind }) => kind === 'run').map(({ name }) => name))
  const found = new Map<string, readonly TableToMake[]>()
  const silver = await snapshotOf(context.table('silver/events'), { signal })
  const made: DayToMake[] = []
  for (const [task, tables] of tablesMade) {
    if (!runs.has(task)) continue
    const isSilver = task === silverTask
    const input = isSilver
      ? { name: 'bronze/events', snapshot: bronze }
      : silver && { name: 'silver/events', snapshot: silver }
    const each: TableToMake[] = []
    for (const table of tables) {
      const target = await snapshotOf(context.table(table), { signal })
      const code = codeOf(selectOf(table))
      const days = input && (await planDays(scope, input, target, { code, signal }))
      const own = [...(days?.reasons ?? [])].map(([day, reason]) => ({ day, reason }))
      each.push({
        table,
        days: [...reasonsOf([...own, ...made])]
          .map(([day, reason]) => ({ day, reason }))
          .sort((a, b) => (a.day < b.day ? -1 : 1)),
        ...(days?.lineage.kind === 'broken' && { because: days.lineage.reason }),
      })
    }
    if (isSilver) made.push(...(each.find(({ table }) => table === 'silver/events')?.days ?? []))
    found.set(task, each)
  }
  return found
}

/** A day that is made for several reasons has the first that is not just that it was asked for. */
export function reasonsOf(days: readonly DayToMake[]): ReadonlyMap<string, DayReason> {
  const reasons = new Map<string, DayReason>()
  for (const { day, reason } of days) {
    if ((reasons.get(day) ?? 'asked') === 'asked') reasons.set(day, reason)
  }
  return reasons
}

/** In the words of a line, after a number of days. */
export const reasonTexts: Readonly<Record<DayReason, string>> = {
  'new-data': 'new data',
  'late-event': 'a late event',
  'other-writer': 'another writer has changed the table',
  'code-changed': 'its SQL has changed, or was not recorded',
  'not-made-yet': 'not made yet',
  everything: 'nobody knows what has changed',
  asked: 'asked for',
}

function linesOf({ table, days, because }: TableToMake): readonly string[] {
  const byReason = new Map<DayReason, string[]>()
  for (const { day, reason } of days) byReason.set(reason, [...(byReason.get(reason) ?? []), day])
  return [...byReason].map(([reason, of]) => {
    const why = reason === 'everything' && because !== undefined ? because : reasonTexts[reason]
    return `  ${table}: ${countOf(of.length, 'day')}, ${why}: ${daysText(of)}`
  })
}

/** The first and the last where they are many. */
export function daysText(days: readonly string[]): string {
  return days.length <= 7 ? days.join(', ') : `${days[0]} … ${days.at(-1)}`
}
