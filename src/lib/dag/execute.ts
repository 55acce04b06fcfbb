/**
 * Runs the nodes of a plan; nodes that do not depend on each other run side by side.
 *
 * A node starts when everything it depends on has succeeded, or was left out by the plan. If a node fails, its
 * descendants are skipped, and no others. What a node does is recorded before it starts and after it ends.
 */
import { type Clock, systemClock } from '../base/clock.ts'
import { isLakeError, LakeError, messageOf } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import type { Graph } from './graph.ts'
import type { DagNode, NodeContext, NodeFacts, NodeOutcome, RunOutcome } from './node.ts'
import type { Plan, PlannedNode } from './plan.ts'
import type { NodeEnd, RecordedError, RunRecorder } from './recorder.ts'

export type ExecutionEvent =
  | { readonly kind: 'run-started'; readonly runId: number; readonly startedMs: number }
  | { readonly kind: 'node-started'; readonly node: string; readonly startedMs: number }
  | { readonly kind: 'node-ended'; readonly outcome: NodeOutcome }

export interface ExecuteOptions extends IoOptions {
  readonly recorder: RunRecorder
  /** How many nodes run at once, at most. */
  readonly concurrency?: number
  readonly clock?: Clock
  /** For progress; must not throw. */
  readonly onEvent?: (event: ExecutionEvent) => void
}

/**
 * After an abort no further node starts; those that run get the signal and are waited for. The outcome is `cancelled`.
 *
 * @throws what the recorder throws, after every node that runs has ended: there is no going on without a record.
 */
export async function execute(
  graph: Graph<DagNode>,
  plan: Plan,
  options: ExecuteOptions,
): Promise<RunOutcome> {
  const { recorder, concurrency = 2, clock = systemClock, onEvent = () => undefined } = options
  if (!(concurrency >= 1)) throw new LakeError('BUG', `Concurrency: expected 1 or more, got ${concurrency}`)
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const startedMs = clock.now()
  const runId = await recorder.runStarted({ nodes: plan.nodes.map(({ name }) => name), startedMs })
  onEvent({ kind: 'run-started', runId, startedMs })

  const outcomes = new Map<string, NodeOutcome>()
  const waiting = new Set(plan.nodes)
  const running = new Set<Promise<void>>()
  const lost: unknown[] = []

  /** Without its record the run must not go on: running nodes are aborted, and no other starts. */
  async function record(write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (error) {
      lost.push(error)
      stop.abort(error)
    }
  }

  async function end(outcome: NodeOutcome): Promise<void> {
    await record(() => recorder.nodeEnded(nodeEnd(outcome)))
    outcomes.set(outcome.node, outcome)
    onEvent({ kind: 'node-ended', outcome })
  }

  async function start(node: DagNode): Promise<void> {
    const nodeStartedMs = clock.now()
    await record(() => recorder.attemptStarted({ node: node.name, attempt: 1, startedMs: nodeStartedMs }))
    if (lost.length > 0) return
    onEvent({ kind: 'node-started', node: node.name, startedMs: nodeStartedMs })
    const facts = await attempt(node, { signal, runId })
    await end({ ...facts, node: node.name, startedMs: nodeStartedMs, endedMs: clock.now() })
  }

  while (waiting.size > 0 || running.size > 0) {
    for (const planned of waiting) {
      const verdict = judge(planned, plan, outcomes, signal)
      if (verdict.kind === 'wait' || (verdict.kind === 'run' && running.size >= concurrency)) continue
      waiting.delete(planned)
      if (verdict.kind === 'run') {
        const work: Promise<void> = start(nodeNamed(graph, planned.name)).finally(() => running.delete(work))
        running.add(work)
      } else if (lost.length === 0) {
        await end({ ...verdict, node: planned.name, endedMs: clock.now() })
      }
    }
    if (running.size > 0) await Promise.race(running)
  }
  if (lost.length > 0) throw lost[0]

  const nodes = plan.nodes.flatMap(({ name }) => outcomes.get(name) ?? [])
  const kind = summary(nodes)
  const failed = nodes.find((outcome) => outcome.kind === 'failed')
  await recorder.runEnded({
    state: kind,
    endedMs: clock.now(),
    ...(failed?.kind === 'failed' && { error: recorded(failed.error) }),
  })
  return { runId, kind, nodes }
}

