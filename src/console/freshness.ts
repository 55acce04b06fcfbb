/**
 * How new the data of each layer is, and from when on its figures may still change.
 *
 * Batch: the load that serving shows, and its boundary. Speed layer: a window is closed once the newest event time of
 * every partition is later than the window's end by the watermark delay.
 */
import type { ClickHouse, StatementOptions } from '../lib/clickhouse/clickhouse.ts'
import type { Layer } from '../pipeline/model/panel.ts'
import { watermarkDelayMs, windowMs } from '../pipeline/model/time-rules.ts'
import type { Freshness } from './answers.ts'
import { utc } from './figures.ts'

const batchSql = `SELECT toString(boundary) AS boundary, toString(loaded_at) AS loaded_at
FROM serving.loads ORDER BY load_id DESC LIMIT 1`

/**
 * Of the log that was written last; a partition that has had no event holds no window open, nor does one that has
 * had none for a day. Windows are in order, so that a day of them is all that is read, however many there are.
 */
const realtimeSql = `WITH (SELECT toDateTime(greatest(toInt64(max(window_start)) - 86400, 0)) FROM realtime.events_per_minute) AS since
SELECT toString(max(reached)) AS newest, toString(min(reached)) AS slowest, toString(max(written)) AS last_written,
  (SELECT toString(min(window_start)) FROM realtime.events_per_minute WHERE event_count > 0) AS oldest
FROM (
  SELECT max(newest_event_time) AS reached, max(inserted_at) AS written
  FROM realtime.events_per_minute
  WHERE window_start >= since
    AND log_id = (SELECT argMax(log_id, inserted_at) FROM realtime.events_per_minute WHERE window_start >= since)
  GROUP BY kafka_partition
  HAVING reached > toDateTime64('1970-01-02 00:00:00', 6, 'UTC')
)
HAVING count() > 0`

/** Of a layer that nothing has written. */
export function noFreshness(layer: Layer): Freshness {
  return { layer, asOf: null, provisionalFrom: null, newestEvent: null, oldestWindow: null }
}

/** @throws LakeError as `ClickHouse.query` does. */
export async function readFreshness(
  clickhouse: Pick<ClickHouse, 'query'>,
  layer: Layer,
  options: StatementOptions = {},
): Promise<Freshness> {
  return layer === 'batch' ? readBatch(clickhouse, options) : readRealtime(clickhouse, options)
}

async function readBatch(
  clickhouse: Pick<ClickHouse, 'query'>,
  options: StatementOptions,
): Promise<Freshness> {
  const [load] = await clickhouse.query<{ readonly boundary: string; readonly loaded_at: string }>(
    batchSql,
    options,
  )
  if (load === undefined) return noFreshness('batch')
  return {
    layer: 'batch',
    asOf: utc(load.loaded_at),
    provisionalFrom: utc(`${load.boundary} 00:00:00`),
    newestEvent: null,
    oldestWindow: null,
  }
}

async function readRealtime(
  clickhouse: Pick<ClickHouse, 'query'>,
  options: StatementOptions,
): Promise<Freshness> {
  const [row] = await clickhouse.query<{
    readonly newest: string
    readonly slowest: string
    readonly last_written: string
    readonly oldest: string
  }>(realtimeSql, options)
  if (row === undefined) return noFreshness('realtime')
  const closedBefore = Date.parse(utc(row.slowest)) - watermarkDelayMs
  return {
    layer: 'realtime',
    asOf: utc(row.last_written),
    provisionalFrom: new Date(Math.floor(closedBefore / windowMs) * windowMs).toISOString(),
    newestEvent: utc(row.newest),
    oldestWindow: utc(row.oldest),
  }
}
