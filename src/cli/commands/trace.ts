/** `lake trace`: the way of one message through log, lake and ClickHouse. */
import type { Command } from 'commander'
import { formatJson } from '../../lib/base/json.ts'
import type { Trace } from '../../pipeline/reconcile/trace.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { toJson } from '../output/json-value.ts'
import { drawTable } from '../output/table-text.ts'

export function addTrace(program: Command, cli: CommandLine): void {
  program
    .command('trace')
    .summary('the way of one message')
    .description(
      'Where one message of the log is: in bronze or rejected, in silver or why not, in which rows of gold it counts, ' +
        'in which window of the speed layer, and when it got there.',
    )
    .argument('<partition>', 'partition of the log', wholeNumber())
    .argument('<offset>', 'offset in the partition', wholeNumber())
    .addHelpText('after', '\nExamples:\n  lake trace 0 4711\n  lake trace 2 17 --json')
    .action((partition: number, offset: number) => runTrace(partition, offset, cli))
}

async function runTrace(partition: number, at: number, cli: CommandLine): Promise<void> {
  const { platform, signal } = cli
  const [{ traceMessage }, { batchContextOf }] = await Promise.all([
    import('../../pipeline/reconcile/trace.ts'),
    import('../../pipeline/platform/stages.ts'),
  ])
  const context = await batchContextOf(platform)
  const trace = await traceMessage(context, { partition, offset: BigInt(at) }, { signal })
  await cli.result(trace, () => describe(trace))
}

function describe({ topic, partition, offset, steps }: Trace): string {
  const rows = steps.map(({ stage, state, at, details }) => [
    stage,
    state,
    at ?? '',
    formatJson(toJson(details)),
  ])
  return `${topic}, partition ${partition}, offset ${offset}\n${drawTable(['stage', 'state', 'when', 'details'], rows)}`
}
