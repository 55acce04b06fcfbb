/** For tests and pictures: fills ClickHouse with rows as the batch and the speed layer write them. */
import type { ClickHouse } from '../lib/clickhouse/clickhouse.ts'
import { ensureServingSchema } from '../pipeline/serving/schema.ts'

export interface Day {
  /** `2026-11-22`. */
  readonly day: string
  readonly users: number
  readonly conversionRate: number
  readonly events: Readonly<Record<string, number>>
  readonly purchases: Readonly<Record<string, number>>
}

export interface LoadOptions {
  readonly loadId: number
  readonly boundary: string
  /** `2026-11-23 01:00:05`. */
  readonly loadedAt: string
}

/** One load of the batch: its rows first, then the row that switches serving to it. */
export async function insertLoad(
  clickhouse: ClickHouse,
  days: readonly Day[],
  { loadId, boundary, loadedAt }: LoadOptions,
): Promise<void> {
  await ensureServingSchema(clickhouse)
  const rows = days.map(({ day, users, conversionRate, events, purchases }) => ({
    load_id: loadId,
    event_date: day,
    users,
    conversionRate,
    events,
    purchases,
  }))
  await clickhouse.insert(
    'serving.daily_active_users_loads',
    rows.map(({ load_id, event_date, users }) => ({ load_id, event_date, dau_count: users })),
  )
  await clickhouse.insert(
    'serving.conversion_rate_daily_loads',
    rows.map(({ load_id, event_date, users, conversionRate, purchases }) => ({
      load_id,
      event_date,
      conversion_rate: conversionRate,
      total_purchases: Object.values(purchases).reduce((sum, count) => sum + count, 0),
      dau_count: users,
    })),
  )
  await clickhouse.insert(
    'serving.events_per_source_daily_loads',
    rows.flatMap(({ load_id, event_date, events }) =>
      Object.entries(events).map(([source, event_count]) => ({ load_id, event_date, source, event_count })),
    ),
  )
  await clickhouse.insert(
    'serving.purchases_per_page_daily_loads',
    rows.flatMap(({ load_id, event_date, purchases }) =>
      Object.entries(purchases).map(([page, purchase_count]) => ({
        load_id,
        event_date,
        page,
        purchase_count,
      })),
    ),
  )
  await clickhouse.insert('serving.loads', [
    { load_id: loadId, boundary, versions: '{}', run_id: `${loadId}`, loaded_at: loadedAt },
  ])
}

export interface Delta {
  /** Start of the window: `2026-11-23 07:30:00`. */
  readonly window: string
  readonly partition: number
  readonly label: string
  readonly count: number
  /** Of the partition, when this was written. */
  readonly newestEvent: string
}

const deltaColumns = {
  events_per_minute: { dimension: 'event_type', measure: 'event_count' },
  logins_per_source: { dimension: 'source', measure: 'login_count' },
  purchases_per_minute: { dimension: undefined, measure: 'purchase_count' },
} as const

/** Deltas of one table of the speed layer, `label` in the column that the table has for it. */
export async function insertDeltas(
  clickhouse: ClickHouse,
  table: keyof typeof deltaColumns,
  deltas: readonly Delta[],
): Promise<void> {
  await ensureServingSchema(clickhouse)
  const { dimension, measure } = deltaColumns[table]
  await clickhouse.insert(
    `realtime.${table}`,
    deltas.map(({ window, partition, label, count, newestEvent }, at) => ({
      window_start: window,
      window_end: endOf(window),
      ...(dimension !== undefined && { [dimension]: label }),
      [measure]: count,
      log_id: 'log',
      kafka_partition: partition,
      offset_from: at,
      offset_to: at + 1,
      newest_event_time: newestEvent,
      inserted_at: newestEvent,
    })),
  )
}

function endOf(window: string): string {
  const end = Date.parse(`${window.replace(' ', 'T')}Z`) + 60_000
  return new Date(end).toISOString().slice(0, 19).replace('T', ' ')
}
