/**
 * What Prometheus is told of the streaming stages: one table, from which the exposition and its documentation are made.
 *
 * Names follow "Metric and label naming" of Prometheus: base units, `_total` for counters, and no label whose values
 * grow without end.
 */
import type { StageStatus } from '../platform/stream-status.ts'
import type { StageReading } from '../streaming/stage-reading.ts'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

interface MetricOf<Source> {
  readonly name: `lakeshore_${string}`
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly labels: readonly string[]
  /** No sample of what is not known. */
  readonly samples: (source: Source) => readonly Sample[]
}

export interface StageOfProcess {
  readonly stage: string
  readonly reading: StageReading
}

export type StageMetric = MetricOf<StageOfProcess>
/** Of the platform as a whole, from what all processes have recorded. */
export type PlatformMetric = MetricOf<readonly StageStatus[]>

const ofStage = (
  type: StageMetric['type'],
  name: StageMetric['name'],
  help: string,
  value: (reading: StageReading) => number | null,
): StageMetric => ({
  name,
  type,
  help,
  labels: ['stage'],
  samples: ({ stage, reading }) => {
    const found = value(reading)
    return found === null ? [] : [{ labels: { stage }, value: found }]
  },
})

const ofPartition = (
  name: StageMetric['name'],
  help: string,
  value: (partition: StageReading['partitions'][number]) => number | null,
): StageMetric => ({
  name,
  type: 'gauge',
  help,
  labels: ['stage', 'partition'],
  samples: ({ stage, reading }) =>
    reading.partitions.flatMap((each) => {
      const found = value(each)
      return found === null ? [] : [{ labels: { stage, partition: String(each.partition) }, value: found }]
    }),
})

const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000)

export const stageMetrics: readonly StageMetric[] = [
  ofStage(
    'counter',
    'lakeshore_stage_messages_total',
    'Messages written to the sink, or sent by a producer.',
    ({ messages }) => messages,
  ),
  ofStage(
    'counter',
    'lakeshore_stage_events_total',
    'Events written to the sink; of the speed layer those on time.',
    ({ events }) => events,
  ),
  ofStage(
    'counter',
    'lakeshore_stage_rejected_total',
    'Messages that are no event and went to bronze/rejected.',
    ({ rejected }) => rejected,
  ),
  ofStage(
    'counter',
    'lakeshore_stage_late_total',
    'Events that came too late for their window.',
    ({ late }) => late,
  ),
  ofStage(
    'counter',
    'lakeshore_stage_failures_total',
    'Failures after which the stage tried again.',
    ({ failures }) => failures,
  ),
  ofPartition(
    'lakeshore_stage_lag_messages',
    'Messages between the position of the sink and the end of the log.',
    ({ lagMessages }) => lagMessages,
  ),
  ofPartition(
    'lakeshore_stage_lag_seconds',
    'For how long the oldest message that is not written has been in the log.',
    ({ lagMs }) => seconds(lagMs),
  ),
  ofPartition(
    'lakeshore_stage_watermark_timestamp_seconds',
    'Windows that end before it take no event that is on time.',
    ({ watermarkMs }) => seconds(watermarkMs),
  ),
  ofStage(
    'gauge',
    'lakeshore_stage_last_commit_timestamp_seconds',
    'When the sink took the last batch.',
    ({ lastCommit }) => seconds(lastCommit?.atMs ?? null),
  ),
  ofStage(
    'gauge',
    'lakeshore_stage_in_flight_messages',
    'Messages read, and not written yet.',
    ({ inFlight }) => inFlight.messages,
  ),
  ofStage(
    'gauge',
    'lakeshore_stage_in_flight_bytes',
    'Bytes of messages read, and not written yet.',
    ({ inFlight }) => inFlight.bytes,
  ),
  ofStage(
    'gauge',
    'lakeshore_stage_quiet_seconds',
    'Since the log answered or the sink took a batch.',
    ({ quietMs }) => quietMs / 1000,
  ),
  ofStage('gauge', 'lakeshore_stage_paused', '1 while somebody has paused the stage.', ({ state }) =>
    Number(state === 'paused'),
  ),
  ofStage('gauge', 'lakeshore_stage_retrying', '1 while the stage fails and tries again.', ({ state }) =>
    Number(state === 'retrying'),
  ),
]

export const platformMetrics: readonly PlatformMetric[] = [
  {
    name: 'lakeshore_stage_processes',
    type: 'gauge',
    help: 'Processes of a stage by the state that `lake stream status` shows.',
    labels: ['stage', 'state'],
    samples: (stages) => counted(stages.map(({ stage, state }) => ({ stage, state }))),
  },
  {
    name: 'lakeshore_stage_problems',
    type: 'gauge',
    help: 'Processes of a stage that retry, are paused or have failed, by the code of the reason.',
    labels: ['stage', 'code'],
    samples: (stages) =>
      counted(
        stages.flatMap(({ stage, reading }) =>
          reading?.problem ? [{ stage, code: reading.problem.code }] : [],
        ),
      ),
  },
]

function counted(all: readonly Readonly<Record<string, string>>[]): readonly Sample[] {
  const found = new Map<string, { labels: Readonly<Record<string, string>>; value: number }>()
  for (const labels of all) {
    const key = JSON.stringify(labels)
    const known = found.get(key) ?? { labels, value: 0 }
    known.value += 1
    found.set(key, known)
  }
  return [...found.values()]
}
