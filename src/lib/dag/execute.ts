/**
 * Runs the nodes of a plan; nodes that do not depend on each other run side by side.
 *
 * A node starts when everything it depends on has succeeded, or was left out by the plan. If an attempt fails and may
 * be repeated, the node waits and has another one. If a node fails for good, its descendants are skipped, and no
 * others. What a node does is recorded before it starts and after it ends.
 */
import { type Clock, systemClock } from '../base/clock.ts'
import { isLakeError, LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { attempt } from './attempt.ts'
import type { AttemptLogs } from './attempt-log.ts'
import type { Graph } from './graph.ts'
import type { DagNode, NodeOutcome, RunOutcome } from './node.ts'
import type { Plan, PlannedNode } from './plan.ts'
import { type NodeEnd, type RunRecorder, recordedError } from './recorder.ts'
import { delayBeforeRetry, noRetries, type RetryPolicy } from './retry-policy.ts'

export type ExecutionEvent =
  | { readonly kind: 'run-started'; readonly runId: number; readonly startedMs: number }
  | { readonly kind: 'node-started'; readonly node: string; readonly startedMs: number }
  /** An attempt has failed, and `attempt` is due at `retryMs`. */
  | {
      readonly kind: 'node-retries'
      readonly node: string
      readonly attempt: number
      readonly retryMs: number
      readonly error: unknown
    }
  | { readonly kind: 'node-ended'; readonly outcome: NodeOutcome }

export interface ExecuteOptions extends IoOptions {
  readonly recorder: RunRecorder
  /** How many nodes run at once, at most. A node that waits for its next attempt is none of them. */
  readonly concurrency?: number
  /** Of nodes that declare none of their own. Without it a node has one attempt. */
  readonly retries?: RetryPolicy
  /** Of nodes that declare none of their own. Without it an attempt takes as long as it takes. */
  readonly timeoutMs?: number
  /** Where the log of each attempt is kept; without it what nodes say goes nowhere. */
  readonly logs?: AttemptLogs
  readonly clock?: Clock
  readonly random?: () => number
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
  const { recorder, concurrency = 2, clock = systemClock, random = Math.random } = options
  const { retries = noRetries, onEvent = () => undefined } = options
  if (!(concurrency >= 1)) throw new LakeError('BUG', `Concurrency: expected 1 or more, got ${concurrency}`)
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const startedMs = clock.now()
  const runId = await recorder.runStarted({ nodes: plan.nodes.map(({ name }) => name), startedMs })
  onEvent({ kind: 'run-started', runId, startedMs })

  const outcomes = new Map<string, NodeOutcome>()
  /** The next attempt of each node that has had one. */
  const attempts = new Map<string, number>()
  const waiting = new Set(plan.nodes)
  const running = new Set<Promise<void>>()
  const pausing = new Set<Promise<void>>()
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

  async function start(planned: PlannedNode): Promise<void> {
    const node = nodeNamed(graph, planned.name)
    const at = { runId, node: node.name, attempt: attempts.get(node.name) ?? 1 }
    const nodeStartedMs = clock.now()
    await record(() => recorder.attemptStarted({ ...at, startedMs: nodeStartedMs }))
    if (lost.length > 0) return
    onEvent({ kind: 'node-started', node: node.name, startedMs: nodeStartedMs })
    const ending = await attempt(node, at, { ...options, clock, signal })
    const outcome = {
      ...ending,
      node: node.name,
      attempt: at.attempt,
      startedMs: nodeStartedMs,
      endedMs: clock.now(),
    }
    const delayMs =
      ending.kind === 'failed' && !signal.aborted
        ? delayBeforeRetry(node.retries ?? retries, ending.error, at.attempt, random)
        : undefined
    if (ending.kind !== 'failed' || delayMs === undefined) return end(outcome)
    const retryMs = outcome.endedMs + delayMs
    await record(() => recorder.nodeEnded({ ...nodeEnd(outcome), retryMs }))
    attempts.set(node.name, at.attempt + 1)
    onEvent({ kind: 'node-retries', node: node.name, attempt: at.attempt + 1, retryMs, error: ending.error })
    const pause: Promise<void> = pauseFor(delayMs, clock, signal).then(() => {
      pausing.delete(pause)
      waiting.add(planned)
    })
    pausing.add(pause)
  }

  while (waiting.size > 0 || running.size > 0 || pausing.size > 0) {
    for (const planned of waiting) {
      const verdict = judge(planned, plan, outcomes, signal)
      if (verdict.kind === 'wait' || (verdict.kind === 'run' && running.size >= concurrency)) continue
      waiting.delete(planned)
      if (verdict.kind === 'run') {
        const work: Promise<void> = start(planned).finally(() => running.delete(work))
        running.add(work)
      } else if (lost.length === 0) {
        const next = attempts.get(planned.name)
        const outcome = { ...verdict, node: planned.name, endedMs: clock.now() }
        await end({ ...outcome, ...(next !== undefined && { attempt: next }) })
      }
    }
    if (running.size > 0 || pausing.size > 0) await Promise.race([...running, ...pausing])
  }
  if (lost.length > 0) throw lost[0]

  const nodes = plan.nodes.flatMap(({ name }) => outcomes.get(name) ?? [])
  const kind = summary(nodes)
  const error = reasonOf(kind, nodes, signal)
  await recorder.runEnded({
    state: kind,
    endedMs: clock.now(),
    ...(error !== undefined && { error: recordedError(error) }),
  })
  return { runId, kind, nodes, ...(kind === 'cancelled' && { reason: signal.reason }) }
}

/** Ends early, and without an error, when aborted. */
const pauseFor = (ms: number, clock: Clock, signal: AbortSignal): Promise<void> =>
  clock.sleep(ms, { signal }).catch(() => undefined)

/** Why a run has not ended well, as it is recorded. A signal without an error of ours says nothing. */
function reasonOf(kind: RunOutcome['kind'], nodes: readonly NodeOutcome[], signal: AbortSignal): unknown {
  if (kind === 'cancelled') return isLakeError(signal.reason) ? signal.reason : undefined
  return nodes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.error] : []))[0]
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
  const { node, endedMs, rowsIn, rowsOut, inputs, versionsBefore, versionsAfter, details } = outcome
  return {
    node,
    attempt: outcome.attempt ?? 1,
    state: outcome.kind,
    endedMs,
    ...(rowsIn !== undefined && { rowsIn }),
    ...(rowsOut !== undefined && { rowsOut }),
    ...(inputs !== undefined && { inputs }),
    ...(versionsBefore !== undefined && { versionsBefore }),
    ...(versionsAfter !== undefined && { versionsAfter }),
    ...(details !== undefined && { details }),
    ...(outcome.kind === 'failed' && { error: recordedError(outcome.error) }),
    ...(outcome.kind === 'skipped' && { details: { reason: outcome.reason } }),
  }
}
