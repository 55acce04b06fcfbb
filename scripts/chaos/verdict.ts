/** Whether the books balance after chaos, and the SQL by which an outsider sees the same. */

import { readIndependently } from '../../src/acceptance/oracle.ts'
import { compareWithLog } from '../../src/acceptance/streams/exact.ts'
import type { Platform } from '../../src/pipeline/platform/compose.ts'

export interface Verdict {
  readonly messages: number
  readonly lost: number
  readonly doubled: number
  /** Windows of the speed layer whose sum is not what the log says. */
  readonly wrongWindows: number
  /** Messages that the log acknowledged to the witness, and the lake lacks. */
  readonly acknowledgedMissing: number
  /** Messages of the witness that the client put into the log more than once: duplicates, as of any producer. */
  readonly acknowledgedTwice: number
  readonly sql: string
  /** What the SQL gives: no row where it agrees. */
  readonly sqlRows: readonly unknown[]
}

export async function judge(
  platform: Platform,
  lake: string,
  acknowledged: readonly string[],
): Promise<Verdict> {
  const { places, onTime, late } = await compareWithLog(platform, lake)
  const written = new Set(places.written)
  const ids = new Map<string, number>()
  for (const row of await readIndependently(
    `${lake}/bronze/events`,
    (table) => `SELECT event_id FROM ${table}`,
  )) {
    const id = String(row['event_id'])
    ids.set(id, (ids.get(id) ?? 0) + 1)
  }
  const ends = await (await platform.log()).partitions()
  const sql = (table: (name: string) => string): string => auditSql(ends, table)
  return {
    messages: places.log.length,
    lost: places.log.filter((place) => !written.has(place)).length,
    doubled: places.written.length - written.size,
    wrongWindows: differing(onTime) + differing(late),
    acknowledgedMissing: acknowledged.filter((id) => !ids.has(id)).length,
    acknowledgedTwice: acknowledged.filter((id) => (ids.get(id) ?? 0) > 1).length,
    sql: sql((name) => `deltaLakeLocal('${lake}/${name}')`),
    sqlRows: await readIndependently(
      [`${lake}/bronze/events`, `${lake}/bronze/rejected`],
      (events = '', rejected = '') => sql((name) => (name === 'bronze/events' ? events : rejected)),
    ),
  }
}

type Sums = Readonly<Record<string, number>>

const differing = ({ log, written }: { readonly log: Sums; readonly written: Sums }): number =>
  [...new Set([...Object.keys(log), ...Object.keys(written)])].filter((key) => log[key] !== written[key])
    .length

/** For ClickHouse of any make, over the files of the lake alone. The ends are what the brokers said. */
function auditSql(
  ends: readonly { readonly partition: number; readonly end: bigint }[],
  table: (name: string) => string,
): string {
  const values = ends.map(({ partition, end }) => `(${partition}, ${end})`).join(', ')
  return `SELECT p AS partition, log_end, rows, offsets
FROM (SELECT kafka_partition AS p, count() AS rows, uniqExact(kafka_offset) AS offsets FROM (
  SELECT kafka_partition, kafka_offset FROM ${table('bronze/events')}
  UNION ALL
  SELECT kafka_partition, kafka_offset FROM ${table('bronze/rejected')}) GROUP BY p) AS landed
FULL JOIN (SELECT c1 AS p, c2 AS log_end FROM values(${values})) AS log USING (p)
WHERE rows != log_end OR offsets != log_end`
}
