/** Generates Grafana's dashboard from our list of panels. The SQL is the same; Grafana's plugin expands the macros. */
import { PanelBuilder as BarsBuilder } from '@grafana/grafana-foundation-sdk/barchart'
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
} from '@grafana/grafana-foundation-sdk/common'
import {
  DatasourceVariableBuilder,
  FieldColorBuilder,
  FieldColorModeId,
  type Panel as GrafanaPanel,
  type GridPos,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import type { Unit } from '../../pipeline/model/panel.ts'
import { type BarsPanel, type Panel, type StatPanel, type TimeseriesPanel, trendDays } from '../panels.ts'
import { chosenDatasource, dashboardText, legendBelow, newDashboard, tooltipOfAll } from './dashboard.ts'

/** The official plugin for ClickHouse. */
export const pluginId = 'grafana-clickhouse-datasource'
/** As `dashboards/provisioning` names the data source. */
export const datasourceUid = 'lakeshore-clickhouse'

const datasource = chosenDatasource(pluginId)

/** The plugin's own numbers. */
const formats = { timeseries: 0, table: 1 } as const

const rowOf: Readonly<Record<Panel['row'], { readonly y: number; readonly height: number }>> = {
  top: { y: 0, height: 6 },
  middle: { y: 6, height: 9 },
  bottom: { y: 15, height: 9 },
}

const unitOf: Readonly<Record<Unit, string>> = { count: 'locale', ratio: 'percentunit' }

/** The dashboard as the text of its file. */
export function grafanaDashboard(title: string, panels: readonly Panel[]): string {
  const dashboard = newDashboard(title, 'lakeshore-overview').withVariable(
    new DatasourceVariableBuilder('datasource')
      .label('ClickHouse')
      .type(pluginId)
      .current({ selected: true, text: 'ClickHouse', value: datasourceUid }),
  )
  for (const [at, panel] of panels.entries()) {
    dashboard.withPanel(
      panelBuilder(panel)
        .id(at + 1)
        .gridPos(placeOf(panel, panels)),
    )
  }
  return dashboardText(dashboard)
}

/** The panels of a row share its 24 columns. */
function placeOf(panel: Panel, panels: readonly Panel[]): GridPos {
  const neighbours = panels.filter(({ row }) => row === panel.row)
  // Whole columns: five panels are 4 wide each.
  const width = Math.max(1, Math.floor(24 / neighbours.length))
  const { y, height } = rowOf[panel.row]
  return { x: neighbours.indexOf(panel) * width, y, w: width, h: height }
}

type PanelBuilder = Builder<GrafanaPanel> & {
  id(id: number): PanelBuilder
  gridPos(place: GridPos): PanelBuilder
}

function panelBuilder(panel: Panel): PanelBuilder {
  switch (panel.kind) {
    case 'stat':
      return statBuilder(panel)
    case 'timeseries':
      return timeseriesBuilder(panel)
    case 'bars':
      return barsBuilder(panel)
  }
}

function target(panel: Panel): Builder<Dataquery> {
  const queryType = panel.kind === 'timeseries' ? 'timeseries' : 'table'
  const query = {
    refId: 'A',
    datasource,
    editorType: 'sql',
    queryType,
    format: formats[queryType],
    rawSql: panel.sql,
    _implementsDataqueryVariant: () => undefined,
  }
  return { build: () => query }
}

const fixedColor = (color: string): FieldColorBuilder =>
  new FieldColorBuilder().mode(FieldColorModeId.Fixed).fixedColor(color)

function statBuilder(panel: StatPanel): StatBuilder {
  return (
    new StatBuilder()
      .title(panel.title)
      .description(panel.description)
      .datasource(datasource)
      .withTarget(target(panel))
      .unit(unitOf[panel.unit])
      .colorScheme(fixedColor('blue'))
      .colorMode(BigValueColorMode.Value)
      .graphMode(BigValueGraphMode.Area)
      .reduceOptions(
        new ReduceDataOptionsBuilder()
          .calcs(['lastNotNull'])
          .fields(`/^(${panel.value}|provisional)$/`)
          .values(false),
      )
      // Days are older than what the dashboard looks back: without a time of its own the panel would show no trend.
      .timeFrom(`${trendDays}d`)
      .hideTimeOverride(true)
      .overrideByName('provisional', [{ id: 'mappings', value: provisionalMappings }])
      .noValue('The first batch has not run')
  )
}

/** Some versions of the plugin give truth values as numbers. */
const provisionalMappings = [
  {
    type: 'value',
    options: Object.fromEntries(
      [
        ['true', '1', 'provisional', 'orange'],
        ['false', '0', 'final', 'text'],
      ].flatMap(([truth = '', number = '', text, color]) => [
        [truth, { text, color }],
        [number, { text, color }],
      ]),
    ),
  },
]

function timeseriesBuilder(panel: TimeseriesPanel): TimeseriesBuilder {
  const builder = new TimeseriesBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(datasource)
    .withTarget(target(panel))
    .unit(unitOf[panel.unit])
    .min(0)
    .interval('1m')
    .showPoints(VisibilityMode.Never)
    .legend(legendBelow())
    .tooltip(tooltipOfAll())
    .noValue('No events in this time')
  return panel.style === 'stacked'
    ? builder.drawStyle(GraphDrawStyle.Bars).fillOpacity(80).lineWidth(0).stacking(stacked)
    : builder.drawStyle(GraphDrawStyle.Line).fillOpacity(8).lineWidth(2)
}

const stacked = { build: () => ({ mode: StackingMode.Normal, group: 'A' }) }

const closedName = 'closed'

function barsBuilder(panel: BarsPanel): BarsBuilder {
  return (
    new BarsBuilder()
      .title(panel.title)
      .description(panel.description)
      .datasource(datasource)
      .withTarget(target(panel))
      // What is closed and what is provisional stand on each other.
      .withTransformation({
        id: 'calculateField',
        options: {
          mode: 'binary',
          alias: closedName,
          binary: { left: panel.value, operator: '-', right: panel.provisional },
          replaceFields: false,
        },
      })
      .withTransformation({
        id: 'organize',
        options: {
          excludeByName: { [panel.value]: true },
          indexByName: { [panel.label]: 0, [closedName]: 1, [panel.provisional]: 2 },
          renameByName: { [panel.provisional]: 'provisional' },
        },
      })
      .stacking(StackingMode.Normal)
      .overrideByName('provisional', [
        { id: 'color', value: { mode: FieldColorModeId.Fixed, fixedColor: 'orange' } },
      ])
      .unit(unitOf[panel.unit])
      .colorScheme(fixedColor('blue'))
      .xField(panel.label)
      .orientation(VizOrientation.Horizontal)
      .showValue(VisibilityMode.Auto)
      .fillOpacity(80)
      .legend(
        new VizLegendOptionsBuilder()
          .displayMode(LegendDisplayMode.Hidden)
          .placement(LegendPlacement.Bottom)
          .showLegend(false),
      )
      .noValue('The first batch has not run')
  )
}
