/** A node of a DAG, and its outcome in a run. */
import type { JsonValue } from '../base/json.ts'
import type { GraphNode } from './graph.ts'
import type { TableVersions } from './recorder.ts'

/** What a node says of its work. */
export interface NodeFacts {
  readonly rowsIn?: number
  readonly rowsOut?: number
  readonly versionsBefore?: TableVersions
  readonly versionsAfter?: TableVersions
  readonly details?: JsonValue
}

/** `unchanged`: there was nothing to do, and nothing was written. Failing is throwing. */
export interface NodeResult extends NodeFacts {
  readonly kind: 'succeeded' | 'unchanged'
}

export interface NodeContext {
  /** Aborts when the run is cancelled. */
  readonly signal: AbortSignal
  readonly runId: number
  /** Keeps facts for the record, also when the node fails later; a later value takes the place of an earlier. */
  note(facts: NodeFacts): void
}

export interface DagNode extends GraphNode {
  run(context: NodeContext): Promise<NodeResult>
}

/** How a node ended. Of `skipped`, `reason` names the node that failed, or why the plan leaves it out. */
export type NodeOutcome = NodeFacts & {
  readonly node: string
  readonly startedMs?: number
  readonly endedMs: number
} & (
    | { readonly kind: 'succeeded' | 'unchanged' | 'cancelled' }
    | { readonly kind: 'failed'; readonly error: unknown }
    | { readonly kind: 'skipped'; readonly reason: string }
  )

/** `failed` where a node failed; else `cancelled`; `unchanged` where no node that ran had anything to do. */
export interface RunOutcome {
  readonly runId: number
  readonly kind: 'succeeded' | 'unchanged' | 'failed' | 'cancelled'
  /** In the order of the plan. */
  readonly nodes: readonly NodeOutcome[]
}
