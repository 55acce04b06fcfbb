/** `lake rejected`: the messages that could not be parsed, with their bytes. */
import type { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { addList } from './list.ts'
import { addReplay } from './replay.ts'
import { addReplays } from './replays.ts'
import { addShow } from './show.ts'

export function addRejected(program: Command, cli: CommandLine): void {
  const rejected = program
    .command('rejected')
    .summary('messages that could not be parsed')
    .description(
      'The dead letters: messages of the log that are no event, kept with their bytes and reasons.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  lake rejected list\n  lake rejected show 0 4711\n  lake rejected replay --fix fix.ts',
    )
  addList(rejected, cli)
  addShow(rejected, cli)
  addReplay(rejected, cli)
  addReplays(rejected, cli)
}
