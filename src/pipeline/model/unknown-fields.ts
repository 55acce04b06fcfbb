/**
 * Fields of events that the platform does not know: how they are found while messages are parsed, and how a commit of
 * landing says which it has met.
 *
 * The common case costs no parse: an event that is exactly as long as its six fields has room for no other.
 */
import { formatJson, type JsonValue, parseJson } from '../../lib/base/json.ts'
import type { CommitInfo } from '../../lib/delta/index.ts'
import { eventFields } from './event.ts'

/** Bytes of the shortest event, without its values. */
const frameBytes =
  JSON.stringify(Object.fromEntries(eventFields.map((name) => [name, '']))).length - '""'.length

/**
 * SQL over the rows that `parsedMessages` judges: the fields that it does not know as a text in JSON, null if there are
 * none or the message is no event. Escapes and blanks make an event longer, never shorter.
 */
export const unknownFieldsSql = `case when octet_length(value) > ${frameBytes}
      + strlen(array_to_string(fields, ''))
    then case when is_event and len(json_keys(document)) > ${eventFields.length} then nullif(cast(json_merge_patch(document, '${JSON.stringify(Object.fromEntries(eventFields.map((name) => [name, null])))}') as varchar), '{}') end end`

/** A field with values of one type, in some of the events. */
export interface UnknownField {
  readonly field: string
  /** As DuckDB names types of JSON: `VARCHAR`, `UBIGINT`, `OBJECT`. */
  readonly type: string
  readonly count: number
  /** When the log appended the first and the last of them. */
  readonly firstMs: number
  readonly lastMs: number
  /** Where one of them is. */
  readonly partition: number
  readonly offset: bigint
}

/** A commit names so many: fields whose names are data, such as ids, must not fill the log of the table. */
export const mostUnknownFields = 50

/** Of the table `parsed`, with `unknown_fields`: the most frequent first. */
export const countUnknownFields = (parsed: string): string => `
select field.key as field, field.type as type, count(*) as n,
  epoch_ms(min(kafka_timestamp)) as first_ms, epoch_ms(max(kafka_timestamp)) as last_ms,
  arg_max(kafka_partition, (kafka_timestamp, kafka_partition, kafka_offset)) as p,
  arg_max(kafka_offset, (kafka_timestamp, kafka_partition, kafka_offset)) as o
from (from ${parsed} where unknown_fields is not null) as event, json_each(event.unknown_fields) as field
group by field.key, field.type order by n desc, field, type limit ${mostUnknownFields}`

/** Parameters of a commit of landing that met unknown fields. */
export function unknownFieldsParameters(fields: readonly UnknownField[]): Readonly<Record<string, string>> {
  return fields.length === 0 ? {} : { unknownFields: formatJson(fields) }
}

/** The unknown fields that a commit has met; none for any other commit. */
export function unknownFieldsIn({ operationParameters }: CommitInfo): readonly UnknownField[] {
  const given = operationParameters?.['unknownFields']
  if (typeof given !== 'string') return []
  const fields = parseJson(given, 'unknown fields of a commit')
  return Array.isArray(fields) ? fields.flatMap(unknownField) : []
}

function unknownField(value: JsonValue): readonly UnknownField[] {
  if (typeof value !== 'object' || value === null || !('field' in value)) return []
  const { field, type, count, firstMs, lastMs, partition, offset } = value
  return [
    {
      field: String(field),
      type: String(type),
      count: Number(count),
      firstMs: Number(firstMs),
      lastMs: Number(lastMs),
      partition: Number(partition),
      offset: BigInt(String(offset)),
    },
  ]
}
