/** The batch by the clock: each tick of `BATCH_CRON` once, and what was missed while nothing ran, once. */
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { isLakeError, LakeError, messageOf } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import type { DeltaTable } from '../../lib/delta/index.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import type { Cron } from '../../lib/schedule/cron.ts'
import type { CatchUp, DueTick } from '../../lib/schedule/due.ts'
import { runSchedule, type ScheduleEvent } from '../../lib/schedule/schedule.ts'
import { lakeTableNames } from '../model/tables.ts'
import type { BatchContext } from './batch.ts'
import { batchDag } from './dag-name.ts'
import { runRecordedBatch } from './recorded.ts'
import { recordVacuumed, vacuumTables } from './vacuum.ts'

export interface BatchScheduleOptions extends IoOptions {
  readonly cron: Cron
  /** What becomes of missed ticks; without it, one run for all of them. */
  readonly catchUp?: CatchUp
  readonly clock?: Clock
  readonly logger?: Logger
  readonly heartbeat?: ScheduleHeartbeat
}

/** Told that the schedule gets on: at each look at the clock, and during a batch. A store that fails is no sign of life. */
export interface ScheduleHeartbeat {
  beat(): void
  beatDuring<T>(work: () => Promise<T>): Promise<T>
}

const noHeartbeat: ScheduleHeartbeat = { beat: () => undefined, beatDuring: (work) => work() }

/**
 * Goes on until aborted, and then throws the abort reason; a run in hand is cancelled, and made again at the
 * next start. After the first run of a day (UTC), failed or not, the tables are vacuumed.
 */
export async function runBatchSchedule(
  context: BatchContext,
  store: RunStore,
  {
    cron,
    catchUp,
    signal,
    clock = systemClock,
    logger = silentLogger,
    heartbeat = noHeartbeat,
  }: BatchScheduleOptions,
): Promise<never> {
  const run = scheduledBatch(context, store, { signal, clock, logger })
  return runSchedule({
    name: batchDag,
    cron,
    ...(catchUp && { catchUp }),
    ticks: store.ticks,
    clock,
    signal,
    onEvent: (event) => {
      if (event.kind !== 'store-failed') heartbeat.beat()
      logEvent(event, logger)
    },
    run: (tick, { signal: taken }) => heartbeat.beatDuring(() => run(tick, taken)),
  })
}

/** What a tick does: a batch, and after the first one of a day a vacuum. */
function scheduledBatch(
  context: BatchContext,
  store: RunStore,
  { signal, clock, logger }: IoOptions & { readonly clock: Clock; readonly logger: Logger },
): (tick: DueTick, taken: AbortSignal) => Promise<void> {
  let vacuumedDay = ''
  return async (tick, taken) => {
    const ending = signal === undefined ? taken : AbortSignal.any([signal, taken])
    const outcome = await runRecordedBatch(context, store, {
      trigger: tick.kind,
      tick: { schedule: batchDag, tickMs: tick.tickMs },
      onWait: ({ runId, owner }) =>
        logger.info({ runId, owner }, 'The scheduled batch waits for another one to end'),
      signal: ending,
    }).catch((error: unknown) => {
      if (signal?.aborted !== true) throw error
      throw new LakeError('INTERRUPTED', `${batchDag} was stopped before it began`, { cause: error })
    })
    // Somebody asked for its end: the tick is made, and does not begin again.
    if (isLakeError(outcome.reason, 'RUN_CANCELLED')) throw outcome.reason
    // Cut short: not made, so that the next start makes it.
    if (outcome.kind === 'cancelled') throw new LakeError('INTERRUPTED', `Run ${outcome.runId} was cut short`)
    const today = new Date(clock.now()).toISOString().slice(0, 10)
    if (today !== vacuumedDay) {
      await vacuumTables(await unreleasedLeftOut(context, store, { signal: ending }), {
        logger,
        signal: ending,
      })
      const { table } = context
      await recordVacuumed({ table, candidates: store.candidates }, { logger, signal: ending })
      await removeOldLogs(store, clock.now(), { logger, signal: ending })
      vacuumedDay = today
    }
    if (outcome.kind === 'failed') {
      throw new LakeError('TASK_FAILED', `Run ${outcome.runId} of ${batchDag} failed`)
    }
  }
}

const logDays = 30

/** Best effort: what is left is removed the next day. */
async function removeOldLogs(
  { logs }: RunStore,
  nowMs: number,
  { logger, signal }: IoOptions & { readonly logger: Logger },
): Promise<void> {
  try {
    await logs.removeBefore(nowMs - logDays * 86_400_000, { signal })
  } catch (error) {
    if (signal?.aborted !== true) logger.warn({ reason: messageOf(error) }, 'Old logs could not be removed')
  }
}

/** A table whose newest release is an older version keeps its files: readers see them until the next release. */
async function unreleasedLeftOut(
  { table }: BatchContext,
  { releases }: RunStore,
  { signal }: IoOptions,
): Promise<readonly DeltaTable[]> {
  const release = await releases.newest({ signal })
  const found: DeltaTable[] = []
  for (const name of lakeTableNames) {
    const released = name.startsWith('bronze/') ? undefined : release?.tables[name]
    if (released === undefined || (await newestVersion(table(name), { signal })) === released.version) {
      found.push(table(name))
    }
  }
  return found
}

async function newestVersion(table: DeltaTable, { signal }: IoOptions): Promise<number | undefined> {
  return (await table.exists({ signal })) ? (await table.snapshot({ signal })).version : undefined
}

function logEvent(event: ScheduleEvent, logger: Logger): void {
  switch (event.kind) {
    case 'waiting':
      logger.debug({ next: new Date(event.nextMs).toISOString() }, 'The next batch is due')
      break
    case 'started':
    case 'ended':
    case 'busy':
      logger.info({ tick: new Date(event.tick.tickMs).toISOString() }, `Scheduled batch ${event.kind}`)
      break
    case 'failed':
      logger.error(
        { tick: new Date(event.tick.tickMs).toISOString(), err: event.error },
        'Scheduled batch failed',
      )
      break
    case 'skipped':
      logger.warn(
        { newest: new Date(event.newestMs).toISOString(), ticks: event.count },
        'Scheduled batches were missed and are skipped (BATCH_CATCH_UP=none)',
      )
      break
    case 'clock-went-back':
      logger.warn({ byMs: event.byMs }, 'The clock went back; no tick is made twice')
      break
    case 'store-failed':
      logger.error({ err: event.error }, 'The run store did not answer; the tick is tried again')
      break
  }
}
