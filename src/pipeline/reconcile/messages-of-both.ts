/**
 * Each message that both layers have read, judged by the rules of both: is it late, is it in silver, in quarantine, or
 * a further delivery? Of the millions that are simply on time and in silver, only their number by window is kept.
 */

import type { IoOptions } from '../../lib/base/io.ts'
import type { AddFile, Snapshot } from '../../lib/delta/index.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import type { DayRange } from '../model/days.ts'
import { isValid } from '../model/event-rules.ts'
import { watermarkDelaySeconds, windowSeconds } from '../model/time-rules.ts'
import type { BooksContext } from './books.ts'
import type { ComparedLog } from './compared-log.ts'
import type { Cut } from './cut.ts'
import { createRowsView } from './rows-of.ts'

export interface MessagesOptions extends IoOptions {
  readonly days: DayRange | undefined
}

/**
 * Makes two temporary tables. `silver_windows`: by window, event type and source, how many rows of silver there are,
 * and how many of them are late. `judged_messages`: each message that is late, or not in silver, or in a micro-batch
 * that lies across the cut, with its `class`.
 */
export async function createMessagesOfBothLayers(
  context: BooksContext,
  session: DuckDbSession,
  cut: Cut,
  log: ComparedLog,
  { days, signal }: MessagesOptions,
): Promise<void> {
  const where = isCompared(log)
  const ofDays = (snapshot: Snapshot): readonly AddFile[] => filesOfRange(snapshot, days)
  // An event of a later day may have made one of these days late.
  const sinceFirstDay = days && { from: days.from, to: '9999-99-99' }
  for (const [view, table, snapshot, files] of [
    ['compared_bronze', 'bronze/events', cut.events, filesOfRange(cut.events, sinceFirstDay)],
    ['compared_silver', 'silver/events', cut.silver, ofDays(cut.silver)],
    ['compared_quarantine', 'silver/quarantine', cut.quarantine, ofDays(cut.quarantine)],
  ] as const) {
    await createRowsView(context, session, view, table, snapshot, { files, where, signal })
  }
  await session.run(windowsOf(log, days), { signal })
  await session.run(judgedMessages, { signal })
  await session.run(silverWindows, { signal })
}

function filesOfRange(snapshot: Snapshot, days: DayRange | undefined): readonly AddFile[] {
  if (days === undefined) return snapshot.files
  const dayOf = snapshot.partitionValue('event_date')
  return snapshot.files.filter((file) => {
    const day = dayOf(file) ?? ''
    return day >= days.from && day < days.to
  })
}

function isCompared({ isOfLog, partitions }: ComparedLog): string {
  const ranges = [...partitions].map(
    ([partition, { first, cut }]) =>
      `(kafka_partition = ${partition} and kafka_offset >= ${first} and kafka_offset < ${cut})`,
  )
  return `${isOfLog} and (${ranges.join(' or ') || 'false'})`
}

function isSkipped({ partitions }: ComparedLog): string {
  const ranges = [...partitions].flatMap(([partition, { skipped }]) =>
    skipped.map(
      ({ from, to }) =>
        `(kafka_partition = ${partition} and kafka_offset >= ${from} and kafka_offset < ${to})`,
    ),
  )
  return ranges.length === 0 ? 'false' : `(${ranges.join(' or ')})`
}

/** In a micro-batch of some table that lies across the cut. */
function isAcross({ partitions }: ComparedLog): string {
  const ranges = [...partitions].map(([partition, { whole, cut }]) => {
    const from = [...whole.values()].reduce((least, each) => (each < least ? each : least), cut)
    return `(kafka_partition = ${partition} and kafka_offset >= ${from})`
  })
  return `(${ranges.join(' or ') || 'false'})`
}

const windowOf = (time: string): string => `time_bucket(interval '${windowSeconds} seconds', ${time})`

const windowsOf = (log: ComparedLog, days: DayRange | undefined): string => `
create or replace temporary table compared_windows as
with bronze as (
  select kafka_partition, kafka_offset, event_date, event_id, event_type, source, "timestamp",
    ${isValid} as is_valid, ${isSkipped(log)} as is_skipped
  from compared_bronze
),
-- The newest event time that the speed layer had read of the partition before this message.
watermarked as (
  select *, max("timestamp") filter (where is_valid and not is_skipped) over (
    partition by kafka_partition order by kafka_offset
    rows between unbounded preceding and 1 preceding) as newest_before
  from bronze
),
judged as (
  select kafka_partition, kafka_offset, event_date, event_id, event_type, source, is_valid, is_skipped,
    ${windowOf('"timestamp"')} as window_start,
    coalesce(${windowOf('"timestamp"')} + interval '${windowSeconds} seconds'
      <= newest_before - interval '${watermarkDelaySeconds} seconds', false) as is_late
  from watermarked
  ${days === undefined ? '' : `where event_date >= date '${days.from}' and event_date < date '${days.to}'`}
),
made as (
  select kafka_partition, kafka_offset, event_type, source, ${windowOf('"timestamp"')} as window_start,
    true as is_silver
  from compared_silver
  union all
  select kafka_partition, kafka_offset, event_type, source, ${windowOf('"timestamp"')}, false
  from compared_quarantine
)
select
  case when is_silver then made.window_start else judged.window_start end as window_start,
  case when is_silver then made.event_type else judged.event_type end as event_type,
  case when is_silver then made.source else judged.source end as source,
  count(*) filter (where is_silver) as silver,
  list({
    kafka_partition: kafka_partition, kafka_offset: kafka_offset, event_date: event_date, event_id: event_id,
    is_valid: coalesce(is_valid, true), is_late: coalesce(is_late, false), is_skipped: coalesce(is_skipped, false),
    is_silver: coalesce(is_silver, false), is_quarantined: coalesce(not is_silver, false)
  }) filter (
    where is_late is distinct from false or is_silver is distinct from true or is_skipped or ${isAcross(log)}
  ) as messages
from judged full join made using (kafka_partition, kafka_offset)
where is_valid is distinct from false or is_silver
group by all`

const judgedMessages = `
create or replace temporary table judged_messages as
with messages as (
  select window_start, event_type, source, unnest(messages, recursive := true) from compared_windows
)
select *, case
    when is_skipped then 'skipped'
    when is_silver then case when is_late then 'late' else 'on time' end
    when is_quarantined then 'quarantined'
    when exists (
      from compared_silver as kept
      where kept.event_date = messages.event_date and kept.event_id = messages.event_id) then 'duplicate'
    else 'missing' end as class
from messages`

const silverWindows = `
create or replace temporary table silver_windows as
select window_start, event_type, source, sum(silver)::bigint as silver, sum(late)::bigint as late,
  sum(skipped)::bigint as skipped
from (
  select window_start, event_type, source, silver, 0 as late, 0 as skipped from compared_windows
  union all
  select window_start, event_type, source, 0, count(*) filter (where class = 'late'),
    count(*) filter (where class = 'skipped' and is_silver)
  from judged_messages group by all)
group by all`

const noLog: ComparedLog = { logId: '', topic: '', partitions: new Map(), isOfLog: 'true' }

/** The text of the rules: what was found by others must be looked at again. */
export const windowRules = [windowsOf(noLog, undefined), judgedMessages, silverWindows].join('\n')
