/** `lake land`: the event log into Delta bronze. */
import type { Command } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import type { CommandLine } from '../command-line.ts'
import { runLoneStage } from '../lone-stage.ts'

interface Flags {
  readonly drain?: boolean
  readonly acceptGap?: boolean
  readonly acceptNewLog?: boolean
}

export function addLand(program: Command, cli: CommandLine): void {
  program
    .command('land')
    .summary('event log → bronze tables')
    .description(
      'Lands the event log in bronze/events, and what cannot be parsed in bronze/rejected, each message ' +
        'exactly once. Runs until stopped, and goes on where the tables stand.',
    )
    .option('--drain', 'land up to the end that the log has now, then exit')
    .option(
      '--accept-gap',
      'go on after messages that retention took before they were read, and record which',
    )
    .option(
      '--accept-new-log',
      'read a log of another cluster id from its start, though the topic was landed from another log before',
    )
    .addHelpText('after', '\nExamples:\n  lake land\n  lake land --drain --json\n  lake land --accept-gap')
    .action((flags: Flags) => runLand(flags, cli))
}

async function runLand(
  { drain = false, acceptGap = false, acceptNewLog = false }: Flags,
  cli: CommandLine,
): Promise<void> {
  cli.isEndless = !drain
  const { platform, config, terminal, signal } = cli
  const { runLandingStage } = await import('../../pipeline/platform/stages.ts')
  if (!drain) terminal.line(`landing ${config.topic} in ${config.lakeUri}; Ctrl-C ends it in order`)
  const report = await runLoneStage(cli, 'landing', (recorded) =>
    runLandingStage(platform, {
      ...recorded,
      drain,
      acceptGap,
      acceptNewLog,
      signal,
      onProgress: ({ events, rejected }) =>
        terminal.progress(() => `landed ${events} events, ${rejected} rejected`),
    }),
  )
  const { events, rejected, commits, unconfirmed } = report
  await cli.result(
    report,
    () =>
      `landed ${countOf(events, 'event')} and ${rejected} rejected in ${countOf(commits, 'batch', 'batches')}`,
  )
  // Why, and which messages, is said by the stage.
  if (unconfirmed !== undefined) cli.exitCode = 2
  if (drain) cli.requireFinished()
}
