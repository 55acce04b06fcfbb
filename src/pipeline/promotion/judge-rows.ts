/** What the rows of a metric must be, asked of real ones: the days of a version of silver. */
import { countOf } from '../../lib/base/count-of.ts'
import { isLakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { duckDbType } from '../../lib/delta/index.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { identifier, text } from '../../lib/duckdb/sql-text.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { evaluateExpectations } from '../../lib/quality/evaluate.ts'
import { metricChecks } from '../model/checks.ts'
import type { MetricDefinition, Refusal } from './definition.ts'
import { metricInput } from './sql-rules.ts'

/** The rows of the metric, in the session. */
export const metricRows = 'metric_rows'

/** Days that are made one by one, to see whether they are the same; the newest. */
const daysAlone = 31

/**
 * Leaves the rows as the temporary table `metric_rows`.
 *
 * @param silver A SELECT of the rows of `silver/events`.
 */
export async function judgeRows(
  session: DuckDbSession,
  metric: MetricDefinition,
  silver: string,
  { nowMs, signal }: IoOptions & { readonly nowMs: number },
): Promise<readonly Refusal[]> {
  await session.run(`create or replace temporary table silver_of_metric as ${silver}`, { signal })
  const over = (rows: string): Promise<void> =>
    session.run(`create or replace temporary view ${metricInput} as ${rows}`, { signal })
  await over('select * from silver_of_metric')
  try {
    await session.run(`create or replace temporary table ${metricRows} as\n${metric.sql}`, { signal })
  } catch (error) {
    if (!isLakeError(error, 'SQL_INVALID')) throw error
    return [{ rule: 'sql', problem: error.message, advice: 'Correct the SQL where the message points.' }]
  }
  const types = await judgeTypes(session, metric, { signal })
  if (types.length > 0) return types
  const nulls = await judgeNulls(session, metric, { signal })
  const grain = await judgeGrain(session, metric, { signal })
  const order = await judgeOrder(session, metric, over, { signal })
  const days = order.length > 0 ? [] : await judgeDays(session, metric, over, { signal })
  await over('select * from silver_of_metric')
  const found = [...nulls, ...grain, ...order, ...days]
  return found.length > 0 ? found : judgeChecks(session, metric, { nowMs, signal })
}

async function judgeTypes(
  session: DuckDbSession,
  { columns }: MetricDefinition,
  { signal }: IoOptions,
): Promise<readonly Refusal[]> {
  const selected = await session.describe(`select * from ${metricRows}`, { signal })
  const declared = Object.entries(columns).map(([name, { type }]) => ({ name, type: duckDbType(type) }))
  const names = (of: readonly { readonly name: string }[]): string => of.map(({ name }) => name).join(', ')
  if (names(selected) !== names(declared)) {
    return [
      {
        rule: 'columns',
        problem: `The SQL selects ${names(selected)}, and ${names(declared)} are declared`,
        advice: 'Select the declared columns, in their order.',
      },
    ]
  }
  return declared.flatMap(({ name, type }, at) => {
    const found = selected[at]?.type
    if (found === type) return []
    return [
      {
        rule: 'columns',
        problem: `${name} is ${found ?? 'nothing'} in the SQL, and ${type} is declared`,
        advice: `Write CAST(… AS ${type === 'VARCHAR' ? 'STRING' : type}) AS ${name}, or declare another type. Metrics hold whole numbers of 64 bits, floating point numbers, texts, dates and truths: what ClickHouse, Delta and notebooks all have.`,
      },
    ]
  })
}

/** ClickHouse would show 0 or an empty text for null. */
async function judgeNulls(
  session: DuckDbSession,
  { columns }: MetricDefinition,
  { signal }: IoOptions,
): Promise<readonly Refusal[]> {
  const names = Object.keys(columns)
  const counts = await session.row(
    `select ${names.map((name) => `count(*) filter (${identifier(name)} is null) as ${identifier(name)}`).join(', ')} from ${metricRows}`,
    { signal },
  )
  return names
    .filter((name) => counts[name] !== 0n)
    .map((name) => ({
      rule: 'nulls',
      problem: `${name} is null in ${countOf(Number(counts[name]), 'row')}, and the columns of a metric hold no null`,
      advice: 'Leave such rows out, or give them a value: COALESCE(value, 0).',
    }))
}

async function judgeGrain(
  session: DuckDbSession,
  { grain }: MetricDefinition,
  { signal }: IoOptions,
): Promise<readonly Refusal[]> {
  const names = grain.map(identifier).join(', ')
  const doubled = await session.rows(
    `select ${names}, count(*) as rows_of_it from ${metricRows} group by ${names} having count(*) > 1 order by all limit 1`,
    { signal },
  )
  return doubled.map((row) => ({
    rule: 'grain',
    problem: `${grain.join(', ')} names several rows, such as ${wordsOf(row)}`,
    advice: 'Add a column to the grain, or group by the grain.',
  }))
}

/** The same rows in other orders: a row that is picked by its place, or a sum of fractions, comes out another. */
async function judgeOrder(
  session: DuckDbSession,
  { sql }: MetricDefinition,
  over: (rows: string) => Promise<void>,
  { signal }: IoOptions,
): Promise<readonly Refusal[]> {
  for (const order of ['rowid desc', 'hash(rowid)']) {
    await session.run(
      `create or replace temporary table silver_shuffled as select * from silver_of_metric order by ${order}`,
      { signal },
    )
    await over('select * from silver_shuffled')
    const row = await firstDifference(session, sql, metricRows, { signal })
    await session.run(`drop view ${metricInput}; drop table silver_shuffled`, { signal })
    if (row === undefined) continue
    return [
      {
        rule: 'deterministic',
        problem: `The rows depend on the order of the events: ${wordsOf(row)} comes out otherwise when they are shuffled`,
        advice:
          'Order by columns that decide it, in place of LIMIT or FIRST_VALUE alone; round sums of fractions.',
      },
    ]
  }
  return []
}

/** The batch makes a day from that day's events alone, when they have changed. */
async function judgeDays(
  session: DuckDbSession,
  { sql }: MetricDefinition,
  over: (rows: string) => Promise<void>,
  { signal }: IoOptions,
): Promise<readonly Refusal[]> {
  const days = await session.rows(
    `select distinct event_date::varchar as day from silver_of_metric order by day desc limit ${daysAlone}`,
    { signal },
  )
  for (const { day } of days) {
    const ofDay = `where event_date = date ${text(String(day))}`
    await over(`select * from silver_of_metric ${ofDay}`)
    const row = await firstDifference(session, sql, `(select * from ${metricRows} ${ofDay})`, { signal })
    if (row === undefined) continue
    return [
      {
        rule: 'days',
        problem: `The rows of ${String(day)} are made from events of other days: ${wordsOf(row)} comes out otherwise from the events of that day`,
        advice:
          'Group by event_date, and look at no other day: the batch makes each day from its own events.',
      },
    ]
  }
  return []
}

/** A row that only one of both has. */
async function firstDifference(
  session: DuckDbSession,
  sql: string,
  rows: string,
  { signal }: IoOptions,
): Promise<Row | undefined> {
  await session.run(`create or replace temporary table metric_again as\n${sql}`, { signal })
  const [row] = await session.rows(
    `(select * from metric_again except all select * from ${rows})
     union all (select * from ${rows} except all select * from metric_again) limit 1`,
    { signal },
  )
  return row
}

async function judgeChecks(
  session: DuckDbSession,
  metric: MetricDefinition,
  { nowMs, signal }: IoOptions & { readonly nowMs: number },
): Promise<readonly Refusal[]> {
  const expected = metricChecks(metric).map(({ expectation }) => expectation)
  const results = await evaluateExpectations(session, metricRows, expected, {
    groupBy: 'event_date',
    orderBy: metric.grain,
    nowMs,
    signal,
  })
  return results
    .filter(({ outcome }) => outcome === 'breaks')
    .slice(0, 3)
    .map(({ expectation, group, violations, sample: [row] }) => ({
      rule: 'checks',
      problem: `${group ?? 'The table'}: ${countOf(violations, 'row')} ${violations === 1 ? 'breaks' : 'break'} the check ${expectation}${row === undefined ? '' : `, such as ${wordsOf(row)}`}`,
      advice: 'Correct the SQL, or the check.',
    }))
}

const wordsOf = (row: Row): string =>
  Object.entries(row)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')
