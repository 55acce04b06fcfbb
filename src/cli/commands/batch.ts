/** `lake batch`: bronze → silver → gold → ClickHouse, once. */
import type { Command } from 'commander'
import { hintOf } from '../../hints/hints.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { Scope } from '../../pipeline/batch/days.ts'
import { isoDate, names } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { dayRange } from '../day-range.ts'
import { failureOf, outcomeDocument, outcomeText, runBatchOf } from '../runs/batch-run.ts'

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
  if (explain) return explainBatch(scope, task, cli)
  const outcome = await runBatchOf({ scope, trigger: 'manual', ...(task && { tasks: task }) }, cli)
  await cli.result(outcomeDocument(outcome), () => outcomeText(outcome))
  await lookAfterRun(cli)
  const failure = failureOf(outcome, cli)
  if (failure !== undefined) throw failure
}

/** A few seconds at most: a scheduler looks too, and what is not sent now is sent then. */
async function lookAfterRun({ platform, signal }: CommandLine): Promise<void> {
  const { lookForAlerts } = await import('../../pipeline/alerts/look.ts')
  const ending = AbortSignal.any([signal, AbortSignal.timeout(3_000)])
  await lookForAlerts(platform, { hintOf, at: 'store', signal: ending }).catch((error: unknown) => {
    if (!ending.aborted) platform.logger.warn({ err: error }, 'Alerts could not be looked for')
  })
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
