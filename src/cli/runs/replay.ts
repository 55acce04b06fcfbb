/** `lake runs replay`: a run once more, to the side; its rows must be those that it committed. */
import type { Command } from 'commander'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'
import { failureOf, tell, waitText } from './batch-run.ts'
import { closeDead } from './close-dead.ts'

export function addReplay(runs: Command, cli: CommandLine): void {
  runs
    .command('replay')
    .description(
      'Makes again, from the same versions of the input, what a run of the batch has made, in tables that nobody sees, ' +
        'and compares the rows of each day by hash with those that the run committed. Warns if the code has changed. ' +
        'Exit code 0 only if all are equal.',
    )
    .argument('<run>', 'its number, as in `lake runs list`', wholeNumber({ min: 1 }))
    .addHelpText('after', '\nExamples:\n  lake runs replay 12\n  lake runs replay 12 --json')
    .action((run: number) => replay(run, cli))
}

async function replay(id: number, cli: CommandLine): Promise<void> {
  const { platform, terminal, signal } = cli
  await closeDead((await platform.runs()).runs, cli)
  const { replayRun } = await import('../../pipeline/platform/replay.ts')
  const { outcome, days, code } = await replayRun(platform, id, {
    signal,
    onWait: (holder) => terminal.line(waitText(holder)),
    onEvent: (event) => tell(event, cli),
  })
  if (code.recorded !== code.current) {
    const recorded = code.recorded ?? 'that is not recorded'
    terminal.line(`warning: run ${id} was made by code ${recorded}; this is ${code.current}`)
  }
  const equal = days.filter(({ isEqual }) => isEqual).length
  await cli.result(
    {
      run: id,
      replay: outcome?.runId ?? null,
      state: outcome?.kind ?? 'unchanged',
      equal: equal === days.length && (outcome === undefined || outcome.kind === 'succeeded'),
      code,
      days,
    },
    () => {
      if (outcome === undefined) return `run ${id} made no table: there is nothing to replay`
      const different = days.filter(({ isEqual }) => !isEqual)
      return [
        `${equal} of ${days.length} days are equal, row for row`,
        ...(different.length === 0
          ? []
          : [
              drawTable(
                ['table', 'day', 'rows', 'replayed', 'hash', 'replayed'],
                different.map((day) => [
                  day.table,
                  day.day,
                  day.rows,
                  day.replayedRows,
                  day.hash,
                  day.replayedHash,
                ]),
                cli.output.look,
              ),
            ]),
      ]
        .map((line) => line.split('\n').map(printable).join('\n'))
        .join('\n')
    },
  )
  const failure = outcome && failureOf(outcome, cli)
  if (failure !== undefined) throw failure
}
