/**
 * `bronze = silver + duplicates + quarantine`, day by day: each row of bronze before the cut stands, as it was, in
 * one of the two tables, or is a further delivery of an event that silver has.
 *
 * Counts alone do not see a row that was swapped for another: each row is compared by its place and its content.
 */

import type { IoOptions } from '../../../lib/base/io.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import { identifier } from '../../../lib/duckdb/sql-text.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import { filesOfDays } from '../../model/days.ts'
import { invalidReasons } from '../../model/event-rules.ts'
import { columnNames, lakeTables } from '../../model/tables.ts'
import { type BooksContext, bigintOf, type Identity, placeOf, placesNamed } from '../books.ts'
import { type Cut, isBefore } from '../cut.ts'
import { createRowsView } from '../rows-of.ts'

export const silverIdentity = {
  name: 'bronze = silver + duplicates + quarantine',
  table: 'silver/events',
} as const

/** Every column of bronze in one number. */
const content = `hash(${columnNames(lakeTables['bronze/events'].schema).map(identifier).join(', ')})`

/** What is wrong with a row: fault → what it is in words. */
const faults: Readonly<Record<string, string>> = {
  missing: 'valid in bronze, and not in silver',
  notQuarantined: 'not valid in bronze, and not in quarantine',
  unknown: 'in silver or quarantine, and not in bronze',
  changed: 'other values than in bronze',
  misplaced: 'in quarantine though valid, or in silver though not',
  repeated: 'another delivery of the same event is in silver too',
  doubled: 'more than once in silver or quarantine',
}

export interface SilverDay {
  readonly identity: Identity
  readonly bronze: RowsDigest
  /** Of those rows of bronze alone that are `earlier`. */
  readonly earlier: RowsDigest
}

export interface RowsDigest {
  readonly rows: bigint
  /** The sum of a hash of each row, as digits: it does not depend on the order of rows. */
  readonly digest: string
}

export interface SilverRowsOptions extends IoOptions {
  /** An SQL condition over bronze: rows that were there when the day was audited before. */
  readonly earlier?: string
}

/** One identity for each of the days. */
export async function silverRows(
  context: BooksContext,
  session: DuckDbSession,
  cut: Cut,
  days: readonly string[],
  { earlier = 'false', signal }: SilverRowsOptions = {},
): Promise<readonly SilverDay[]> {
  if (days.length === 0) return []
  const where = isBefore(cut.read)
  for (const [view, table, snapshot] of [
    ['audited_bronze', 'bronze/events', cut.events],
    ['audited_silver', 'silver/events', cut.silver],
    ['audited_quarantine', 'silver/quarantine', cut.quarantine],
  ] as const) {
    await createRowsView(context, session, view, table, snapshot, {
      files: filesOfDays(snapshot, days),
      where,
      signal,
    })
  }
  await session.run(joined(earlier), { signal })
  await session.run(judged, { signal })
  await session.run(faulty, { signal })
  if (await holdsDoubles(session, { signal })) await session.run(doubled, { signal })
  const counts = await session.rows(countsByDay, { signal })
  const found = await session.rows(faultsByDay, { signal })
  const rows = await session.rows(faultyRows, { signal })
  return days.map((date) => {
    const ofDay = (row: Row): boolean => row['event_date'] === date
    const count = counts.find(ofDay)
    return {
      identity: identityOf(date, count, found.filter(ofDay), rows.filter(ofDay)),
      bronze: { rows: bigintOf(count?.['bronze']) ?? 0n, digest: String(count?.['digest'] ?? 0) },
      earlier: { rows: bigintOf(count?.['earlier']) ?? 0n, digest: String(count?.['earlier_digest'] ?? 0) },
    }
  })
}

/**
 * Each row of bronze beside the row of silver or quarantine at its place, in one pass. What is kept of a day are
 * sums, and the rows that are not, unchanged, where they belong: further deliveries, and what is wrong.
 */
const joined = (earlier: string): string => `
create or replace temporary table joined_days as
with bronze as (
  select event_date, event_id, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp,
    ${invalidReasons} = '' as is_valid, ${content} as content, ${earlier} as is_earlier
  from audited_bronze
),
made as (
  select event_date, kafka_topic, kafka_partition, kafka_offset, true as is_silver, ${content} as content
  from audited_silver
  union all
  select event_date, kafka_topic, kafka_partition, kafka_offset, false, ${content} from audited_quarantine
)
select coalesce(bronze.event_date, made.event_date) as event_date,
  count(bronze.content) as bronze, count(made.content) as made,
  sum(bronze.content) as digest, sum(bronze.content) filter (where is_earlier) as earlier_digest,
  count(*) filter (where is_earlier) as earlier,
  list({
    event_id: event_id, kafka_partition: kafka_partition, kafka_offset: kafka_offset,
    kafka_timestamp: kafka_timestamp, is_valid: is_valid, is_silver: is_silver,
    is_in_bronze: bronze.content is not null, is_made: made.content is not null
  }) filter (where bronze.content is distinct from made.content or is_valid <> is_silver) as suspects
from bronze full join made using (kafka_topic, kafka_partition, kafka_offset)
group by all`

