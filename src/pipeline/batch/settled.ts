/**
 * Whether ClickHouse may be left at rest: the lake is, commit by commit and file by file, what the newest run has published
 * and audited, that run did all of its tasks, the data of the embedded server are those that it left, and the server does
 * not run now.
 *
 * What the speed layer had counted since that run, before the server ended, is audited with the next batch that has
 * something new.
 */
import { createHash } from 'node:crypto'
import type { IoOptions } from '../../lib/base/io.ts'
import { formatJson, type JsonValue } from '../../lib/base/json.ts'
import type { DeltaTable } from '../../lib/delta/index.ts'
import { endedRunStates } from '../../lib/runs/run.ts'
import type { RunBook } from '../../lib/runs/run-book.ts'
import { type LakeTable, lakeTableNames } from '../model/tables.ts'
import { fileMarks, markOf } from '../reconcile/ledger/file-marks.ts'
import { goldTables, loadedTables, loadsTable, servingViews } from '../serving/tables.ts'
import { batchDag } from './dag-name.ts'

/** Tells whether the data of ClickHouse are the same as when it was last written. */
export interface DataMark {
  /** `undefined` if the data have none. */
  read(): Promise<string | undefined>
  write(): Promise<string>
}

/** The commit and the files of each table, what ClickHouse is declared to hold, and the mark of its data. */
export type LakeState = Readonly<Record<string, string>>

export interface SettledContext {
  readonly table: (name: LakeTable) => DeltaTable
  /** Whether ClickHouse has data and would have to be started to be asked. Without it, it is always asked. */
  readonly isClickHouseAtRest?: (options: IoOptions) => Promise<boolean>
  /** Without it nobody knows whether ClickHouse still has what was loaded, and it is always asked. */
  readonly clickhouseMark?: DataMark
  /** What the newest run has published and audited; `undefined` if it has not done so whole. */
  readonly auditedState?: (options: IoOptions) => Promise<JsonValue | undefined>
}

const declared = createHash('sha256')
  .update(JSON.stringify([servingViews, goldTables, loadedTables, loadsTable]))
  .digest('hex')

export async function stateOfLake(
  { table }: Pick<SettledContext, 'table'>,
  mark: string,
  { signal }: IoOptions = {},
): Promise<LakeState> {
  const commits = await Promise.all(
    lakeTableNames.map(async (name) => {
      const snapshot = await table(name).snapshot({ signal })
      const commit = await snapshot.commitRef({ signal })
      const files = markOf(...(await fileMarks(table(name), snapshot, { signal })).values())
      return [name, `${snapshot.version} ${commit?.id ?? ''} ${snapshot.metadata.id} ${files}`] as const
    }),
  )
  return { ...Object.fromEntries(commits), clickhouse: `${declared} ${mark}` }
}

/** @returns the state of the lake if ClickHouse may be left at rest. */
export async function settledState(
  context: SettledContext,
  { signal }: IoOptions = {},
): Promise<LakeState | undefined> {
  if ((await context.isClickHouseAtRest?.({ signal })) !== true) return undefined
  const audited = await context.auditedState?.({ signal })
  if (audited === undefined) return undefined
  const mark = await context.clickhouseMark?.read()
  if (mark === undefined) return undefined
  const state = await stateOfLake(context, mark, { signal })
  return formatJson(state) === formatJson(audited) ? state : undefined
}

/** As a task that audits keeps it in the record of its run. */
export const stateDetail = 'lake'

/** What the newest run that has ended kept, if none of its tasks failed or was left out. */
export async function auditedStateIn(runs: RunBook, { signal }: IoOptions): Promise<JsonValue | undefined> {
  const newest = await runs.latest({ dag: batchDag, states: endedRunStates }, { signal })
  if (newest === undefined || !['succeeded', 'unchanged'].includes(newest.state)) return undefined
  if (newest.attempts.some(({ state }) => state === 'skipped')) return undefined
  const kept = newest.attempts.flatMap(({ details }) =>
    typeof details === 'object' && details !== null && stateDetail in details ? [details[stateDetail]] : [],
  )
  return kept.at(-1)
}
