/** `lake up`: the whole platform in one process. */
import { type Command, Option } from 'commander'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { openingOf, warnOfExposure } from './console.ts'

interface Flags {
  readonly producer: boolean
  readonly port?: number
  readonly historyDays: number
}

export function addUp(program: Command, cli: CommandLine): void {
  program
    .command('up')
    .summary('everything: ClickHouse, producer, stages, schedule, console')
    .description(
      'Brings up the whole platform in this process, and prints where to look. On an empty lake it first makes ' +
        'a history of events and runs one batch. Ctrl-C ends all of it in order.',
    )
    .option('--no-producer', 'make no events')
    .option('--port <number>', 'of the console (default: CONSOLE_PORT)', wholeNumber({ min: 0, max: 65_535 }))
    .addOption(
      new Option('--history-days <number>', 'days of events to make on an empty lake')
        .argParser(wholeNumber())
        .default(7),
    )
    .addHelpText('after', '\nExamples:\n  lake up\n  lake up --port 9000 --no-producer')
    .action((flags: Flags) => runUp(flags, cli))
}

async function runUp(flags: Flags, cli: CommandLine): Promise<void> {
  cli.isEndless = true
  const { cronOf } = await import('../../pipeline/platform/schedule-settings.ts')
  // The schedule comes up last, and alone would stop: a wrong setting ends the command before anything begins.
  cronOf(cli.config)
  const { lockHome } = await import('../../pipeline/platform/home-lock.ts')
  const { bringUp } = await import('../bring-up.ts')
  await holdUp(flags, cli, bringUp, lockHome)
}

/** A function of its own: in one with `using`, tsc does not rewrite the path of an import. */
async function holdUp(
  { producer, port, historyDays }: Flags,
  cli: CommandLine,
  bringUp: typeof import('../bring-up.ts').bringUp,
  lockHome: typeof import('../../pipeline/platform/home-lock.ts').lockHome,
): Promise<void> {
  const { platform, config, terminal, signal } = cli
  await using _lock = await lockHome(platform)
  platform.endClickHouseAtClose()
  const up = bringUp(platform, {
    hasProducer: producer,
    historyDays,
    host: config.console.host,
    port: port ?? config.console.port,
    signal,
  })
  try {
    for (const { title, run } of up.steps) {
      let last = ''
      await run((text) => {
        last = text
        terminal.progress(() => `${title}: ${text}`)
      })
      terminal.line(`${title}: ${last}`)
    }
    await cli.result(
      { url: up.url() },
      () => `Lakeshore is up: ${openingOf(up.url() ?? '', config)}\nCtrl-C ends it in order`,
    )
    warnOfExposure(cli)
    await Promise.all([up.ended(), ...(await startNotebooks(cli))])
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error
    await up.ended()
  }
}

/** Each ends when the command is asked to end. One that fails takes nothing else with it. */
async function startNotebooks(cli: CommandLine): Promise<readonly Promise<void>[]> {
  const { startNotebookSchedules } = await import('../notebook/scheduled.ts')
  const schedules = await startNotebookSchedules(cli, cli.signal)
  return schedules.map((schedule) =>
    schedule.catch((error: unknown) => {
      if (!cli.signal.aborted)
        cli.platform.logger.error({ err: error }, 'The schedule of a notebook has ended')
    }),
  )
}
