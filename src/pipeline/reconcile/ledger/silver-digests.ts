/**
 * Whether silver and quarantine hold the rows of bronze, told day by day from counts and digests alone.
 *
 * The digest of rows is the sum of a hash of each row, its place included. It does not depend on their order, and two
 * sets of rows with equal digests are equal, but for a chance of about one in 2^64. Where digests differ, the rows must
 * be compared one by one to say which.
 */
import type { IoOptions } from '../../../lib/base/io.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import { identifier } from '../../../lib/duckdb/sql-text.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import { isValid } from '../../model/event-rules.ts'
import { columnNames, lakeTables } from '../../model/tables.ts'
import { bigintOf } from '../books.ts'

/** Every column of a row of bronze in one number. */
export const content = `hash(${columnNames(lakeTables['bronze/events'].schema).map(identifier).join(', ')})`

export interface RowsDigest {
  readonly rows: bigint
  /** As digits. */
  readonly digest: string
}

export interface DayDigests {
  readonly bronze: RowsDigest
  /** Of those rows of bronze alone that are `earlier`. */
  readonly earlier: RowsDigest
  /** Rows of silver and quarantine. */
  readonly made: bigint
  /** Further deliveries of events. */
  readonly duplicates: bigint
  /** If not, the rows must be looked at; and then they may be as they should be after all. */
  readonly isBalanced: boolean
}

/** What the digests need of bronze: few and narrow columns, so that all further questions are cheap. */
const digested = (earlier: string): string => `
create or replace temporary table digested_bronze as
select event_date, hash(event_id) as event, kafka_timestamp, kafka_partition, kafka_offset,
  ${isValid} as is_valid, ${earlier} as is_earlier, ${content} as content
from audited_bronze`

/**
 * Further deliveries are found by the hash of their event. If two events of a day had one hash, digests would differ.
 * `twice`: rows of quarantine that bronze has more than once are never balanced, for no delivery of them is left out.
 */
const byDay = `
with further as (
  select event_date, content
  from digested_bronze
  where is_valid and (event_date, event) in (
    select (event_date, event) from digested_bronze where is_valid group by event_date, event having count(*) > 1)
  qualify row_number() over (
    partition by event_date, event order by kafka_timestamp, kafka_partition, kafka_offset) > 1
),
sums as (
  select event_date, count(*) as bronze, sum(content) as digest,
    count(*) filter (where is_earlier) as earlier, sum(content) filter (where is_earlier) as earlier_digest,
    0 as made, 0 as duplicates,
    sum(content) filter (where is_valid) as valid_rest, sum(content) filter (where not is_valid) as invalid_rest,
    count(*) filter (where is_valid) as valid_left, count(*) filter (where not is_valid) as invalid_left,
    count(*) filter (where not is_valid) - count(distinct content) filter (where not is_valid) as twice
  from digested_bronze group by event_date
  union all
  select event_date, 0, 0, 0, 0, 0, count(*), -sum(content), 0, -count(*), 0, 0
  from further group by event_date
  union all
  select event_date, 0, 0, 0, 0, count(*), 0, -sum(${content}), 0, -count(*), 0, 0
  from audited_silver group by event_date
  union all
  select event_date, 0, 0, 0, 0, count(*), 0, 0, -sum(${content}), 0, -count(*), 0
  from audited_quarantine group by event_date
)
select event_date, sum(bronze)::bigint as bronze, sum(digest)::varchar as digest,
  sum(earlier)::bigint as earlier, coalesce(sum(earlier_digest), 0)::varchar as earlier_digest,
  sum(made)::bigint as made, sum(duplicates)::bigint as duplicates,
  coalesce(sum(valid_rest), 0) = 0 and coalesce(sum(invalid_rest), 0) = 0
    and sum(valid_left) = 0 and sum(invalid_left) = 0 and sum(twice) = 0 as is_balanced
from sums group by event_date`

/** The text of the rules. */
export const digestRules = [digested(''), byDay].join('\n')

/**
 * Reads the views `audited_bronze`, `audited_silver` and `audited_quarantine`.
 *
 * @param earlier An SQL condition over bronze. @returns One for each of the days: ISO day → digests.
 */
export async function digestsOfDays(
  session: DuckDbSession,
  days: readonly string[],
  { earlier, signal }: IoOptions & { readonly earlier: string },
): Promise<ReadonlyMap<string, DayDigests>> {
  await session.run(digested(earlier), { signal })
  const rows = await session.rows(byDay, { signal })
  return new Map(days.map((day) => [day, digestsOf(rows.find((row) => row['event_date'] === day))]))
}

function digestsOf(row: Row | undefined): DayDigests {
  const count = (column: string): bigint => bigintOf(row?.[column]) ?? 0n
  return {
    bronze: { rows: count('bronze'), digest: String(row?.['digest'] ?? 0) },
    earlier: { rows: count('earlier'), digest: String(row?.['earlier_digest'] ?? 0) },
    made: count('made'),
    duplicates: count('duplicates'),
    isBalanced: row === undefined || row['is_balanced'] === true,
  }
}