type Ending = NodeFacts &
  (
    | { readonly kind: 'succeeded' | 'unchanged' | 'cancelled' }
    | { readonly kind: 'failed'; readonly error: unknown }
  )

/** Whatever the node throws becomes its ending; after an abort, that is the cancellation. */
async function attempt(node: DagNode, context: Omit<NodeContext, 'note'>): Promise<Ending> {
  let noted: NodeFacts = {}
  const note = (facts: NodeFacts): void => {
    noted = { ...noted, ...facts }
  }
  try {
    const result = await node.run({ ...context, note })
    return { ...noted, ...result }
  } catch (error) {
    return context.signal.aborted ? { ...noted, kind: 'cancelled' } : { ...noted, kind: 'failed', error }
  }
}

type Verdict =
  | { readonly kind: 'run' }
  | { readonly kind: 'wait' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'skipped'; readonly reason: string }

/** What the plan leaves out holds nobody up: its tables are as an earlier run left them. */
function judge(
  node: PlannedNode,
  { nodes }: Plan,
  outcomes: ReadonlyMap<string, NodeOutcome>,
  signal: AbortSignal,
): Verdict {
  if (node.kind === 'skip') return { kind: 'skipped', reason: node.reason }
  if (signal.aborted) return { kind: 'cancelled' }
  const dependencies = nodes.filter(({ name, kind }) => kind === 'run' && node.dependsOn.includes(name))
  const ended = dependencies.flatMap(({ name }) => outcomes.get(name) ?? [])
  for (const outcome of ended) {
    if (outcome.kind === 'failed') return { kind: 'skipped', reason: `${outcome.node} failed` }
    if (outcome.kind === 'skipped') return { kind: 'skipped', reason: outcome.reason }
    if (outcome.kind === 'cancelled') return { kind: 'cancelled' }
  }
  return ended.length < dependencies.length ? { kind: 'wait' } : { kind: 'run' }
}

function nodeNamed({ name: dag, nodes }: Graph<DagNode>, name: string): DagNode {
  const node = nodes.find((candidate) => candidate.name === name)
  if (node === undefined)
    throw new LakeError('BUG', `DAG ${dag}: expected node ${name} of the plan, got none`)
  return node
}

function summary(nodes: readonly NodeOutcome[]): RunOutcome['kind'] {
  const kinds = new Set(nodes.map(({ kind }) => kind))
  if (kinds.has('failed')) return 'failed'
  if (kinds.has('cancelled')) return 'cancelled'
  return kinds.has('succeeded') ? 'succeeded' : 'unchanged'
}

function nodeEnd(outcome: NodeOutcome): NodeEnd {
  const { node, endedMs, rowsIn, rowsOut, versionsBefore, versionsAfter, details } = outcome
  return {
    node,
    attempt: 1,
    state: outcome.kind,
    endedMs,
    ...(rowsIn !== undefined && { rowsIn }),
    ...(rowsOut !== undefined && { rowsOut }),
    ...(versionsBefore !== undefined && { versionsBefore }),
    ...(versionsAfter !== undefined && { versionsAfter }),
    ...(details !== undefined && { details }),
    ...(outcome.kind === 'failed' && { error: recorded(outcome.error) }),
    ...(outcome.kind === 'skipped' && { details: { reason: outcome.reason } }),
  }
}

function recorded(error: unknown): RecordedError {
  if (isLakeError(error)) return { code: error.code, message: error.message }
  return { code: 'BUG', message: messageOf(error) }
}
