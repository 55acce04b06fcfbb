/** The tasks of the batch by name, and what each makes. */
import { goldMetrics } from '../model/gold.ts'
import { quarantineSelect, silverSelect } from '../model/silver.ts'
import type { LakeTable } from '../model/tables.ts'

export const silverTask = 'bronze_to_silver'

/** Publishes what the others have made. */
export const loadTask = 'gold_to_clickhouse'

/** The tables that each task makes; the first is the one that gates judge. */
export const tablesMade: ReadonlyMap<string, readonly LakeTable[]> = new Map<string, readonly LakeTable[]>([
  [silverTask, ['silver/events', 'silver/quarantine']],
  ...goldMetrics.map(({ task, name }) => [task, [`gold/${name}`]] as const),
])

/** The table that a task makes its tables from. */
export const inputOf = (task: string): LakeTable => (task === silverTask ? 'bronze/events' : 'silver/events')

const selects: ReadonlyMap<LakeTable, string> = new Map<LakeTable, string>([
  ['silver/events', silverSelect],
  ['silver/quarantine', quarantineSelect],
  ...goldMetrics.map(({ name, sql }) => [`gold/${name}`, sql] as const),
])

/** The SELECT that makes a table, over the rows of its input. @throws TypeError for a table that no task makes. */
export function declaredSelect(table: LakeTable): string {
  const found = selects.get(table)
  if (found === undefined) throw new TypeError(`No task makes ${table}`)
  return found
}

/** The tasks that a gate can judge: those that make tables, and the load, for all of gold. */
export const judgedTasks: readonly string[] = [...tablesMade.keys(), loadTask]
