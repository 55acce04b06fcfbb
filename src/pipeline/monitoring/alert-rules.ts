/** What to alert on, as rules of Prometheus: declared here, and written into a file by `npm run generate`. */
import { usualRejectLimit } from '../landing/reject-burst.ts'

export interface AlertRule {
  readonly name: string
  /** PromQL. */
  readonly expression: string
  readonly for: string
  readonly severity: 'warning' | 'critical'
  /** With labels of the expression, as Prometheus' templates have them. */
  readonly summary: string
  readonly next: string
}

export const alertRules: readonly AlertRule[] = [
  {
    name: 'LakeshoreStageLags',
    expression: 'max by (stage) (lakeshore_stage_lag_seconds) > 600',
    for: '2m',
    severity: 'warning',
    summary: '{{ $labels.stage }} is {{ $value | humanizeDuration }} behind',
    next: '`lake stream status` shows which partitions; one more process of the stage shares them.',
  },
  {
    name: 'LakeshoreStageStopped',
    expression: 'sum by (stage) (lakeshore_stage_processes{state=~"stuck|gone|failed"}) > 0',
    for: '1m',
    severity: 'critical',
    summary: '{{ $value }} processes of {{ $labels.stage }} are stuck, gone or failed',
    next: '`lake stream status` says which, and why. A stage that is started again goes on where it was.',
  },
  {
    name: 'LakeshoreStageQuiet',
    expression: 'lakeshore_stage_quiet_seconds > 60 and on (instance, stage) lakeshore_stage_paused == 0',
    for: '1m',
    severity: 'critical',
    summary: '{{ $labels.stage }} has neither read nor written for {{ $value | humanizeDuration }}',
    next: 'Its log says what it waits for: the event log, the object store or ClickHouse.',
  },
  {
    name: 'LakeshoreStageRetries',
    expression: 'lakeshore_stage_retrying == 1',
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.stage }} fails and tries again',
    next: '`lake stream status` shows the error and what to do about it.',
  },
  {
    name: 'LakeshoreStagePaused',
    expression: 'sum by (stage) (lakeshore_stage_processes{state="paused"}) > 0',
    for: '1h',
    severity: 'warning',
    summary: '{{ $labels.stage }} has been paused for an hour',
    next: '`lake stream resume {{ $labels.stage }}` before the log drops what it has not read.',
  },
  {
    name: 'LakeshoreLogGap',
    expression: 'sum by (stage, code) (lakeshore_stage_problems{code=~"EVENTLOG_GAP|EVENTLOG_RESET"}) > 0',
    for: '0m',
    severity: 'critical',
    summary: '{{ $labels.stage }} has lost its place in the log: {{ $labels.code }}',
    next: '`lake stream status` names partition and offsets; docs/streams.md and the hint of the error say how to go on.',
  },
  {
    name: 'LakeshoreRejectBurst',
    expression: `sum by (stage) (rate(lakeshore_stage_rejected_total[5m])) / sum by (stage) (rate(lakeshore_stage_messages_total[5m])) > ${usualRejectLimit}`,
    for: '1m',
    severity: 'warning',
    summary: '{{ $value | humanizePercentage }} of the messages of {{ $labels.stage }} are rejected',
    next: '`lake rejected list` shows them with their reasons.',
  },
]
