/** Grafana's dashboard of the streaming stages, over what Prometheus scrapes from them. */
import { VisibilityMode } from '@grafana/grafana-foundation-sdk/common'
import { DatasourceVariableBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { usualRejectLimit } from '../../pipeline/landing/reject-burst.ts'
import { chosenDatasource, dashboardText, legendBelow, newDashboard, tooltipOfAll } from './dashboard.ts'

export interface StreamPanel {
  readonly title: string
  readonly description: string
  /** PromQL. */
  readonly expression: string
  /** Of each line, from its labels. */
  readonly legend: string
  /** As Grafana names it. */
  readonly unit: string
}

export const streamPanels: readonly StreamPanel[] = [
  {
    title: 'Processes by state',
    description: 'As `lake stream status` judges them: stuck, gone, failed and retrying want somebody.',
    expression: 'sum by (stage, state) (lakeshore_stage_processes)',
    legend: '{{stage}} {{state}}',
    unit: 'short',
  },
  {
    title: 'Messages per second',
    description: 'Written to the sink; of a producer, sent.',
    expression: 'sum by (stage) (rate(lakeshore_stage_messages_total[$__rate_interval]))',
    legend: '{{stage}}',
    unit: 'cps',
  },
  {
    title: 'Lag in time',
    description: 'For how long the oldest message that is not written has been in the log.',
    expression: 'max by (stage) (lakeshore_stage_lag_seconds)',
    legend: '{{stage}}',
    unit: 's',
  },
  {
    title: 'Lag in messages',
    description: 'Between the position of the sink and the end of the log, by partition.',
    expression: 'sum by (stage, partition) (lakeshore_stage_lag_messages)',
    legend: '{{stage}} {{partition}}',
    unit: 'short',
  },
  {
    title: 'Watermark behind now',
    description: 'Windows that end before the watermark take no event that is on time.',
    expression: 'max by (stage) (time() - lakeshore_stage_watermark_timestamp_seconds)',
    legend: '{{stage}}',
    unit: 's',
  },
  {
    title: 'Since the last commit',
    description: 'Of the process of a stage whose sink took a batch last.',
    expression: 'min by (stage) (time() - lakeshore_stage_last_commit_timestamp_seconds)',
    legend: '{{stage}}',
    unit: 's',
  },
  {
    title: 'Rejected share',
    description: `Of the messages of the last five minutes. An alert comes above ${usualRejectLimit * 100} %.`,
    expression:
      'sum by (stage) (rate(lakeshore_stage_rejected_total[5m])) / sum by (stage) (rate(lakeshore_stage_messages_total[5m]))',
    legend: '{{stage}}',
    unit: 'percentunit',
  },
  {
    title: 'Late events per second',
    description: 'Counted apart, in no window.',
    expression: 'sum by (stage) (rate(lakeshore_stage_late_total[$__rate_interval]))',
    legend: '{{stage}}',
    unit: 'cps',
  },
  {
    title: 'Memory',
    description: 'Resident, of each process.',
    expression: 'process_resident_memory_bytes',
    legend: '{{instance}}',
    unit: 'bytes',
  },
  {
    title: 'Bytes in flight',
    description: 'Read, and not written yet.',
    expression: 'sum by (stage) (lakeshore_stage_in_flight_bytes)',
    legend: '{{stage}}',
    unit: 'bytes',
  },
]

const datasource = chosenDatasource('prometheus')

/** The dashboard as the text of its file. */
export function streamsDashboard(): string {
  const dashboard = newDashboard('Lakehouse Streams', 'lakeshore-streams').withVariable(
    new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'),
  )
  for (const [at, panel] of streamPanels.entries()) {
    dashboard.withPanel(
      panelBuilder(panel)
        .id(at + 1)
        .gridPos({ x: (at % 2) * 12, y: Math.floor(at / 2) * 8, w: 12, h: 8 }),
    )
  }
  return dashboardText(dashboard)
}

function panelBuilder({ title, description, expression, legend, unit }: StreamPanel): TimeseriesBuilder {
  return new TimeseriesBuilder()
    .title(title)
    .description(description)
    .datasource(datasource)
    .withTarget(
      new DataqueryBuilder().refId('A').datasource(datasource).expr(expression).legendFormat(legend).range(),
    )
    .unit(unit)
    .min(0)
    .showPoints(VisibilityMode.Never)
    .lineWidth(2)
    .fillOpacity(8)
    .legend(legendBelow())
    .tooltip(tooltipOfAll())
}
