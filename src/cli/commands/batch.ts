/** `lake batch`: bronze → silver → gold → ClickHouse, once. */
import type { Command } from 'commander'
import { isLakeError, LakeError, messageOf } from '../../lib/base/errors.ts'
import type { ExecutionEvent } from '../../lib/dag/execute.ts'
import type { NodeOutcome, RunOutcome } from '../../lib/dag/node.ts'
import type { LeaseHolder } from '../../lib/runs/leases.ts'
import { describeOwner } from '../../lib/runs/owner.ts'
import type { Scope } from '../../pipeline/batch/days.ts'
import { isoDate, names } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { dayRange } from '../day-range.ts'
import { printable } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'

interface Flags {
  readonly full?: boolean
  readonly from?: string
  readonly to?: string
  readonly task?: readonly string[]
  readonly explain?: boolean
}

export function addBatch(program: Command, cli: CommandLine): void {
  program
    .command('batch')
    .summary('bronze → silver → gold → ClickHouse, once')
    .description(
      'Makes again the days that new data has touched, from bronze to ClickHouse; without new data nothing ' +
        'changes. Then ledger and reconciliation are audited: the run fails if the books do not balance. Beside another batch it says which one it waits for, and waits.',
    )
    .option('--full', 'make every day again, and load all of it into ClickHouse')
    .option('--from <day>', 'make the days from this one on again', isoDate)
    .option('--to <day>', 'up to this day, which is left out', isoDate)
    .option('--task <name>', 'this task and nothing else; may be given again', names)
    .option('--explain', 'say which days would be made, and why, and do nothing')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake batch\n' +
        '  lake batch --explain\n' +
        '  lake batch --from 2026-01-30 --to 2026-02-01\n' +
        '  lake batch --task gold_to_clickhouse',
    )
    .action((flags: Flags) => runBatch(flags, cli))
}

async function runBatch({ explain = false, task, ...flags }: Flags, cli: CommandLine): Promise<void> {
  const scope = scopeOf(flags)
  const { platform, terminal, signal } = cli
  const { batchContextOf } = await import('../../pipeline/platform/stages.ts')
  if (explain) return explainBatch(scope, task, cli)
  const { runRecordedBatch } = await import('../../pipeline/batch/recorded.ts')
  const outcome = await runRecordedBatch(await batchContextOf(platform), await platform.runs(), {
    scope,
    trigger: 'manual',
    ...(task && { tasks: task }),
    signal,
    onWait: (holder) => terminal.line(waitText(holder)),
    onEvent: (event) => tell(event, cli),
  })
  await cli.result(outcomeDocument(outcome), () => describe(outcome))
  if (outcome.kind === 'failed') throw failureOf(outcome)
  if (outcome.kind === 'cancelled') {
    cli.requireFinished()
    if (isLakeError(outcome.reason)) throw outcome.reason
    throw new LakeError('INTERRUPTED', `Run ${outcome.runId} was cancelled`)
  }
}

function waitText({ runId, owner, acquiredMs }: LeaseHolder): string {
  const which = runId === undefined ? 'another batch' : `run ${runId}`
  const since = new Date(acquiredMs).toISOString()
  return `waiting for ${which} (${describeOwner(owner)}, since ${since}); Ctrl-C ends the wait`
}

function scopeOf({ full = false, from, to }: Flags): Scope {
  if (full && (from !== undefined || to !== undefined)) {
    throw new LakeError('USAGE', 'batch --full: expected no --from or --to beside it')
  }
  if (full) return { kind: 'full' }
  const range = dayRange({ ...(from !== undefined && { from }), ...(to !== undefined && { to }) }, 'batch')
  return range === undefined ? { kind: 'changed' } : { kind: 'range', ...range }
}

async function explainBatch(
  scope: Scope,
  tasks: readonly string[] | undefined,
  cli: CommandLine,
): Promise<void> {
  const [{ planBatch }, { batchContextOf }] = await Promise.all([
    import('../../pipeline/batch/explain/explain.ts'),
    import('../../pipeline/platform/stages.ts'),
  ])
  const context = await batchContextOf(cli.platform)
  const { lines, ...plan } = await planBatch(context, {
    scope,
    ...(tasks && { tasks }),
    signal: cli.signal,
  })
  await cli.result({ scope, ...plan, plan: lines }, () => lines.join('\n'))
}

function tell(event: ExecutionEvent, { terminal }: CommandLine): void {
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

function outcomeDocument({ runId, kind, nodes }: RunOutcome): object {
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

function describe({ runId, kind, nodes }: RunOutcome): string {
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

function failureOf({ runId, nodes }: RunOutcome): LakeError {
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
