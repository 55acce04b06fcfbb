/** Whether what the streaming stages have written is exactly what the log holds, told without the platform's own code. */
import type { Platform } from '../../pipeline/platform/compose.ts'
import { readIndependently, replay, tally } from '../oracle.ts'

/** What should be there, and what is: equal where nothing is lost and nothing doubled. */
export interface Compared {
  /** `partition/offset`, sorted. */
  readonly places: Sides<readonly string[]>
  /** Window and type → events. */
  readonly onTime: Sides<Readonly<Record<string, number>>>
  readonly late: Sides<Readonly<Record<string, number>>>
}

export interface Sides<T> {
  readonly log: T
  readonly written: T
}

/** @param lake folder of the Delta tables. The stages must have read the log up to its end. */
export async function compareWithLog(platform: Platform, lake: string): Promise<Compared> {
  const told = await replay(await platform.log())
  const place = (table: string): string =>
    `SELECT concat(toString(kafka_partition), '/', toString(kafka_offset)) AS place FROM ${table}`
  const places = [
    ...(await readIndependently(`${lake}/bronze/events`, place)),
    ...(await readIndependently(`${lake}/bronze/rejected`, place)),
  ].map((row) => String(row['place']))
  const clickhouse = await platform.clickhouse()
  const sums = async (table: string): Promise<Record<string, number>> => {
    const rows = await clickhouse.query<{ k: string; n: number }>(
      `SELECT concat(formatDateTime(window_start, '%FT%TZ', 'UTC'), ' ', event_type) AS k, sum(event_count) AS n
       FROM realtime.${table} GROUP BY k HAVING n > 0`,
    )
    return Object.fromEntries(rows.map(({ k, n }) => [k, n]))
  }
  const expected = (isLate: boolean): Record<string, number> =>
    tally(
      told.valid.filter((event) => event.isLate === isLate),
      ({ minute, eventType }) => `${minute} ${eventType}`,
    )
  return {
    places: { log: told.places, written: places.sort() },
    onTime: { log: expected(false), written: await sums('events_per_minute') },
    late: { log: expected(true), written: await sums('late_events') },
  }
}
