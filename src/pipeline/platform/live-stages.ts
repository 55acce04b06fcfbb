/** The stages that run until they are stopped, by name: what `lake up` keeps running side by side. */
import type { IoOptions } from '../../lib/base/io.ts'
import { runBatchSchedule } from '../batch/schedule.ts'
import { produce } from '../producer/produce.ts'
import type { Platform } from './compose.ts'
import { openProducerState } from './first-look.ts'
import { cronOf } from './schedule-settings.ts'
import { batchContextOf, runLandingStage, runRealtimeStage } from './stages.ts'

type Stage = () => Promise<unknown>

export function liveStages(
  platform: Platform,
  { hasProducer, signal }: IoOptions & { readonly hasProducer: boolean },
): Readonly<Record<string, Stage>> {
  const { clock, logger, config } = platform
  const producer: Stage = async () => {
    const state = await openProducerState(platform)
    await produce(
      state.through(await platform.log()),
      {
        seed: clock.now() % 2 ** 32,
        users: state.users,
        plan: { kind: 'live', eventsPerSecond: config.eventsPerSecond },
      },
      { signal, clock, logger },
    )
  }
  return {
    ...(hasProducer && { producer }),
    landing: () => runLandingStage(platform, { signal }),
    realtime: () => runRealtimeStage(platform, { signal }),
    schedule: async () =>
      runBatchSchedule(await batchContextOf(platform), await platform.runs(), {
        cron: cronOf(config),
        catchUp: config.schedule.catchUp,
        signal,
        clock,
        logger,
      }),
  }
}