/** A further delivery has an earlier one of the same event, on the same day, in silver. */
const judged = `
create or replace temporary table judged as
with suspects as (select event_date, unnest(suspects, recursive := true) from joined_days)
select suspects.*, case
    when not is_made and not is_valid then 'notQuarantined'
    when not is_made and not exists (
      from audited_silver as first
      where first.event_date = suspects.event_date and first.event_id = suspects.event_id
        and (first.kafka_timestamp, first.kafka_partition, first.kafka_offset)
          < (suspects.kafka_timestamp, suspects.kafka_partition, suspects.kafka_offset)) then 'missing'
    when not is_made then 'duplicate'
    when not is_in_bronze then 'unknown'
    when is_valid <> is_silver then 'misplaced'
    else 'changed' end as fault
from suspects`

/** Events that stand more than once are looked for by their hash first, which is smaller than they. */
const faulty = `
create or replace temporary table faulty as
select event_date, kafka_partition, kafka_offset, fault from judged where fault <> 'duplicate'
union all
select event_date, kafka_partition, kafka_offset, 'repeated' from audited_silver
where (event_date, hash(event_id)) in (
  select (event_date, hash(event_id)) from audited_silver group by event_date, hash(event_id) having count(*) > 1)
qualify row_number() over (
  partition by event_date, event_id order by kafka_timestamp, kafka_partition, kafka_offset) > 1`

const countsByDay = `
select event_date, sum(bronze)::bigint as bronze, sum(made)::bigint as made, sum(duplicates)::bigint as duplicates,
  any_value(digest)::varchar as digest, any_value(earlier_digest)::varchar as earlier_digest, any_value(earlier) as earlier
from (
  select event_date, count(*) as bronze, 0 as made, 0 as duplicates, null as digest, null as earlier_digest, null as earlier
  from audited_bronze group by event_date
  union all select event_date, 0, count(*), 0, null, null, null from audited_silver group by event_date
  union all select event_date, 0, count(*), 0, null, null, null from audited_quarantine group by event_date
  union all select event_date, 0, 0, count(*), null, null, null from judged where fault = 'duplicate' group by event_date
  union all select event_date, 0, 0, 0, digest, earlier_digest, earlier from joined_days)
group by event_date`

/** A place that stands twice on one side meets its row of the other side twice. */
async function holdsDoubles(session: DuckDbSession, { signal }: IoOptions): Promise<boolean> {
  const { n } = await session.row(
    `select (select sum(bronze) > (select count(*) from audited_bronze) from joined_days)
       or (select sum(made) > (select count(*) from audited_silver) + (select count(*) from audited_quarantine) from joined_days) as n`,
    { signal },
  )
  return n === true
}

const doubled = `
insert into faulty
select event_date, kafka_partition, kafka_offset, 'doubled'
from (
  select event_date, kafka_topic, kafka_partition, kafka_offset from audited_silver
  union all select event_date, kafka_topic, kafka_partition, kafka_offset from audited_quarantine)
group by event_date, kafka_topic, kafka_partition, kafka_offset having count(*) > 1`

const faultsByDay = `select event_date, fault, count(*) as n from faulty group by all order by all`

const faultyRows = `
select * from faulty
qualify row_number() over (partition by event_date order by kafka_partition, kafka_offset) <= ${placesNamed}
order by event_date, kafka_partition, kafka_offset`

/** The text of the rules: what was found by others must be looked at again. */
export const silverRules = [joined(''), judged, faulty, doubled].join('\n')

function identityOf(
  date: string,
  counts: Row | undefined,
  found: readonly Row[],
  rows: readonly Row[],
): Identity {
  const count = (column: string): bigint => bigintOf(counts?.[column]) ?? 0n
  const identity = {
    ...silverIdentity,
    date,
    left: count('bronze'),
    right: count('made') + count('duplicates'),
  }
  if (found.length === 0) return identity
  return {
    ...identity,
    problem: found.map((row) => `${String(row['n'])} × ${faults[String(row['fault'])]}`).join('; '),
    places: rows.map(placeOf),
    rows,
  }
}
