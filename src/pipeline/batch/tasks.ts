/** The tasks of the batch by name, and what each makes. */
import { goldMetrics } from '../model/gold.ts'
import type { LakeTable } from '../model/tables.ts'

export const silverTask = 'bronze_to_silver'

/** Publishes what the others have made. */
export const loadTask = 'gold_to_clickhouse'

/** The tasks that a gate can judge, each with the table that it shows to gates; the load shows all of gold. */
export const judgedTasks: ReadonlyMap<string, LakeTable | undefined> = new Map<string, LakeTable | undefined>(
  [
    [silverTask, 'silver/events'],
    ...goldMetrics.map(({ task, name }) => [task, `gold/${name}`] as const),
    [loadTask, undefined],
  ],
)
