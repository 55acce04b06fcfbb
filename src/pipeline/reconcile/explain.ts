/**
 * Where the numbers of a day come from: the run and the versions that made them, the files that were read, and the
 * offsets of the log whose rows they were computed from.
 */

import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { recordsIn, type Snapshot } from '../../lib/delta/index.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { identifier } from '../../lib/duckdb/sql-text.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import type { ReleaseBook } from '../../lib/runs/release-book.ts'
import { filesOfDays } from '../model/days.ts'
import { type GoldTable, goldColumnsOf, goldTableNames, metricOf } from '../model/gold.ts'
import { daysOfRun, madeFrom, runOf } from '../model/made-from.ts'
import type { LakeTable } from '../model/tables.ts'
import { type BooksContext, bigintOf, notMadeYet } from './books.ts'
import { createRowsView } from './rows-of.ts'

/** Newest first. */
const releasesSearched = 1_000

export interface ExplainRequest {
  /** `gold/daily_active_users`, or `silver/events`. */
  readonly table: LakeTable
  /** UTC day. */
  readonly date: string
  /** An SQL condition over the rows of `silver/events`: whose part in the numbers is looked for. */
  readonly where?: string
  /** The version that is explained; the newest without it. */
  readonly version?: number
  readonly releases?: ReleaseBook
}

export interface ExplainInput {
  readonly table: LakeTable
  readonly version: number
  readonly files: readonly string[]
  /** Rows of the day in those files. */
  readonly rows: number
}

/** Of one partition: between which offsets rows of the day lie, and how many. */
export interface ExplainOffsets {
  readonly partition: number
  readonly from: bigint
  /** One past the last. */
  readonly to: bigint
  readonly rows: bigint
}

export interface Explanation {
  readonly table: LakeTable
  readonly date: string
  readonly version: number
  /** The newest release that shows this version; absent if none does. */
  readonly release?: number
  /** The run that made the day; absent if the log of the table no longer says. */
  readonly run?: number
  /** The rows of the day; with `where`, what they would be of those events alone. */
  readonly values: readonly Row[]
  readonly inputs: readonly ExplainInput[]
  readonly offsets: readonly ExplainOffsets[]
}

/** @throws LakeError `TABLE_MISSING`, `VERSION_MISSING`, `SQL_INVALID` for a condition that is none, `USAGE`. */
export async function explainNumber(
  context: BooksContext,
  { table: name, date, where = 'true', version, releases }: ExplainRequest,
  { signal }: IoOptions = {},
): Promise<Explanation> {
  const metric = goldTableNames.find((each) => name === `gold/${each}`)
  if (metric === undefined && name !== 'silver/events') {
    throw new LakeError('USAGE', `explain ${name}: expected a table of gold, or silver/events`)
  }
  const target = await snapshotOf(context, name, version, { signal })
  const silver = metric === undefined ? target : await inputOf(context, target, 'silver/events', { signal })
  const bronze = await inputOf(context, silver, 'bronze/events', { signal })
  const release = await releaseOf(releases, name, target, { signal })
  const run = await runThatMade(target, date, { signal })
  return context.duckdb.use(async (session) => {
    const silverFiles = filesOfDays(silver, [date])
    await createRowsView(context, session, 'silver_rows', 'silver/events', silver, {
      files: silverFiles,
      signal,
    })
    await session.run(
      `create or replace temporary view silver_events as select * from silver_rows where ${where}`,
      { signal },
    )
    const offsets = await session.rows(
      `select kafka_partition, min(kafka_offset) as first, max(kafka_offset) as last, count(*) as n
       from silver_events group by kafka_partition order by kafka_partition`,
      { signal },
    )
    return {
      table: name,
      date,
      version: target.version,
      ...(release !== undefined && { release }),
      ...(run !== undefined && { run }),
      values: await valuesOf(
        context,
        session,
        { metric, target, date, isPart: where !== 'true' },
        { signal },
      ),
      inputs: [
        ...(metric === undefined ? [] : [inputDocument('silver/events', silver, date)]),
        inputDocument('bronze/events', bronze, date),
      ],
      offsets: offsets.map((row) => ({
        partition: Number(row['kafka_partition']),
        from: bigintOf(row['first']) ?? 0n,
        to: (bigintOf(row['last']) ?? 0n) + 1n,
        rows: bigintOf(row['n']) ?? 0n,
      })),
    }
  })
}

async function snapshotOf(
  { table }: BooksContext,
  name: LakeTable,
  version: number | undefined,
  { signal }: IoOptions,
): Promise<Snapshot> {
  const found = table(name)
  if (!(await found.exists({ signal }))) {
    throw notMadeYet(name)
  }
  return found.snapshot({ ...(version !== undefined && { version }), signal })
}

/** The version of its input that a table was made from. */
async function inputOf(
  context: BooksContext,
  target: Snapshot,
  name: LakeTable,
  { signal }: IoOptions,
): Promise<Snapshot> {
  const newest = await snapshotOf(context, name, undefined, { signal })
  const version = target.transactionVersion(madeFrom(name, newest))
  if (version === undefined) {
    throw new LakeError(
      'VERSION_MISSING',
      `${target.uri}: its log does not say which version of ${name} it was made from`,
    )
  }
  return version === newest.version ? newest : snapshotOf(context, name, version, { signal })
}

async function runThatMade(
  target: Snapshot,
  date: string,
  { signal }: IoOptions,
): Promise<number | undefined> {
  for await (const { info } of target.commits({ signal })) {
    if (daysOfRun(info)?.includes(date) === true) return runOf(info)
  }
  return undefined
}

async function releaseOf(
  releases: ReleaseBook | undefined,
  name: LakeTable,
  target: Snapshot,
  { signal }: IoOptions,
): Promise<number | undefined> {
  const found = (await releases?.list({ limit: releasesSearched, signal })) ?? []
  return found.find(
    ({ tables }) => tables[name]?.version === target.version && tables[name].id === target.metadata.id,
  )?.id
}

interface ValuesRequest {
  readonly metric: GoldTable | undefined
  readonly target: Snapshot
  readonly date: string
  /** Of some events alone: the metric is computed of them. */
  readonly isPart: boolean
}

async function valuesOf(
  context: BooksContext,
  session: DuckDbSession,
  { metric, target, date, isPart }: ValuesRequest,
  { signal }: IoOptions,
): Promise<readonly Row[]> {
  if (metric === undefined)
    return session.rows('select event_date, count(*) as events from silver_events group by event_date', {
      signal,
    })
  const columns = goldColumnsOf(metric).map(identifier).join(', ')
  const order = metricOf(metric).grain.map(identifier).join(', ')
  if (isPart)
    return session.rows(`select ${columns} from (${metricOf(metric).sql}) order by ${order}`, { signal })
  await createRowsView(context, session, 'explained_gold', `gold/${metric}`, target, { signal })
  return session.rows(
    `select ${columns} from explained_gold where event_date = date '${date}' order by ${order}`,
    { signal },
  )
}

function inputDocument(table: LakeTable, snapshot: Snapshot, date: string): ExplainInput {
  const files = filesOfDays(snapshot, [date])
  return {
    table,
    version: snapshot.version,
    files: files.map(({ path }) => path),
    rows: recordsIn(files) ?? 0,
  }
}
