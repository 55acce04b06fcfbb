/** Notebooks by the clock: those whose metadata has a `schedule`, each tick once, however many schedulers there are. */
import { isLakeError, LakeError, messageOf } from '../../lib/base/errors.ts'
import type { Logger } from '../../lib/base/log.ts'
import type { NotebookEnvironment } from '../../lib/jupyter/environment.ts'
import { readNotebook } from '../../lib/jupyter/ipynb.ts'
import type { Cron } from '../../lib/schedule/cron.ts'
import type { DueTick } from '../../lib/schedule/due.ts'
import { runSchedule, type ScheduleEvent } from '../../lib/schedule/schedule.ts'
import type { Platform } from '../../pipeline/platform/compose.ts'
import type { Config } from '../../pipeline/platform/config.ts'
import { cronOf, cronText } from '../../pipeline/platform/schedule-settings.ts'
import type { CommandLine } from '../command-line.ts'
import { allNotebooks, type NotebookPlace } from './places.ts'
import { dagOfNotebook } from './recorded.ts'
import { requireSucceeded, runNotebook } from './recorded-run.ts'
import { prepared, runnableNotebook } from './run.ts'

export interface ScheduledNotebook {
  readonly place: NotebookPlace
  readonly cron: Cron
}

/** Told of each that has no schedule that can be kept; it is left out, and holds up no other. */
export type OnProblem = (place: NotebookPlace, problem: string) => void

export async function scheduledNotebooks(
  config: Config,
  onProblem: OnProblem,
): Promise<readonly ScheduledNotebook[]> {
  const found: ScheduledNotebook[] = []
  for (const place of await allNotebooks(config)) {
    try {
      const { schedule } = (await readNotebook(place.path)).settings
      if (schedule !== undefined) {
        found.push({ place, cron: cronOf(config, { cron: schedule, setting: 'schedule' }) })
      }
    } catch (error) {
      onProblem(place, messageOf(error))
    }
  }
  return found
}

/**
 * Starts the schedule of each notebook that has one, and says so. Each goes on until aborted, and then throws the reason.
 */
export async function startNotebookSchedules(
  { platform, config, terminal, io: { env } }: CommandLine,
  signal: AbortSignal,
): Promise<readonly Promise<never>[]> {
  const found = await scheduledNotebooks(config, ({ name }, problem) =>
    terminal.line(`notebook ${name} is left out: ${problem}`),
  )
  return found.map((notebook) => {
    terminal.line(`notebook ${notebook.place.name} at ${cronText(notebook.cron, platform.clock.now())}`)
    const prepare = () => prepared(config, env, { say: (line) => terminal.line(line), signal })
    return runNotebookSchedule(platform, notebook, { prepare, signal, logger: platform.logger })
  })
}

export interface NotebookScheduleOptions {
  /** What notebooks need; asked for at each tick. */
  readonly prepare: () => Promise<NotebookEnvironment>
  readonly signal: AbortSignal
  readonly logger: Logger
}

/** Goes on until aborted, and then throws the reason. A run that fails is logged and recorded; the next tick comes. */
export async function runNotebookSchedule(
  platform: Platform,
  { place, cron }: ScheduledNotebook,
  { prepare, signal, logger }: NotebookScheduleOptions,
): Promise<never> {
  const { ticks } = await platform.runs()
  const name = dagOfNotebook(place)
  return runSchedule({
    name,
    cron,
    ticks,
    catchUp: platform.config.schedule.catchUp,
    clock: platform.clock,
    signal,
    onEvent: (event) => logEvent(event, place, logger),
    run: async (tick: DueTick, { signal: taken }) => {
      const ending = AbortSignal.any([signal, taken])
      try {
        const run = await runNotebook(platform, {
          // Read again: it may have been changed since.
          ...(await runnableNotebook(place, new Map())),
          environment: await prepare(),
          trigger: tick.kind,
          tick: { schedule: name, tickMs: tick.tickMs },
          signal: ending,
        })
        requireSucceeded(run)
      } catch (error) {
        // Cut short: not made, so that the next start makes it.
        if (!signal.aborted || isLakeError(error, 'INTERRUPTED')) throw error
        throw new LakeError('INTERRUPTED', `${name} was cut short`, { cause: error })
      }
    },
  })
}

function logEvent(event: ScheduleEvent, { name }: NotebookPlace, logger: Logger): void {
  switch (event.kind) {
    case 'started':
    case 'ended':
      logger.info(
        { notebook: name, tick: new Date(event.tick.tickMs).toISOString() },
        `Scheduled notebook ${event.kind}`,
      )
      break
    case 'failed':
      logger.error(
        { notebook: name, tick: new Date(event.tick.tickMs).toISOString(), err: event.error },
        'Scheduled notebook failed',
      )
      break
    case 'store-failed':
      logger.error(
        { notebook: name, err: event.error },
        'The run store did not answer; the tick is tried again',
      )
      break
    case 'skipped':
      logger.warn(
        { notebook: name, newest: new Date(event.newestMs).toISOString(), ticks: event.count },
        'Scheduled runs of a notebook were missed and are skipped (BATCH_CATCH_UP=none)',
      )
      break
    case 'waiting':
    case 'busy':
    case 'clock-went-back':
      logger.debug({ notebook: name, kind: event.kind }, 'Schedule of a notebook')
      break
  }
}
