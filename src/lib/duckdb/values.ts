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

/** So many days, and 400 years, after which the calendar begins anew. */
const cycleDays = 146_097
const cycleYears = 400
const dayMs = 86_400_000
/** What JavaScript's `Date` holds. */
const maxDays = 100_000_000

/**
 * `date '0001-01-01'` and the like as ISO text; DuckDB's own text says `(BC)` where ISO 8601 counts on below 1. Years of
 * more than four digits have a sign, and six digits or more.
 */
function isoDate(days: number): string {
  if (Math.abs(days) <= maxDays) return new Date(days * dayMs).toISOString().split('T', 1)[0] ?? ''
  const cycles = Math.floor(days / cycleDays)
  const within = new Date((days - cycles * cycleDays) * dayMs)
  const year = within.getUTCFullYear() + cycles * cycleYears
  return `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}${within.toISOString().slice(4, 10)}`
}

const dayMicros = 86_400_000_000n
const maxMicros = BigInt(maxDays) * dayMicros

/** As a timestamp is printed. */
export function isoTimestamp(micros: bigint, suffix: '' | 'Z'): string {
  if (micros >= -maxMicros && micros <= maxMicros) return isoWithin(micros, suffix)
  const time = ((micros % dayMicros) + dayMicros) % dayMicros
  const date = isoDate(Number((micros - time) / dayMicros))
  const seconds = new Date(Number(time / 1_000_000n) * 1000).toISOString().slice(11, 19)
  return `${date}T${seconds}.${String(time % 1_000_000n).padStart(6, '0')}${suffix}`
}

function isoWithin(micros: bigint, suffix: '' | 'Z'): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const upToSeconds = new Date(Number((micros - fraction) / 1000n)).toISOString().replace('.000Z', '')
  return `${upToSeconds}.${String(fraction).padStart(6, '0')}${suffix}`
}

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
    value instanceof DuckDBTimestampValue && value.isFinite ? isoTimestamp(value.micros, '') : asText(value),
  [DuckDBTypeId.TIMESTAMP_TZ]: (value) =>
    value instanceof DuckDBTimestampTZValue && value.isFinite
      ? isoTimestamp(value.micros, 'Z')
      : asText(value),
}

/** For what is not overridden, the driver's own conversion; it calls back for what is nested. */
const driverValue = JSDuckDBValueConverter as unknown as DuckDBValueConverter<Value>

export const plainValue: DuckDBValueConverter<Value> = (value, type, nested) => {
  if (value === null) return null
  return (overrides[type.typeId] ?? driverValue)(value, type, nested)
}
