/**
 * Every table and view of the platform in ClickHouse. All times are UTC.
 *
 * `realtime.*` is appended and read with SUM; each row also says which offsets of which partition it covers.
 * `gold.*` mirrors gold in Delta and changes by whole months. `serving.*` changes by whole loads: a load has its
 * own rows of the months that changed with it, and one row of `serving.loads` says of which load each month is
 * shown, and so switches all views at once.
 */
import type { ColumnDeclaration, TableDeclaration, ViewDeclaration } from '../../lib/clickhouse/ddl.ts'
import { type GoldTable, goldColumnsOf, goldTableNames, metricOf } from '../model/gold.ts'
import { type JoinedView, joinedViews } from '../model/joined-view.ts'
import type { MetricColumnType } from '../model/metric-column.ts'

const column = (name: string, type: string): ColumnDeclaration => ({ name, type })

const second = "DateTime('UTC')"
const micro = "DateTime64(6, 'UTC')"
const window = [column('window_start', second), column('window_end', second)]

/**
 * Where a row of the speed layer comes from; `newest_event_time` is that of its partition up to `offset_to`, and
 * `last_offset` with `last_append_time` the last message before `offset_to`: they tell the log from one made anew.
 * `skipped` are offsets that retention took before they were counted, and that were accepted as lost.
 */
const place = [
  column('log_id', 'LowCardinality(String)'),
  column('kafka_partition', 'Int32'),
  column('offset_from', 'Int64'),
  column('offset_to', 'Int64'),
  column('newest_event_time', micro),
  column('inserted_at', micro),
  { ...column('last_offset', 'Int64'), default: '-1', isLater: true },
  { ...column('last_append_time', "DateTime64(3, 'UTC')"), default: '0', isLater: true },
  { ...column('skipped', 'Int64'), default: '0', isLater: true },
]

/** Inserts of one table whose tokens are remembered: hours of them, at one every two seconds and partition. */
const deduplicationWindow = 10_000

function realtimeTable(
  name: string,
  dimensions: readonly ColumnDeclaration[],
  measure: string,
): TableDeclaration {
  return {
    name: `realtime.${name}`,
    columns: [...window, ...dimensions, column(measure, 'UInt64'), ...place],
    engine: { kind: 'MergeTree' },
    // Not partitioned, and no TTL: an insert is then one part, and its offsets never go before its rows.
    orderBy: ['window_start', ...dimensions.map(({ name: dimension }) => dimension), 'kafka_partition'],
    settings: { non_replicated_deduplication_window: deduplicationWindow },
  }
}

const eventType = column('event_type', 'LowCardinality(String)')
const source = column('source', 'LowCardinality(String)')

export const realtimeTables = {
  events_per_minute: realtimeTable('events_per_minute', [eventType], 'event_count'),
  logins_per_source: realtimeTable('logins_per_source', [source], 'login_count'),
  purchases_per_minute: realtimeTable('purchases_per_minute', [], 'purchase_count'),
  late_events: realtimeTable('late_events', [eventType], 'event_count'),
} as const

export type RealtimeTable = keyof typeof realtimeTables

export const realtimeTableNames = Object.keys(realtimeTables) as readonly RealtimeTable[]

/** Names and types are those of ClickHouse. */
const clickHouseTypes: Readonly<Record<MetricColumnType, string>> = {
  date: 'Date',
  string: 'String',
  long: 'Int64',
  double: 'Float64',
  boolean: 'Bool',
}

function goldColumns(table: GoldTable): readonly ColumnDeclaration[] {
  return Object.entries(metricOf(table).columns).map(([name, { type, isLowCardinality }]) => {
    const plain = clickHouseTypes[type]
    return column(name, isLowCardinality === true ? `LowCardinality(${plain})` : plain)
  })
}

function goldTable(name: GoldTable): TableDeclaration {
  return {
    name: `gold.${name}`,
    columns: [...goldColumns(name), column('updated_at', second)],
    engine: { kind: 'ReplacingMergeTree', version: 'updated_at' },
    orderBy: metricOf(name).grain,
    // Replaced by whole months, so that a month's days change together and years of days stay few partitions.
    partitionBy: 'toYYYYMM(event_date)',
  }
}

export const goldTables = Object.fromEntries(
  goldTableNames.map((name) => [name, goldTable(name)]),
) as Readonly<Record<GoldTable, TableDeclaration>>

/** The rows of every load of a gold table; a view shows those that the current load names. */
function loadedTable(name: GoldTable): TableDeclaration {
  return {
    name: `serving.${name}_loads`,
    columns: [column('load_id', 'UInt64'), ...goldColumns(name)],
    engine: { kind: 'MergeTree' },
    orderBy: metricOf(name).grain,
    partitionBy: 'load_id',
  }
}

export const loadedTables = Object.fromEntries(
  goldTableNames.map((name) => [name, loadedTable(name)]),
) as Readonly<Record<GoldTable, TableDeclaration>>

/** One row a load; the row with the greatest `load_id` is what serving shows. */
export const loadsTable: TableDeclaration = {
  name: 'serving.loads',
  columns: [
    column('load_id', 'UInt64'),
    // The first UTC day that was not closed at the batch's pinned version: realtime answers from it on.
    column('boundary', 'Date'),
    // Delta version of each gold table: `{"gold/daily_active_users": 12}`.
    column('versions', 'String'),
    column('run_id', 'String'),
    column('loaded_at', micro),
    // Id of the Delta table behind each gold table.
    { ...column('tables', 'Map(String, String)'), isLater: true },
    // Identity of the Delta commit behind each version: a restore may bring another commit under its number.
    { ...column('commits', 'Map(String, String)'), isLater: true },
    // Gold table → month → the load whose rows of it are shown. A table that is not named has all in this load.
    { ...column('parts', 'Map(String, Map(UInt32, UInt64))'), isLater: true },
  ],
  engine: { kind: 'MergeTree' },
  orderBy: ['load_id'],
}

/** One value, so that a view never mixes two loads. */
const current = '(SELECT argMax((load_id, boundary, parts), load_id) FROM serving.loads) AS current'
const boundary = 'current.2'

const isShown = (name: GoldTable): string =>
  `load_id = if(mapContains(current.3, '${name}'), current.3['${name}'][toYYYYMM(event_date)], current.1)`

function goldView(name: GoldTable): ViewDeclaration {
  return {
    name: `serving.${name}`,
    select: `WITH ${current}
SELECT ${goldColumnsOf(name).join(', ')}, toBool(event_date >= ${boundary}) AS provisional
FROM serving.${name}_loads WHERE ${isShown(name)}`,
  }
}

/** Before the boundary gold counts, from it on realtime does: cut at the stored day, never by the clock. */
function joinedView({ name, measure, gold, realtime }: JoinedView): ViewDeclaration {
  return {
    name: `serving.${name}`,
    select: `WITH ${current}
SELECT event_date, toInt64(sum(${gold.column})) AS ${measure}, false AS provisional
FROM serving.${gold.table}_loads WHERE ${isShown(gold.table)} AND event_date < ${boundary}
GROUP BY event_date
UNION ALL
SELECT toDate(window_start, 'UTC') AS event_date, toInt64(sum(${realtime.column})) AS ${measure}, true AS provisional
FROM realtime.${realtime.table} WHERE toDate(window_start, 'UTC') >= ${boundary}
GROUP BY event_date HAVING ${measure} > 0`,
  }
}

export const servingViews: readonly ViewDeclaration[] = [
  ...goldTableNames.map(goldView),
  ...joinedViews.map(joinedView),
]
