/**
 * `bronze = silver + duplicates + quarantine`, day by day: each row of bronze before the cut stands, as it was, in
 * one of the two tables, or is a further delivery of an event that silver has.
 *
 * Counts alone do not see a row that was swapped for another: each row is compared by its place and its content.
 */

import type { IoOptions } from '../../../lib/base/io.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import { filesOfDays } from '../../model/days.ts'
import { invalidReasons } from '../../model/event-rules.ts'
import { type BooksContext, bigintOf, type Identity, placeOf, placesNamed } from '../books.ts'
import { type Cut, isBefore } from '../cut.ts'
import { identityNames } from '../identity-names.ts'
import { createRowsView } from '../rows-of.ts'
import { content, type DayDigests, digestRules, digestsOfDays } from './silver-digests.ts'

export const silverIdentity = {
  name: identityNames.silver,
  table: 'silver/events',
} as const

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

export interface SilverDay extends Pick<DayDigests, 'bronze' | 'earlier'> {
  readonly identity: Identity
}

export interface SilverRowsOptions extends IoOptions {
  /** An SQL condition over bronze: rows that were there when the day was audited before. */
  readonly earlier?: string
}

/** One identity for each of the days. Rows are compared one by one only where digests do not balance. */
export async function silverRows(
  context: BooksContext,
  session: DuckDbSession,
  cut: Cut,
  days: readonly string[],
  { earlier = 'false', signal }: SilverRowsOptions = {},
): Promise<readonly SilverDay[]> {
  if (days.length === 0) return []
  await createViews(context, session, cut, days, { signal })
  const digests = await digestsOfDays(session, days, { earlier, signal })
  const unbalanced = days.filter((day) => digests.get(day)?.isBalanced !== true)
  if (unbalanced.length > 0) await createViews(context, session, cut, unbalanced, { signal })
  const compared = await comparedRows(session, unbalanced, { signal })
  return days.flatMap((date) => {
    const found = digests.get(date)
    if (found === undefined) return []
    const { bronze, earlier, made, duplicates } = found
    const { further = duplicates, ...problem } = compared.get(date) ?? {}
    const identity = { ...silverIdentity, date, left: bronze.rows, right: made + further, ...problem }
    return [{ identity, bronze, earlier }]
  })
}

/** Of these days alone, and up to the cut. */
async function createViews(
  context: BooksContext,
  session: DuckDbSession,
  cut: Cut,
  days: readonly string[],
  { signal }: IoOptions,
): Promise<void> {
  const where = isBefore(cut.read)
  for (const [view, table, snapshot] of [
    ['audited_bronze', 'bronze/events', cut.events],
    ['audited_silver', 'silver/events', cut.silver],
    ['audited_quarantine', 'silver/quarantine', cut.quarantine],
  ] as const) {
    const files = filesOfDays(snapshot, days)
    await createRowsView(context, session, view, table, snapshot, { files, where, signal })
  }
}

/** What a comparison of rows tells beside the counts. */
interface ComparedDay extends Pick<Identity, 'problem' | 'places' | 'rows'> {
  /** Rows of bronze that are further deliveries of an event that silver has. */
  readonly further: bigint
}

async function comparedRows(
  session: DuckDbSession,
  days: readonly string[],
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, ComparedDay>> {
  if (days.length === 0) return new Map()
  for (const step of comparison) await session.run(step, { signal })
  const further = await session.rows(furtherByDay, { signal })
  const found = await session.rows(faultsByDay, { signal })
  const rows = await session.rows(faultyRows, { signal })
  return new Map(
    days.map((date) => {
      const ofDay = (row: Row): boolean => row['event_date'] === date
      return [date, comparedDay(further.find(ofDay), found.filter(ofDay), rows.filter(ofDay))]
    }),
  )
}

/** Each row of bronze beside the row of silver or quarantine at its place: those that are not, unchanged, where they belong. */
const suspected = `
create or replace temporary table suspects as
with bronze as (
  select event_date, event_id, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp,
    ${invalidReasons} = '' as is_valid, ${content} as content
  from audited_bronze
),
made as (
  select event_date, kafka_topic, kafka_partition, kafka_offset, true as is_silver, ${content} as content
  from audited_silver
  union all
  select event_date, kafka_topic, kafka_partition, kafka_offset, false, ${content} from audited_quarantine
)
select coalesce(bronze.event_date, made.event_date) as event_date, event_id, kafka_partition, kafka_offset,
  kafka_timestamp, is_valid, is_silver, bronze.content is not null as is_in_bronze, made.content is not null as is_made
from bronze full join made using (kafka_topic, kafka_partition, kafka_offset)
where bronze.content is distinct from made.content or is_valid <> is_silver`

/** A further delivery has an earlier one of the same event, on the same day, in silver. */
const judged = `
create or replace temporary table judged as
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

const doubled = `
insert into faulty
select event_date, kafka_partition, kafka_offset, 'doubled'
from (
  select event_date, kafka_topic, kafka_partition, kafka_offset from audited_silver
  union all select event_date, kafka_topic, kafka_partition, kafka_offset from audited_quarantine)
group by event_date, kafka_topic, kafka_partition, kafka_offset having count(*) > 1`

/** In this order. */
const comparison = [suspected, judged, faulty, doubled]

const furtherByDay = `select event_date, count(*) as n from judged where fault = 'duplicate' group by all`

const faultsByDay = `select event_date, fault, count(*) as n from faulty group by all order by all`

const faultyRows = `
select * from faulty
qualify row_number() over (partition by event_date order by kafka_partition, kafka_offset) <= ${placesNamed}
order by event_date, kafka_partition, kafka_offset`

/** The text of the rules: what was found by others must be looked at again. */
export const silverRules = [digestRules, ...comparison].join('\n')

function comparedDay(further: Row | undefined, found: readonly Row[], rows: readonly Row[]): ComparedDay {
  const counted = { further: bigintOf(further?.['n']) ?? 0n }
  if (found.length === 0) return counted
  return {
    ...counted,
    problem: found.map((row) => `${String(row['n'])} × ${faults[String(row['fault'])]}`).join('; '),
    places: rows.map(placeOf),
    rows,
  }
}
