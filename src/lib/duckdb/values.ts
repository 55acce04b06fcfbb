/**
 * From DuckDB's values to plain ones, without rounding: 64-bit and larger integers are bigint, decimals and
 * timestamps are text (`2026-01-02T03:04:05.000006Z`; no `Z` where the type has no zone), binary is Uint8Array.
 */
import {
  DuckDBDateValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTypeId,
  type DuckDBValue,
  type DuckDBValueConverter,
  JSDuckDBValueConverter,
} from '@duckdb/node-api'
import driverAccessors from '@duckdb/node-api/lib/vectors/dataAccessors.js'

// The driver's own decoder takes U+FEFF at the beginning of a text for a byte order mark, and drops it.
Object.assign(driverAccessors, { textDecoder: new TextDecoder('utf-8', { ignoreBOM: true }) })

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [name: string]: Value }

export type Row = Readonly<Record<string, Value>>

/** `date '0001-01-01'` and the like as ISO text; DuckDB's own text says `(BC)` where ISO 8601 counts on below 1. */
function isoDate(days: number): string {
  const [date = ''] = new Date(days * 86_400_000).toISOString().split('T')
  return date
}

/** As a timestamp is printed; within the years that JavaScript has. */
export function isoTimestamp(micros: bigint, suffix: '' | 'Z'): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = (micros - fraction) / 1_000_000n
  const upToSeconds = new Date(Number(seconds) * 1000).toISOString().replace('.000Z', '')
  return `${upToSeconds}.${String(fraction).padStart(6, '0')}${suffix}`
}

const isoMaxMicros = 8_640_000_000_000_000_000n

const asText = (value: DuckDBValue): string => String(value)

const overrides: Partial<Record<DuckDBTypeId, DuckDBValueConverter<Value>>> = {
  [DuckDBTypeId.DECIMAL]: asText,
  [DuckDBTypeId.INTERVAL]: asText,
  [DuckDBTypeId.TIME]: asText,
  [DuckDBTypeId.TIME_NS]: asText,
  [DuckDBTypeId.TIME_TZ]: asText,
  [DuckDBTypeId.TIMESTAMP_S]: asText,
  [DuckDBTypeId.TIMESTAMP_MS]: asText,
  [DuckDBTypeId.TIMESTAMP_NS]: asText,
  [DuckDBTypeId.DATE]: (value) =>
    value instanceof DuckDBDateValue && value.isFinite ? isoDate(value.days) : asText(value),
  [DuckDBTypeId.TIMESTAMP]: (value) =>
    value instanceof DuckDBTimestampValue && isWithinIso(value.micros)
      ? isoTimestamp(value.micros, '')
      : asText(value),
  [DuckDBTypeId.TIMESTAMP_TZ]: (value) =>
    value instanceof DuckDBTimestampTZValue && isWithinIso(value.micros)
      ? isoTimestamp(value.micros, 'Z')
      : asText(value),
}

function isWithinIso(micros: bigint): boolean {
  return micros >= -isoMaxMicros && micros <= isoMaxMicros
}

/** For what is not overridden, the driver's own conversion; it calls back for what is nested. */
const driverValue = JSDuckDBValueConverter as unknown as DuckDBValueConverter<Value>

export const plainValue: DuckDBValueConverter<Value> = (value, type, nested) => {
  if (value === null) return null
  return (overrides[type.typeId] ?? driverValue)(value, type, nested)
}
