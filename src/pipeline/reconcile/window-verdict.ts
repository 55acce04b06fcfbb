/** The verdict over one table of the speed layer, and the messages behind it: both are read from the same relations. */

import type { IoOptions } from '../../lib/base/io.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import type { DayRange } from '../model/days.ts'
import { aggregates, isCountedType } from '../realtime/windows.ts'
import type { RealtimeTable } from '../serving/tables.ts'
import type { ComparedLog } from './compared-log.ts'

const dimensionOf = (table: RealtimeTable): string => aggregates[table].dimension ?? `''`

export interface CountedOptions extends IoOptions {
  readonly log: ComparedLog
  readonly days: DayRange | undefined
}

/** Makes the temporary table `counted_windows`: what ClickHouse has counted before the cut, by window and dimension. */
export async function createCountedWindows(
  session: DuckDbSession,
  clickhouse: ClickHouse,
  table: RealtimeTable,
  { log, days, signal }: CountedOptions,
): Promise<void> {
  const { dimension, measure } = aggregates[table]
  const before = [...log.partitions].map(
    ([partition, { cut }]) => `(kafka_partition = ${partition} AND offset_to <= ${cut})`,
  )
  const ofDays =
    days === undefined
      ? ''
      : `AND window_start >= toDateTime('${days.from} 00:00:00', 'UTC') AND window_start < toDateTime('${days.to} 00:00:00', 'UTC')`
  const rows = await clickhouse.query<{ w: number; d: string; n: number | bigint }>(
    `SELECT toUnixTimestamp(window_start) AS w, ${dimension ?? `''`} AS d, sum(${measure}) AS n
     FROM realtime.${table} WHERE log_id = {log:String} AND (${before.join(' OR ') || 'false'}) ${ofDays}
     GROUP BY w, d HAVING n > 0`,
    { params: { log: log.logId }, signal },
  )
  await session.run(
    'create or replace temporary table counted_windows (window_start timestamptz, dimension varchar, n bigint)',
    { signal },
  )
  for (let at = 0; at < rows.length; at += 10_000) {
    const values = rows.slice(at, at + 10_000).map(({ w, d, n }) => `(to_timestamp(${w}), ${text(d)}, ${n})`)
    await session.run(`insert into counted_windows values ${values.join(', ')}`, { signal })
  }
}

/** What the table's own micro-batch, which lies across the cut, has counted of the messages before it. */
function countedAcross(table: RealtimeTable, { partitions }: ComparedLog): string {
  const ranges = [...partitions].map(
    ([partition, { whole, cut }]) =>
      `(kafka_partition = ${partition} and kafka_offset >= ${whole.get(table) ?? cut})`,
  )
  return `select window_start, ${dimensionOf(table)} as dimension, count(*) as n from judged_messages
    where (${ranges.join(' or ') || 'false'}) and is_valid and not is_skipped
      and is_late = ${aggregates[table].isLate} and ${isCountedType(table)}
    group by all`
}

/** A SELECT of what the table has counted before the cut, by UTC day. */
export function countedByDay(table: RealtimeTable, log: ComparedLog): string {
  return `
select strftime(window_start, '%Y-%m-%d') as day, sum(n)::bigint as n
from (select window_start, n from counted_windows
  union all select window_start, n from (${countedAcross(table, log)}))
group by day`
}

/** A SELECT of the windows in which the layers differ, with the number of messages of each class. */
export function verdict(table: RealtimeTable, log: ComparedLog): string {
  const { isLate } = aggregates[table]
  const dimension = dimensionOf(table)
  return `
with sides as (
  select window_start, ${dimension} as dimension, 0 as realtime, ${isLate ? 'late' : 'silver'} as batch,
    ${isLate ? '0' : 'late'} as late, ${isLate ? '0' : 'skipped'} as skipped, 0 as duplicate, 0 as quarantined
  from silver_windows where ${isCountedType(table)}
  union all
  select window_start, ${dimension}, 0, 0, 0, 0, (class = 'duplicate')::int, (class = 'quarantined')::int
  from judged_messages
  where is_valid and is_late = ${isLate} and class in ('duplicate', 'quarantined') and ${isCountedType(table)}
  union all
  select window_start, dimension, n, 0, 0, 0, 0, 0 from counted_windows
  union all
  select window_start, dimension, n, 0, 0, 0, 0, 0 from (${countedAcross(table, log)})
),
windows as (
  select window_start, dimension, sum(realtime)::bigint as realtime, sum(batch)::bigint as batch,
    sum(late)::bigint as late, sum(skipped)::bigint as skipped, sum(duplicate)::bigint as duplicate,
    sum(quarantined)::bigint as quarantined
  from sides group by all
)
select strftime(window_start, '%Y-%m-%dT%H:%M:%SZ') as "window", *,
  realtime - (batch - late - skipped + duplicate + quarantined) as unexplained
from windows
where late > 0 or skipped > 0 or duplicate > 0 or quarantined > 0 or unexplained <> 0
order by window_start, dimension`
}

/** A SELECT of the messages behind the verdict, so many of each window and dimension. */
export function messagesBehind(table: RealtimeTable, limit: number): string {
  const { isLate } = aggregates[table]
  return `
select strftime(window_start, '%Y-%m-%dT%H:%M:%SZ') as "window", ${dimensionOf(table)} as dimension, class,
  kafka_partition as "partition", kafka_offset as "offset", event_id
from judged_messages
where ${isCountedType(table)} and (
  (class = 'late' and not ${isLate})
  or (class in ('duplicate', 'quarantined', 'missing') and is_valid and is_late = ${isLate})
  or class = 'skipped')
qualify row_number() over (partition by window_start, dimension order by class = 'missing' desc, kafka_partition, kafka_offset) <= ${limit}
order by window_start, dimension, kafka_partition, kafka_offset`
}
