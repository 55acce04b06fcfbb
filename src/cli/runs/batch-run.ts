/** One batch at the command line: what is told while it runs, and what of it is shown at the end. */
import { isLakeError, LakeError, messageOf } from '../../lib/base/errors.ts'
import type { ExecutionEvent } from '../../lib/dag/execute.ts'
import type { NodeOutcome, RunOutcome } from '../../lib/dag/node.ts'
import type { LeaseHolder } from '../../lib/runs/leases.ts'
import { describeOwner } from '../../lib/runs/owner.ts'
import type { RecordedBatchOptions } from '../../pipeline/batch/recorded.ts'
import type { CommandLine } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'

export async function runBatchOf(
  request: Pick<RecordedBatchOptions, 'scope' | 'tasks' | 'trigger' | 'firstRun'>,
  cli: CommandLine,
): Promise<RunOutcome> {
  const { platform, terminal, signal } = cli
  const [{ batchContextOf }, { runRecordedBatch }] = await Promise.all([
    import('../../pipeline/platform/stages.ts'),
    import('../../pipeline/batch/recorded.ts'),
  ])
  return runRecordedBatch(await batchContextOf(platform), await platform.runs(), {
    ...request,
    signal,
    onWait: (holder) => terminal.line(waitText(holder)),
    onEvent: (event) => tell(event, cli),
  })
}

/** Why the command fails; `undefined` if the batch has ended well. */
export function failureOf(outcome: RunOutcome, cli: CommandLine): Error | undefined {
  if (outcome.kind === 'failed') return taskFailure(outcome)
  if (outcome.kind !== 'cancelled') return undefined
  cli.requireFinished()
  if (isLakeError(outcome.reason)) return outcome.reason
  return new LakeError('INTERRUPTED', `Run ${outcome.runId} was cancelled`)
}

export function waitText({ runId, owner, acquiredMs }: LeaseHolder): string {
  const which = runId === undefined ? 'another batch' : `run ${runId}`
  const since = new Date(acquiredMs).toISOString()
  return `waiting for ${which} (${describeOwner(owner)}, since ${since}); Ctrl-C ends the wait`
}

export function tell(event: ExecutionEvent, { terminal }: CommandLine): void {
  switch (event.kind) {
    case 'run-started':
      terminal.line(`run ${event.runId}`)
      break
    case 'node-started':
      terminal.progress(() => `${event.node} …`)
      break
    case 'node-retries': {
      const seconds = Math.max(0, (event.retryMs - Date.now()) / 1000).toFixed(1)
      terminal.line(
        printable(
          `failed    ${event.node}: ${messageOf(event.error)}; attempt ${event.attempt} in ${seconds} s`,
        ),
      )
      break
    }
    case 'node-ended':
      terminal.line(`${event.outcome.kind.padEnd(9)} ${event.outcome.node}${secondsText(event.outcome)}`)
      break
  }
}

function secondsText({ startedMs, endedMs }: NodeOutcome): string {
  return startedMs === undefined ? '' : ` (${((endedMs - startedMs) / 1000).toFixed(1)} s)`
}

export function outcomeDocument({ runId, kind, nodes }: RunOutcome): object {
  return {
    runId,
    state: kind,
    release: releaseOf(nodes) ?? null,
    tasks: nodes.map((node) => ({
      task: node.node,
      state: node.kind,
      rowsIn: node.rowsIn ?? null,
      rowsOut: node.rowsOut ?? null,
      versionsBefore: node.versionsBefore ?? {},
      versionsAfter: node.versionsAfter ?? {},
      ...(node.kind === 'failed' && { error: errorDocument(node.error) }),
      ...(node.kind === 'skipped' && { reason: node.reason }),
    })),
  }
}

const errorDocument = (error: unknown): object => ({
  code: isLakeError(error) ? error.code : 'BUG',
  message: messageOf(error),
})

export function outcomeText({ runId, kind, nodes }: RunOutcome): string {
  const head = kind === 'unchanged' ? `run ${runId}: nothing to do, nothing changed` : `run ${runId}: ${kind}`
  const rows = nodes.map((node) => [node.node, node.kind, node.rowsIn, node.rowsOut, noteOf(node)])
  const table = drawTable(['task', 'state', 'rows in', 'rows out', 'note'], rows)
  // Whole, as no cell of a table shows them.
  const errors = nodes.flatMap((node) => (node.kind === 'failed' ? [printable(messageOf(node.error))] : []))
  return [head, table, ...errors, releaseText(nodes)].join('\n')
}

/** The release that readers see after the run; `undefined` if the run did not come to that. */
function releaseOf(nodes: readonly NodeOutcome[]): number | undefined {
  for (const { details } of nodes) {
    const isObject = typeof details === 'object' && details !== null && 'release' in details
    if (isObject && typeof details['release'] === 'number') return details['release']
  }
  return undefined
}

function releaseText(nodes: readonly NodeOutcome[]): string {
  const release = releaseOf(nodes)
  return release === undefined
    ? 'nothing was released: lake sql and serving.* show what they showed; lake table read shows the newest versions'
    : `readers see release ${release}`
}

function noteOf(node: NodeOutcome): string {
  if (node.kind === 'failed') return 'see below'
  return node.kind === 'skipped' ? node.reason : ''
}

function taskFailure({ runId, nodes }: RunOutcome): LakeError {
  const failed = nodes.flatMap((node) => (node.kind === 'failed' ? [node] : []))
  const [first] = failed
  const tables = failed.flatMap(({ error }) => {
    if (!isLakeError(error, 'CHECK_FAILED')) return []
    const { fault, table } = error.details
    return fault === 'candidate-kept' || fault === 'gate-refused' ? [table] : []
  })
  return new LakeError('TASK_FAILED', `Run ${runId}: ${failed.map(({ node }) => node).join(', ')} failed`, {
    cause: first?.error,
    details: { runId, ...(tables.length > 0 && { tables, fault: 'rows-refused' }) },
  })
}
