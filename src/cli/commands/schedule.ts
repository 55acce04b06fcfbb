/** `lake schedule`: runs the batch on its schedule. */
import type { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'

export function addSchedule(program: Command, cli: CommandLine): void {
  program
    .command('schedule')
    .summary('run the batch by the clock')
    .description(
      'Runs the batch at each tick of BATCH_CRON (UTC), once however many schedulers there are, and once for ' +
        'all ticks that were missed while none ran. After the first one of a day, the tables are vacuumed: files ' +
        'that no version of the last week needs go. Runs until stopped.',
    )
    .addHelpText('after', "\nExamples:\n  lake schedule\n  BATCH_CRON='*/15 * * * *' lake schedule")
    .action(() => runSchedule(cli))
}

async function runSchedule(cli: CommandLine): Promise<void> {
  cli.isEndless = true
  const { platform, config, terminal, signal } = cli
  const [{ parseCron }, { runBatchSchedule }, { batchContextOf }, { withHeartbeat }] = await Promise.all([
    import('../../lib/schedule/cron.ts'),
    import('../../pipeline/batch/schedule.ts'),
    import('../../pipeline/platform/stages.ts'),
    import('../../pipeline/platform/heartbeat.ts'),
  ])
  parseCron(config.batchCron, 'BATCH_CRON')
  const context = await batchContextOf(platform)
  const runs = await platform.runs()
  terminal.line(`batch at ${config.batchCron} (UTC); Ctrl-C ends it in order`)
  const { clock, logger } = platform
  await withHeartbeat(platform, 'scheduler', (heartbeat) => {
    heartbeat.beatByTimer()
    return runBatchSchedule(context, runs, { cron: config.batchCron, signal, clock, logger })
  })
}
