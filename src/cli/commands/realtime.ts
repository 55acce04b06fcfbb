/** `lake realtime`: the event log into ClickHouse's one-minute windows. */
import type { Command } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import type { CommandLine } from '../command-line.ts'
import { runLoneStage } from '../lone-stage.ts'

interface Flags {
  readonly drain?: boolean
  readonly acceptGap?: boolean
  readonly acceptNewLog?: boolean
}

export function addRealtime(program: Command, cli: CommandLine): void {
  program
    .command('realtime')
    .summary('event log → ClickHouse windows, within seconds')
    .description(
      'Counts valid events by one-minute windows into ClickHouse realtime.*, late ones apart, each message ' +
        'exactly once. Runs until stopped, and goes on where the tables stand.',
    )
    .option('--drain', 'count up to the end that the log has now, then exit')
    .option(
      '--accept-gap',
      'go on after messages that retention took before they were read, and record which',
    )
    .option(
      '--accept-new-log',
      'read a log of another cluster id from its start, though the topic was counted from another log before',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  lake realtime\n  lake realtime --drain --json\n  lake realtime --accept-gap',
    )
    .action((flags: Flags) => runRealtime(flags, cli))
}

async function runRealtime(
  { drain = false, acceptGap = false, acceptNewLog = false }: Flags,
  cli: CommandLine,
): Promise<void> {
  cli.isEndless = !drain
  const { platform, config, terminal, signal } = cli
  const { runRealtimeStage } = await import('../../pipeline/platform/stages.ts')
  if (!drain) terminal.line(`counting ${config.topic} into ClickHouse; Ctrl-C ends it in order`)
  const report = await runLoneStage(cli, 'realtime', (recorded) =>
    runRealtimeStage(platform, {
      ...recorded,
      drain,
      acceptGap,
      acceptNewLog,
      signal,
      onProgress: ({ events, late }) => terminal.progress(() => `counted ${events} events, ${late} late`),
    }),
  )
  const { messages, events, late, batches, unconfirmed } = report
  await cli.result(
    report,
    () =>
      `read ${countOf(messages, 'message')} in ${countOf(batches, 'batch', 'batches')}: ${countOf(events, 'event')} on time, ${late} late`,
  )
  // Why, and which messages, is said by the stage.
  if (unconfirmed !== undefined) cli.exitCode = 2
  if (drain) cli.requireFinished()
}
