/**
 * Windows over a micro-batch, as SQL for DuckDB, by the rules of `model/time-rules.ts`.
 *
 * Whether an event is late is a pure function of the log: a replay with other batches gives the same answer for
 * each event. Only valid events count, and only they move the watermark; duplicates do both.
 */
import type { EventType } from '../model/event.ts'
import { isValid, parsedMessages } from '../model/event-rules.ts'
import { watermarkDelaySeconds, windowSeconds } from '../model/time-rules.ts'
import type { RealtimeTable } from '../serving/tables.ts'

/**
 * A SELECT of the valid events in `messages` with `window_start` and `is_late`.
 *
 * @param watermarks A relation (`kafka_partition`, `newest_event_time`): what was read before this batch.
 */
export function windowedEvents(messages: string, watermarks: string): string {
  return `
select event.kafka_partition, event.kafka_offset, event_type, source, "timestamp",
  time_bucket(interval '${windowSeconds} seconds', "timestamp") as window_start,
  coalesce(
    time_bucket(interval '${windowSeconds} seconds', "timestamp") + interval '${windowSeconds} seconds'
      <= greatest(
           watermark.newest_event_time,
           max("timestamp") over (
             partition by event.kafka_partition order by event.kafka_offset
             rows between unbounded preceding and 1 preceding))
         - interval '${watermarkDelaySeconds} seconds',
    false) as is_late
from (select * from (${parsedMessages(messages)}) where is_event and ${isValid}) as event
left join ${watermarks} as watermark on watermark.kafka_partition = event.kafka_partition`
}

interface Aggregate {
  readonly dimension: 'event_type' | 'source' | undefined
  readonly measure: string
  /** Whether it counts the events that came late, or those that came on time. */
  readonly isLate: boolean
  /** The only type of event that it counts; all types without it. */
  readonly eventType?: EventType
}

/** What each table of the speed layer counts. */
export const aggregates: Readonly<Record<RealtimeTable, Aggregate>> = {
  events_per_minute: { dimension: 'event_type', measure: 'event_count', isLate: false },
  logins_per_source: {
    dimension: 'source',
    measure: 'login_count',
    isLate: false,
    eventType: 'login',
  },
  purchases_per_minute: {
    dimension: undefined,
    measure: 'purchase_count',
    isLate: false,
    eventType: 'purchase',
  },
  late_events: { dimension: 'event_type', measure: 'event_count', isLate: true },
}

/** An SQL condition: the table counts events of this type. */
export function isCountedType(table: RealtimeTable): string {
  const { eventType } = aggregates[table]
  return eventType === undefined ? 'true' : `event_type = '${eventType}'`
}

/** A SELECT of the counts of one table over `events`, leaving out offsets below each partition's `from`. */
export function countsOf(table: RealtimeTable, events: string, starts: string): string {
  const { dimension, isLate } = aggregates[table]
  const columns = dimension === undefined ? '' : `, ${dimension} as dimension`
  return `
select event.kafka_partition as kafka_partition, epoch(window_start)::bigint as window_start${columns}, count(*) as n
from ${events} as event join ${starts} as start on start.kafka_partition = event.kafka_partition
where kafka_offset >= start.offset_from and is_late = ${isLate} and ${isCountedType(table)}
group by all order by all`
}
