/**
 * From message to row: which messages are events, and which events are valid. This is the only place that says so,
 * as one SQL text that landing, the speed layer and the batch share.
 *
 * A message is an event if its bytes state all six fields and nothing must be invented. Otherwise it is *rejected*
 * and keeps its bytes. An event that breaks a business rule is *quarantined*, not rejected.
 */
import { eventFields, eventTypes, sources } from './event.ts'
import { futureLimitMinutes } from './time-rules.ts'
import { unknownFieldsSql } from './unknown-fields.ts'

const textFields = ['event_id', 'event_type', 'page', 'timestamp', 'source'] as const
/** Position in the lists that are read from a document in one pass, from 1. */
const position = Object.fromEntries(eventFields.map((name, at) => [name, at + 1])) as Record<
  (typeof eventFields)[number],
  number
>
const paths = `[${eventFields.map((name) => `'$.${name}'`).join(', ')}]`

const isoTimestamp =
  '^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\\.([0-9]+))?)?(?:(Z)|([+-])([0-9]{2})(?::([0-9]{2}))?)?$'

/** The form that nearly every producer writes, which DuckDB's own cast reads as the rules here do: it is the cheaper way. */
const commonTimestamp =
  '(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?Z?'

export interface ParseOptions {
  /** Adds `unknown_fields`, as `unknownFieldsSql` says. */
  readonly hasUnknownFields?: boolean
}

/**
 * A SELECT with one row for each row of `messages`, whose columns are `kafka_partition`, `kafka_offset`,
 * `kafka_timestamp` and `value` (a BLOB, null for a message without a value).
 *
 * It adds the six fields, `event_date`, `is_event`, and `reject_reasons`, which is empty for an event. If a message
 * is not an event, its fields are null; if it is one, its `value` is. DuckDB's dialect: raw bytes are parsed by DuckDB
 * alone.
 */
export function parsedMessages(messages: string, { hasUnknownFields = false }: ParseOptions = {}): string {
  return `
with
-- The bytes as text; null if they are not UTF-8.
decoded as (
  select *, try(decode(value)) as document
  from ${messages}
),
-- Whether the text is JSON: a step of its own, for the functions below fail on what is not.
json as (
  select *, case when document is null then false else json_valid(document) end as is_json
  from decoded
),
-- The six fields in one pass over the text: the JSON type of each, and its text. All null if it is not an object.
typed as (
  select *,
    case when is_json then json_type(document, ${paths}) end as types,
    case when is_json then json_extract_string(document, ${paths}) end as fields
  from json
),
-- user_id as a whole number; null if it is none. 7.0 is 7, and 12.7 is no whole number.
numbered as (
  select *,
    case types[${position.user_id}]
      when 'UBIGINT' then try_cast(fields[${position.user_id}] as bigint)
      when 'BIGINT' then try_cast(fields[${position.user_id}] as bigint)
      when 'DOUBLE' then
        case when regexp_full_match(fields[${position.user_id}], '-?[0-9]{1,15}\\.0')
             then try_cast(replace(fields[${position.user_id}], '.0', '') as bigint) end
    end as user_number
  from typed
),
-- Whether the timestamp has the common form; null if it is no text.
timed as (
  select *,
    case when types[${position.timestamp}] = 'VARCHAR'
         then regexp_full_match(fields[${position.timestamp}], '${commonTimestamp}') end as has_common_time
  from numbered
),
-- The parts of a timestamp of another form; empty texts if it is not ISO 8601.
timestamp_parts as (
  select *,
    case when not has_common_time then
      regexp_extract(fields[${position.timestamp}], '${isoTimestamp}',
        ['date', 'hour', 'minute', 'second', 'fraction', 'utc', 'sign', 'zone_hour', 'zone_minute'])
    end as iso
  from timed
),
-- The timestamp as an instant in UTC, cut to the microsecond; null if there is no such time of day or zone.
-- DuckDB may move a cast of a field of iso below its CASE, where it meets empty texts: hence try_cast.
any_instants as (
  select *,
    case when has_common_time then try_cast(fields[${position.timestamp}] as timestamp)
      when iso.date >= '0001' and iso.hour <= '23' and iso.zone_hour <= '23' and iso.zone_minute <= '59' then
      try_cast(iso.date || ' ' || iso.hour || ':' || iso.minute || ':'
        || case when iso.second = '' then '00' else iso.second end
        || '.' || left(rpad(iso.fraction, 6, '0'), 6) as timestamp)
      - to_minutes(case when iso.zone_hour = '' then 0 else
          (case iso.sign when '-' then -1 else 1 end)
          * (try_cast(iso.zone_hour as integer) * 60
             + case when iso.zone_minute = '' then 0 else try_cast(iso.zone_minute as integer) end) end)
    end as any_instant
  from timestamp_parts
),
-- Instants of the years 0001 to 9999, also after the zone was taken into account.
instants as (
  select *,
    case when any_instant between timestamp '0001-01-01 00:00:00' and timestamp '9999-12-31 23:59:59.999999'
         then any_instant end as instant
  from any_instants
),
judged as (
  select *,
    coalesce(${textFields.map((name) => `types[${position[name]}] = 'VARCHAR'`).join(' and ')}, false)
      and user_number is not null and instant is not null as is_event
  from instants
),
-- Whether the text is a JSON object: asked of what is no event.
objects as (
  select *, case when is_event then true when is_json then json_type(document) = 'OBJECT' else false end as is_object
  from judged
),
-- Why a message is not an event: one reason for the message as a whole, and one for each field.
reasons as (
  select *,
    case when is_event then cast([] as varchar[]) else list_filter([
      case when value is null then 'value_missing'
           when octet_length(value) = 0 then 'value_empty'
           when document is null then 'utf8_invalid'
           when not is_json then 'json_invalid'
           when not is_object then 'json_not_object' end,
      ${textFields.map((name) => textReason(name)).join(',\n      ')},
      case when not is_object then null
           when ${missing('user_id')} then 'user_id_missing'
           when user_number is null then 'user_id_not_whole_number' end,
      case when is_object and types[${position.timestamp}] = 'VARCHAR' and instant is null
           then 'timestamp_not_iso_8601' end
    ], lambda reason: reason is not null) end as reject_reasons
  from objects
)
select kafka_partition, kafka_offset, kafka_timestamp, reject_reasons, is_event,
  case when not is_event then value end as value,
  case when is_event then fields[${position.event_id}] end as event_id,
  case when is_event then user_number end as user_id,
  case when is_event then fields[${position.event_type}] end as event_type,
  case when is_event then fields[${position.page}] end as page,
  case when is_event then make_timestamptz(epoch_us(instant)) end as "timestamp",
  case when is_event then fields[${position.source}] end as source,
  case when is_event then cast(instant as date) end as event_date${hasUnknownFields ? `,\n  ${unknownFieldsSql} as unknown_fields` : ''}
from reasons`
}

