/** `lake schedule`: runs the batch on its schedule, and notebooks on theirs. */
import type { Command } from 'commander'
import { LakeError } from '../../lib/base/errors.ts'
import type { CommandLine } from '../command-line.ts'

export function addSchedule(program: Command, cli: CommandLine): void {
  program
    .command('schedule')
    .summary('run the batch and notebooks by the clock')
    .description(
      'Runs the batch at each tick of BATCH_CRON (UTC), once however many schedulers there are, and once for ' +
        'all ticks that were missed while none ran. After the first one of a day, the tables are vacuumed: files ' +
        'that no version of the last week needs go. Notebooks whose metadata has a schedule are run at its ticks, as ' +
        '`lake notebook run` does; they are looked for at the start. Runs until stopped.',
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
  await withHeartbeat(platform, 'scheduler', async (heartbeat) => {
    const failed = new AbortController()
    const ending = AbortSignal.any([signal, failed.signal])
    const schedules = [
      ...(await notebookSchedules(cli, ending)),
      runBatchSchedule(context, runs, {
        cron: config.batchCron,
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
  })
}

async function notebookSchedules(cli: CommandLine, signal: AbortSignal): Promise<readonly Promise<never>[]> {
  const [{ runNotebookSchedule, scheduledNotebooks }, { prepared }] = await Promise.all([
    import('../notebook/scheduled.ts'),
    import('../notebook/run.ts'),
  ])
  const { platform, config, terminal } = cli
  const found = await scheduledNotebooks(config, ({ name }, problem) =>
    terminal.line(`notebook ${name} is left out: ${problem}`),
  )
  return found.map((notebook) => {
    terminal.line(`notebook ${notebook.place.name} at ${notebook.schedule} (UTC)`)
    const prepare = () => prepared(config, cli.io.env, { say: (line) => terminal.line(line), signal })
    return runNotebookSchedule(platform, notebook, { prepare, signal, logger: platform.logger })
  })
}
