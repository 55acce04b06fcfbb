/** The stages that run until they are stopped, by name: what `lake up` keeps running side by side. */
import type { IoOptions } from '../../lib/base/io.ts'
import { runBatchSchedule } from '../batch/schedule.ts'
import { produce } from '../producer/produce.ts'
import type { Platform } from './compose.ts'
import { openProducerState } from './first-look.ts'
import { cronOf } from './schedule-settings.ts'
import { withRecording } from './stage-recorder.ts'
import { batchContextOf, runLandingStage, runRealtimeStage } from './stages.ts'

type Stage = () => Promise<unknown>

export function liveStages(
  platform: Platform,
  { hasProducer, signal }: IoOptions & { readonly hasProducer: boolean },
): Readonly<Record<string, Stage>> {
  const { clock, logger, config } = platform
  const producer: Stage = async () => {
    const state = await openProducerState(platform)
    const sink = state.through(await platform.log())
    const plan = { kind: 'live', eventsPerSecond: config.eventsPerSecond } as const
    await withRecording(platform, 'producer', ({ observer }) =>
      produce(
        sink,
        { seed: clock.now() % 2 ** 32, users: state.users, plan },
        { signal, clock, logger, onProgress: (sent) => observer.sent(sent) },
      ),
    )
  }
  return {
    ...(hasProducer && { producer }),
    landing: () =>
      withRecording(platform, 'landing', (recorded) => runLandingStage(platform, { ...recorded, signal })),
    realtime: () =>
      withRecording(platform, 'realtime', (recorded) => runRealtimeStage(platform, { ...recorded, signal })),
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
