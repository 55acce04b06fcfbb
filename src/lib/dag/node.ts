/** A node of a DAG, and its outcome in a run. */
import type { JsonValue } from '../base/json.ts'
import type { Logger } from '../base/log.ts'
import type { GraphNode } from './graph.ts'
import type { TableVersions } from './recorder.ts'
import type { RetryPolicy } from './retry-policy.ts'

/** What a node says of its work. */
export interface NodeFacts {
  readonly rowsIn?: number
  readonly rowsOut?: number
  /** The versions that it has read. */
  readonly inputs?: TableVersions
  readonly versionsBefore?: TableVersions
  readonly versionsAfter?: TableVersions
  readonly details?: JsonValue
}

/** `unchanged`: there was nothing to do, and nothing was written. Failing is throwing. */
export interface NodeResult extends NodeFacts {
  readonly kind: 'succeeded' | 'unchanged'
}

export interface NodeContext {
  /** Aborts when the run is cancelled, and when the attempt has taken longer than its node may. */
  readonly signal: AbortSignal
  readonly runId: number
  /** From 1. */
  readonly attempt: number
  /** What it is told is in the log of this attempt. */
  readonly logger: Logger
  /** Keeps facts for the record, also when the node fails later; a later value takes the place of an earlier. */
  note(facts: NodeFacts): void
}

export interface DagNode extends GraphNode {
  /** In place of the one of the execution. */
  readonly retries?: RetryPolicy
  /** In place of the one of the execution: how long an attempt may take. */
  readonly timeoutMs?: number
  run(context: NodeContext): Promise<NodeResult>
}

/** How a node ended. Of `skipped`, `reason` names the node that failed, or why the plan leaves it out. */
export type NodeOutcome = NodeFacts & {
  readonly node: string
  /** Of the last attempt. */
  readonly startedMs?: number
  readonly endedMs: number
  /** The last attempt, from 1; absent if there was none. */
  readonly attempt?: number
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
  /** Of a cancelled run: the reason of the signal. */
  readonly reason?: unknown
}