function missing(name: keyof typeof position): string {
  return `coalesce(types[${position[name]}], 'NULL') = 'NULL'`
}

function textReason(name: (typeof textFields)[number]): string {
  return `case when not is_object then null
           when ${missing(name)} then '${name}_missing'
           when types[${position[name]}] <> 'VARCHAR' then '${name}_not_text' end`
}

/** What makes an event not valid. Each rule says what null is: none leaves that to SQL. */
export interface EventRule {
  /** As `silver/quarantine` has it. */
  readonly reason: string
  /** A condition over the columns of `bronze/events` that is true of an event that breaks the rule. */
  readonly sql: string
  /** Whether the rule is broken if a value that it reads is null, so that the condition is null too. */
  readonly nulls: 'break' | 'hold'
}

/** Columns without which an event says nothing, or not when: landing writes them all. */
const requiredColumns = [...eventFields, 'event_date', 'kafka_timestamp'] as const

const quoted = (values: readonly string[]): string => values.map((value) => `'${value}'`).join(', ')

/** Of a value that is null its own rule says that it is missing; the others have nothing to say of it. */
export const eventRules: readonly EventRule[] = [
  ...requiredColumns.map(
    (column): EventRule => ({ reason: `${column}_missing`, sql: `${column} is null`, nulls: 'break' }),
  ),
  { reason: 'event_id_empty', sql: `event_id = ''`, nulls: 'hold' },
  { reason: 'user_id_not_positive', sql: 'user_id <= 0', nulls: 'hold' },
  { reason: 'event_type_unknown', sql: `event_type not in (${quoted(eventTypes)})`, nulls: 'hold' },
  { reason: 'page_empty', sql: `page = ''`, nulls: 'hold' },
  { reason: 'source_unknown', sql: `source not in (${quoted(sources)})`, nulls: 'hold' },
  {
    reason: 'timestamp_before_1970',
    sql: `timestamp < timestamp '1970-01-01 00:00:00+00'`,
    nulls: 'hold',
  },
  {
    reason: 'timestamp_in_future',
    // The first half is true of few rows: adding an interval to an instant takes more time than all other rules.
    sql: `timestamp > kafka_timestamp and timestamp > kafka_timestamp + interval '${futureLimitMinutes}' minute`,
    nulls: 'hold',
  },
]

function isBrokenBy({ sql, nulls }: EventRule): string {
  return `coalesce(${sql}, ${nulls === 'break'})`
}

/**
 * An SQL expression over the columns of `bronze/events`: the reasons why a row is not valid, comma-separated,
 * the empty text for a valid one. Never null. In the dialect that DuckDB and Spark share.
 */
export const invalidReasons = `concat_ws(',',
  ${eventRules.map((rule) => `case when ${isBrokenBy(rule)} then '${rule.reason}' end`).join(',\n  ')}
)`

/** A condition that is true of a row without a reason, and false of any other: never null. */
export const isValid = `(${eventRules.map((rule) => `not ${isBrokenBy(rule)}`).join('\n  and ')})`
