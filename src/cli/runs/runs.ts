/** `lake runs`: the runs of the batch and of notebooks, from the run store; what they said, and what to do about them. */
import type { Command } from 'commander'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { addCancel } from './cancel.ts'
import { addRunsDays } from './days.ts'
import { addList } from './list.ts'
import { addLogs } from './logs.ts'
import { addReplay } from './replay.ts'
import { addRetry } from './retry.ts'
import { showRun } from './show.ts'

export function addRuns(program: Command, cli: CommandLine): void {
  const runs = program
    .command('runs')
    .summary('the runs of the batch and of notebooks')
    .description(
      'What the batch has done: each run, and in it each task with its attempts, times, rows, versions and log. And what ' +
        'notebooks have done: with which parameters, on which release, and where the executed copy is.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake runs list --state failed --since 2d\n' +
        '  lake runs show 12\n' +
        '  lake runs logs 12 --level warn',
    )
  addList(runs, cli)
  runs
    .command('show')
    .description('One run, each attempt at its tasks, and the versions that its checks have refused.')
    .argument('<run>', 'its number, as in `lake runs list`', runNumber)
    .addHelpText('after', '\nExamples:\n  lake runs show 12\n  lake runs show 12 --json')
    .action((run: number) => showRun(run, cli))

  addRunsDays(runs, cli)
  addLogs(runs, cli)
  addRetry(runs, cli)
  addCancel(runs, cli)
  addReplay(runs, cli)
}

const runNumber = wholeNumber({ min: 1 })
