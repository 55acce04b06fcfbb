/** `lake schedule`: runs the batch on its schedule, and notebooks on theirs. */
import type { Command } from 'commander'
import { hintOf } from '../../hints/hints.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { Heartbeat } from '../../pipeline/platform/heartbeat.ts'
import type { CommandLine } from '../command-line.ts'

export function addSchedule(program: Command, cli: CommandLine): void {
  program
    .command('schedule')
    .summary('run the batch and notebooks by the clock')
    .description(
      'Runs the batch at each tick of BATCH_CRON in BATCH_TIMEZONE, once however many schedulers there are, and once for ' +
        'all ticks that were missed while none ran, unless BATCH_CATCH_UP is none. A time that is skipped ' +
        'when the clock is put forward runs at the change; one that comes twice when it is put back runs once. A schedule ' +
        'of every hour goes on evenly. After the first one of a day, the tables are vacuumed: files ' +
        'that no version of the last week needs go. Notebooks whose metadata has a schedule are run at its ticks, as ' +
        '`lake notebook run` does; they are looked for at the start. Runs until stopped.',
    )
    .addHelpText(
      'after',
      "\nExamples:\n  lake schedule\n  BATCH_CRON='*/15 * * * *' lake schedule\n  BATCH_TIMEZONE=Europe/Berlin lake schedule",
    )
    .action(() => runSchedule(cli))
}

async function runSchedule(cli: CommandLine): Promise<void> {
  cli.isEndless = true
  const { platform, config, terminal, signal } = cli
  const [
    { cronOf, cronText },
    { runBatchSchedule },
    { batchContextOf },
    { withHeartbeat },
    { watchAlerts },
    { withMetricsServer },
    { startNotebookSchedules },
  ] = await Promise.all([
    import('../../pipeline/platform/schedule-settings.ts'),
    import('../../pipeline/batch/schedule.ts'),
    import('../../pipeline/platform/stages.ts'),
    import('../../pipeline/platform/heartbeat.ts'),
    import('../../pipeline/alerts/watch.ts'),
    import('../../pipeline/monitoring/metrics-server.ts'),
    import('../notebook/scheduled.ts'),
  ])
  const cron = cronOf(config)
  const context = await batchContextOf(platform)
  const runs = await platform.runs()
  const { clock, logger } = platform
  terminal.line(`batch at ${cronText(cron, clock.now())}; Ctrl-C ends it in order`)
  const work = async (heartbeat: Heartbeat): Promise<void> => {
    const failed = new AbortController()
    const ending = AbortSignal.any([signal, failed.signal])
    const schedules = [
      ...(await startNotebookSchedules(cli, ending)),
      watchAlerts(platform, { hintOf, signal: ending }),
      runBatchSchedule(context, runs, {
        cron,
        catchUp: config.schedule.catchUp,
        signal: ending,
        clock,
        logger,
        heartbeat,
      }),
    ]
    try {
      await Promise.race(schedules)
    } finally {
      // One that ends by itself takes the others with it; what they are at is ended in order first.
      failed.abort(new LakeError('INTERRUPTED', 'Another schedule has failed'))
      await Promise.allSettled(schedules)
    }
  }
  await withMetricsServer(platform, () => withHeartbeat(platform, 'scheduler', work))
}
