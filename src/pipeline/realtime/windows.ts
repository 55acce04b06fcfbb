/**
 * Windows over a micro-batch, as SQL for DuckDB, by the rules of `model/time-rules.ts`.
 *
 * Whether an event is late is a pure function of the log: a replay with other batches gives the same answer for
 * each event. Only valid events count, and only they move the watermark; duplicates do both.
 */
import type { EventType } from '../model/event.ts'
import { isValid } from '../model/event-rules.ts'
import { watermarkDelaySeconds, windowSeconds } from '../model/time-rules.ts'
import type { RealtimeTable } from '../serving/tables.ts'

const microsecondsPerSecond = 1_000_000
const windowUs = windowSeconds * microsecondsPerSecond

/**
 * A SELECT of the valid events in `parsed` with `window_start`, in seconds since 1970, and `is_late`.
 *
 * Times are compared as numbers: DuckDB asks the time zones when it adds an interval to an instant. No valid event is from
 * before 1970, so the whole-number division rounds down.
 *
 * @param parsed A table of `parsedMessages`. Not the SELECT itself: DuckDB would compute the parse once for the columns, and
 * once more for the conditions on them.
 * @param watermarks A relation (`kafka_partition`, `newest_event_time`): what was read before this batch.
 */
export function windowedEvents(parsed: string, watermarks: string): string {
  return `
select event.kafka_partition, event.kafka_offset, event_type, source, "timestamp",
  event_us // ${windowUs} * ${windowSeconds} as window_start,
  coalesce(
    (event_us // ${windowUs} + 1) * ${windowUs}
      <= greatest(
           epoch_us(watermark.newest_event_time),
           max(event_us) over (
             partition by event.kafka_partition order by event.kafka_offset
             rows between unbounded preceding and 1 preceding))
         - ${watermarkDelaySeconds * microsecondsPerSecond},
    false) as is_late
from (
  select kafka_partition, kafka_offset, event_type, source, "timestamp", epoch_us("timestamp") as event_us
  from ${parsed} where is_event and ${isValid}
) as event
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
select event.kafka_partition as kafka_partition, window_start${columns}, count(*) as n
from ${events} as event join ${starts} as start on start.kafka_partition = event.kafka_partition
where kafka_offset >= start.offset_from and is_late = ${isLate} and ${isCountedType(table)}
group by all order by all`
}
