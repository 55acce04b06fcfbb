/** A stage that has a process to itself: it is recorded, has a heartbeat for health checks, and serves its metrics. */
import type { BeatingStage } from '../pipeline/platform/heartbeat.ts'
import type { RecordedStage, StageName } from '../pipeline/platform/stage-recorder.ts'
import type { CommandLine } from './command-line.ts'

export async function runLoneStage<T>(
  { platform }: CommandLine,
  stage: StageName & BeatingStage,
  work: (recorded: RecordedStage) => Promise<T>,
): Promise<T> {
  const [{ withMetricsServer }, { withHeartbeat }, { withRecording }] = await Promise.all([
    import('../pipeline/monitoring/metrics-server.ts'),
    import('../pipeline/platform/heartbeat.ts'),
    import('../pipeline/platform/stage-recorder.ts'),
  ])
  return await withMetricsServer(platform, () =>
    withHeartbeat(platform, stage, ({ beat }) => withRecording(platform, stage, work, { onAlive: beat })),
  )
}
