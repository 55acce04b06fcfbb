/** `lake stream`: how the streaming stages are, on whichever machine they run, and pausing them. */
import { Argument, type Command } from 'commander'
import { timeOrSpan } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { type DriftFlags, showDrift } from './drift.ts'
import { pauseStages, resumeStages } from './pause.ts'
import { showStatus } from './status.ts'

/** Those that can be paused: a producer is stopped. */
export const pausableStages = ['landing', 'realtime'] as const
export type PausableStage = (typeof pausableStages)[number]

export function addStream(program: Command, cli: CommandLine): void {
  const stream = program
    .command('stream')
    .summary('how the streaming stages are; pause and resume them')
    .description(
      'The streaming stages of the platform, producer, landing and realtime, on whichever machine they run: each of them ' +
        'records every two seconds in the run store how it is.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  lake stream status\n  lake stream pause landing --reason "the bucket moves"\n  lake stream resume landing',
    )

  stream
    .command('status')
    .summary('rate, lag, watermark, last commit, memory of each')
    .description(
      'Each stage with its rate, its lag in messages and in time, its watermark, its last commit, what it rejected and what ' +
        'was late, its memory, and what is in flight. On a terminal it is drawn again every two seconds until Ctrl-C; in a ' +
        'pipe and with --json it is one reading. A stage is stuck if nothing was heard of it for a minute. Exit code 1 where ' +
        'a stage is stuck, gone, failed, or fails again and again.',
    )
    .addHelpText('after', '\nExamples:\n  lake stream status\n  lake stream status --json')
    .action(() => showStatus(cli))

  addDrift(stream, cli)

  const stage = new Argument('[stage]', 'landing or realtime; both without it').choices(pausableStages)
  stream
    .command('pause')
    .summary('let a stage rest, without loss')
    .description(
      'Each process of the stage finishes the batch that it writes, and then writes nothing more until it is resumed. It ' +
        'stays in its group, and the pause holds over restarts. Nothing is lost as long as the log keeps the messages.',
    )
    .addArgument(stage)
    .option('--reason <text>', 'shown wherever the stage is', 'paused by lake stream pause')
    .addHelpText(
      'after',
      '\nExamples:\n  lake stream pause\n  lake stream pause realtime --reason "ClickHouse is upgraded"',
    )
    .action((name: PausableStage | undefined, flags: { readonly reason: string }) =>
      pauseStages(name === undefined ? pausableStages : [name], flags.reason, cli),
    )

  stream
    .command('resume')
    .summary('let it go on where it was')
    .description('Ends the pause. The stage goes on where its sink is.')
    .addArgument(stage)
    .addHelpText('after', '\nExamples:\n  lake stream resume\n  lake stream resume landing')
    .action((name: PausableStage | undefined) =>
      resumeStages(name === undefined ? pausableStages : [name], cli),
    )
}

function addDrift(stream: Command, cli: CommandLine): void {
  stream
    .command('drift')
    .summary('fields of events that are not known')
    .description(
      'The fields of landed events that the platform does not know: how many events had each, of which type, the first and ' +
        'the last time, and a sample, which is read from the log. A message without one of the known fields, or with one of ' +
        'another type, is rejected: `lake rejected list` counts those.',
    )
    .option(
      '--since <time>',
      'landed from this time on, or from so long ago: 2d, 12h, 30m (default: 1d)',
      timeOrSpan,
    )
    .addHelpText('after', '\nExamples:\n  lake stream drift\n  lake stream drift --since 7d --json')
    .action((flags: DriftFlags) => showDrift(flags, cli))
}
