/**
 * The rows that break expectations, each by the columns that name it, and what has become of each since they were asked
 * before: new, still there, or fixed. All of it in temporary tables of a session, so that their number does not matter.
 */
import type { IoOptions } from '../base/io.ts'
import { type JsonValue, parseJson } from '../base/json.ts'
import type { DuckDbSession } from '../duckdb/duckdb.ts'
import { identifier, text } from '../duckdb/sql-text.ts'
import type { Value } from '../duckdb/values.ts'
import {
  type Broken,
  columnsOf,
  type EvaluateOptions,
  type ExpectationResult,
  evaluateWith,
} from './evaluate.ts'
import { describeExpectation, type Expectation } from './expectation.ts'

export interface CollectOptions extends Omit<EvaluateOptions, 'sampleSize' | 'orderBy'> {
  /** The columns that name a row. Rows of one name count as one; one that lacks them all is named by all that it has. */
  readonly key: readonly string[]
  /** A temporary table, which is replaced: `check_name`, `group_name` (empty without groups), `row_key` as JSON. */
  readonly into: string
}

/** As `evaluateExpectations`, with every violating row in a table instead of a sample of them. */
export async function collectViolations(
  session: DuckDbSession,
  relation: string,
  expectations: readonly Expectation[],
  { key, into, ...options }: CollectOptions,
): Promise<readonly ExpectationResult[]> {
  const table = identifier(into)
  await session.run(
    `create or replace temporary table ${table} (check_name varchar, group_name varchar, row_key varchar, rows bigint)`,
    { signal: options.signal },
  )
  return evaluateWith(session, relation, expectations, options, async (each, rows, { group, signal }) => {
    const check = text(describeExpectation(each))
    const columns = await columnsOf(session, each, rows, key, { signal })
    const named = columns.map((column) => `${text(column)}: ${identifier(column)}`).join(', ')
    await session.run(
      `insert into ${table}
       select ${check}, cast(${group} as varchar) as group_name,
         cast(to_json(${named === '' ? 'violating' : `{${named}}`}) as varchar) as row_key, count(*)
       from (${rows}) as violating group by group_name, row_key`,
      { signal },
    )
    const found = await session.rows(
      `select group_name, sum(rows) as n from ${table} where check_name = ${check} group by group_name`,
      { signal },
    )
    return new Map(
      found.map(({ group_name: of, n }): [string, Broken] => [
        String(of),
        { violations: Number(n), sample: [] },
      ]),
    )
  })
}

export const rowStates = ['new', 'still', 'fixed'] as const
/** Against the time that the expectation was asked before. */
export type RowState = (typeof rowStates)[number]

/**
 * Makes the temporary table `into` of the rows in `now` and in `before`: `check_name`, `group_name`, `row_key`, and
 * `since`, a `RowState`.
 */
export async function compareViolations(
  session: DuckDbSession,
  { now, before, into }: { readonly now: string; readonly before: string; readonly into: string },
  { signal }: IoOptions = {},
): Promise<void> {
  await session.run(
    `create or replace temporary table ${identifier(into)} as
     select check_name, group_name, row_key,
       case when earlier.row_key is null then 'new' when present.row_key is null then 'fixed' else 'still' end as since
     from ${identifier(now)} as present
       full join ${identifier(before)} as earlier using (check_name, group_name, row_key)`,
    { signal },
  )
}

export interface ViolatingRow {
  readonly since: RowState
  /** The columns that name the row. */
  readonly key: Readonly<Record<string, JsonValue>>
}

export interface ViolatingRows {
  readonly check: string
  readonly group: string
  readonly counts: Readonly<Record<RowState, number>>
  /** New ones first, then those that are still there, then those that are fixed. */
  readonly sample: readonly ViolatingRow[]
}

/** Of each check and group that has any row, how many there are, and at most `sampleSize` of them. */
export async function summarizeViolations(
  session: DuckDbSession,
  states: string,
  { sampleSize, signal }: IoOptions & { readonly sampleSize: number },
): Promise<readonly ViolatingRows[]> {
  const counts = rowStates
    .map((state) => `count(*) filter (where since = '${state}') as "${state}"`)
    .join(', ')
  const order = `list_position([${rowStates.map(text).join(', ')}], since), length(row_key), row_key`
  const groups = await session.rows(
    `select check_name, group_name, ${counts},
       list({since: since, row_key: row_key} order by ${order}) filter (where nth <= ${sampleSize}) as sample
     from (
       select *, row_number() over (partition by check_name, group_name order by ${order}) as nth
       from ${identifier(states)}
     )
     group by check_name, group_name order by check_name, group_name`,
    { signal },
  )
  return groups.map((row) => ({
    check: String(row['check_name']),
    group: String(row['group_name']),
    counts: { new: Number(row['new']), still: Number(row['still']), fixed: Number(row['fixed']) },
    sample: sampleIn(row['sample']),
  }))
}

function sampleIn(values: Value | undefined): readonly ViolatingRow[] {
  if (!Array.isArray(values)) return []
  return values.flatMap((value: Value) => {
    if (typeof value !== 'object' || value === null || !('since' in value)) return []
    const since = rowStates.find((state) => state === value['since'])
    return since === undefined ? [] : [{ since, key: keyIn(String(value['row_key'])) }]
  })
}

function keyIn(json: string): ViolatingRow['key'] {
  const key = parseJson(json, 'The name of a row')
  const isObject = (value: JsonValue): value is ViolatingRow['key'] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject(key) ? key : {}
}
