/**
 * The rows of the platform's tables as TypeScript types. Those of gold are derived from the metrics; a test holds
 * the others to `pipeline/model/tables.ts`.
 *
 * Dates (`2026-01-31`) and times (`2026-01-31T12:00:00.000000Z`) are text in UTC, whole numbers are `number`.
 */
import type { GoldRows } from '../pipeline/model/gold.ts'

/** Where a row comes from: its place in the event log. */
export interface Place {
  readonly kafka_topic: string
  readonly kafka_partition: number
  readonly kafka_offset: number
  /** When the message was appended to the log. */
  readonly kafka_timestamp: string
  /** When it was landed. */
  readonly ingested_at: string
}

export interface EventRow extends Place {
  readonly event_id: string
  readonly user_id: number
  /** In silver one of `login`, `click`, `purchase`, `logout`. */
  readonly event_type: string
  readonly page: string
  readonly timestamp: string
  /** In silver `web` or `mobile`. */
  readonly source: string
  /** The UTC day of `timestamp`. */
  readonly event_date: string
}

export interface QuarantinedRow extends EventRow {
  readonly reasons: readonly string[]
}

export interface RejectedRow extends Place {
  readonly raw: Uint8Array | null
  readonly key: Uint8Array | null
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[]
  readonly reasons: readonly string[]
}

interface EventRows {
  readonly 'bronze/events': EventRow
  readonly 'bronze/rejected': RejectedRow
  readonly 'silver/events': EventRow
  readonly 'silver/quarantine': QuarantinedRow
}

export type TableRows = EventRows & GoldRows

export type TableName = keyof TableRows
