/** Runs, the DAG and the lineage of the tables as a cell asks for them. Types alone, and none of a library; see `lake.ts`. */

export interface RunSummary {
  readonly id: number
  /** `lakehouse_batch`, or the notebook. */
  readonly dag: string
  readonly state: string
  /** What started it. */
  readonly trigger: string
  /** ISO times in UTC; null as long as it has not begun, or ended. */
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly error: string | null
}

/** One try of a task. */
export interface RunAttempt {
  readonly task: string
  /** From 1. */
  readonly attempt: number
  readonly state: string
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly rowsIn: number | null
  readonly rowsOut: number | null
  readonly error: string | null
}

export interface RunRecord extends RunSummary {
  /** In the order of the DAG. */
  readonly attempts: readonly RunAttempt[]
}

/** The tasks of the batch, and which waits for which. */
export interface TaskGraph {
  readonly dag: string
  readonly tasks: readonly { readonly task: string; readonly after: readonly string[] }[]
}

/** The tables at their newest versions, and from which version of which table each was made. */
export interface Lineage {
  readonly tables: readonly { readonly table: string; readonly version: number; readonly rows: number }[]
  readonly madeFrom: readonly { readonly table: string; readonly from: string; readonly version: number }[]
}

export interface Runs {
  /** The last runs, newest first; 20 without a limit. */
  runs(options?: { readonly limit?: number }): Promise<RunSummary[]>
  /** A run with its tasks; the newest batch without a number. Shows itself as a gantt chart. */
  run(id?: number): Promise<RunRecord>
  /** The tasks of the batch. Shows itself as a picture. */
  dag(): Promise<TaskGraph>
  /** What the tables were made from. Shows itself as a picture. */
  lineage(): Promise<Lineage>
}
