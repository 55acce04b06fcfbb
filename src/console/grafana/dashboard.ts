/** What all of Grafana's dashboards share. */
import {
  type DataSourceRef,
  LegendDisplayMode,
  LegendPlacement,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'

// Its successor writes a schema that Grafana 10 and 11 do not read.
// eslint-disable-next-line @typescript-eslint/no-deprecated
type Dashboard = DashboardBuilder

/** Of Grafana 10.2; later ones migrate it. */
const schemaVersion = 38

/** The last hour, read again every ten seconds. */
export function newDashboard(title: string, uid: string): Dashboard {
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return new DashboardBuilder(title)
    .uid(uid)
    .tags(['lakeshore'])
    .timezone('utc')
    .time({ from: 'now-1h', to: 'now' })
    .refresh('10s')
}

/** The text of its file. */
export function dashboardText(dashboard: Dashboard): string {
  return `${JSON.stringify({ ...dashboard.build(), schemaVersion }, null, 2)}\n`
}

/** The data source that a reader chooses above the dashboard. */
export const chosenDatasource = (type: string): DataSourceRef => ({ type, uid: `\${datasource}` })

/** Of lines over time. */
export const legendBelow = (): VizLegendOptionsBuilder =>
  new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .showLegend(true)

export const tooltipOfAll = (): VizTooltipOptionsBuilder =>
  new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi)
