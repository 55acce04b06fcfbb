/** From which day on ClickHouse must answer from the speed layer. */

import type { IoOptions } from '../../lib/base/io.ts'
import type { DeltaTable, FileBounds, Snapshot } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { LakeTable } from '../model/tables.ts'

interface BoundaryContext {
  readonly table: (name: LakeTable) => DeltaTable
  readonly duckdb: DuckDb
}

/** Before any event: everything is realtime's. */
const noBoundary = '1970-01-01'

/** Files that are read first, if so many hold messages of the newest day: they nearly always settle it. */
const filesFirst = 8

/**
 * The first UTC day that is not closed: some partition of the log has not been read past its end. Messages are
 * appended in the order of `kafka_timestamp`, so a partition that has shown a later day shows this one no more.
 * Files are read from the newest append on, and no further than can change the answer.
 */
export async function boundaryOf(
  { table, duckdb }: BoundaryContext,
  bronze: Snapshot,
  { signal }: IoOptions,
): Promise<string> {
  const files = bronze
    .bounds('kafka_timestamp')
    .map((bounds) => {
      const newestMs = newestAppend(bounds)
      return { file: bounds.file, newestMs, newestDay: isoDay(newestMs) }
    })
    .sort((a, b) => b.newestMs - a.newestMs)
  const partitions = Object.keys(bronze.transactions).length
  /** By partition, of the files that were read. */
  const newestDays = new Map<string, string>()
  let boundary = noBoundary
  let read = 0
  const ofNewestDay = files.filter(({ newestDay }) => newestDay === files[0]?.newestDay).length
  for (let end = Math.min(ofNewestDay, filesFirst); read < files.length; end *= 2) {
    const group = files.slice(read, end).map(({ file }) => file)
    read = Math.min(end, files.length)
    const rows = await duckdb.use(async (session) => {
      const scan = await table('bronze/events').scan(session, bronze, {
        files: group,
        ...(signal && { signal }),
      })
      return await session.rows(
        `select concat(kafka_topic, '/', kafka_partition) as place,
           strftime(max(kafka_timestamp), '%Y-%m-%d') as day from (${scan}) group by place`,
        { signal },
      )
    })
    for (const { place, day } of rows) {
      const known = newestDays.get(String(place)) ?? noBoundary
      newestDays.set(String(place), String(day) > known ? String(day) : known)
    }
    boundary = [...newestDays.values()].sort()[0] ?? noBoundary
    if (newestDays.size >= partitions && boundary >= (files[read]?.newestDay ?? noBoundary)) break
  }
  return boundary
}

/** After all real times, and a day with which one can compare. */
const unknownMs = Date.parse('9999-12-31T00:00:00Z')

/** The time of the newest append in a file; that of a file which does not say comes after all others. */
function newestAppend(bounds: FileBounds): number {
  const newestMs = bounds.kind === 'known' ? Date.parse(bounds.max) : Number.NaN
  return Number.isNaN(newestMs) ? unknownMs : newestMs
}

const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
