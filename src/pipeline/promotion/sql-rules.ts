/**
 * What the SQL of a metric may be made of: one SELECT over `silver_events`, in the dialect that DuckDB and Spark share,
 * with functions whose answer depends on nothing but the rows.
 *
 * DuckDB's own parser reads it: https://duckdb.org/docs/stable/data/json/sql_to_and_from_json
 */
import { isLakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type JsonValue, parseJson } from '../../lib/base/json.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import { viewOf } from '../model/checks.ts'
import type { Refusal } from './definition.ts'

/** The only relation of a metric: the rows of silver, of the days that are made. */
export const metricInput = viewOf('silver/events')

/**
 * What both engines have, with the same answer. Names as DuckDB's parser says them. Not here are count_if and concat, which
 * take nulls differently, and dayofweek, which counts from another day.
 */
const sharedFunctions = new Set(
  `count count_star sum min max avg bool_and bool_or stddev_samp stddev_pop var_samp var_pop
  abs ceil ceiling floor round sqrt power pow exp ln log10 greatest least sign mod
  coalesce nullif ifnull if
  lower upper trim ltrim rtrim length concat_ws substring substr replace lpad rpad contains md5
  date_trunc date_part year month day dayofmonth hour minute second quarter
  row_number rank dense_rank lag lead first_value last_value ntile
  + - * / % || ~~ !~~ not`.split(/\s+/),
)

/** @returns nothing if the SQL may be a metric's. */
export async function judgeSql(
  session: DuckDbSession,
  sql: string,
  { signal }: IoOptions = {},
): Promise<readonly Refusal[]> {
  const parsed = await parseStatement(session, sql, { signal })
  if (typeof parsed === 'string')
    return [{ rule: 'sql', problem: parsed, advice: 'Correct the SQL; it must be one SELECT.' }]
  const nodes = [...nodesOf(parsed)]
  return [
    ...judgeRelations(nodes),
    ...(await judgeFunctions(session, nodes, { signal })),
    ...judgeDialect(nodes, sql),
  ]
}

type Node = Readonly<Record<string, JsonValue>>

/** The tree of the statement; a text says why there is none. */
export async function parseStatement(
  session: DuckDbSession,
  sql: string,
  { signal }: IoOptions,
): Promise<JsonValue | string> {
  try {
    const { tree } = await session.row(`select json_serialize_sql(${text(sql)}) as tree`, { signal })
    const parsed = parseJson(String(tree), 'the parsed SQL') as { readonly [key: string]: JsonValue }
    if (parsed['error'] === true) return String(parsed['error_message'])
    const { statements } = parsed
    if (!Array.isArray(statements) || statements.length !== 1) return 'Expected one statement, got several'
    return statements[0] ?? 'Expected one statement, got none'
  } catch (error) {
    if (isLakeError(error, 'SQL_INVALID')) return error.message
    throw error
  }
}

/** Each object in the tree, the outer ones first. */
export function* nodesOf(value: JsonValue): Iterable<Node> {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const each of value) yield* nodesOf(each)
    return
  }
  const node = value as Node
  yield node
  for (const each of Object.values(node)) yield* nodesOf(each)
}

function judgeRelations(nodes: readonly Node[]): readonly Refusal[] {
  const ctes = new Set(
    nodes.flatMap(({ cte_map: map }) => {
      const entries = typeof map === 'object' && map !== null && 'map' in map ? map['map'] : []
      return Array.isArray(entries) ? entries.map((entry) => String((entry as Node)['key'])) : []
    }),
  )
  const advice = `A metric is made from silver alone: select from ${metricInput}, whose days the batch makes again when they change.`
  const read = nodes.flatMap(({ type, schema_name: schema, table_name: table }) => {
    if (type !== 'BASE_TABLE') return []
    return [[schema, table].filter((part) => part !== '').join('.')]
  })
  const other = [...new Set(read)].filter((name) => name !== metricInput && !ctes.has(name))
  const refusals = other.map((name) => ({ rule: 'input', problem: `The SQL reads ${name}`, advice }))
  if (nodes.some(({ type }) => type === 'TABLE_FUNCTION'))
    refusals.push({ rule: 'input', problem: 'The SQL reads a table function', advice })
  if (!read.includes(metricInput))
    refusals.push({ rule: 'input', problem: `The SQL does not read ${metricInput}`, advice })
  return refusals
}

async function judgeFunctions(
  session: DuckDbSession,
  nodes: readonly Node[],
  { signal }: IoOptions,
): Promise<readonly Refusal[]> {
  const names = new Set(
    nodes.flatMap((node) => (typeof node['function_name'] === 'string' ? [node['function_name']] : [])),
  )
  const unknown = [...names].filter((name) => !sharedFunctions.has(name)).sort()
  if (unknown.length === 0) return []
  const list = unknown.map(text).join(', ')
  const changing = await session.rows(
    `select distinct function_name as name from duckdb_functions()
     where function_name in (${list}) and stability in ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')`,
    { signal },
  )
  const isChanging = new Set(changing.map((row) => String(row['name'])))
  return unknown.map((name): Refusal => {
    if (isChanging.has(name)) {
      return {
        rule: 'deterministic',
        problem: `${name}() has another answer each time`,
        advice: 'A metric is a function of the events: use their own times.',
      }
    }
    return {
      rule: 'dialect',
      problem: `${name}() is not among the functions that DuckDB and Spark share`,
      advice: `These are: ${[...sharedFunctions].filter((each) => /^[a-z]/.test(each)).join(', ')}.`,
    }
  })
}

/** Forms that DuckDB has and Spark has not. */
function judgeDialect(nodes: readonly Node[], sql: string): readonly Refusal[] {
  const code = sql.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\//g, ' ').replaceAll(/'(?:[^']|'')*'/g, "''")
  const has = (is: (node: Node) => boolean): boolean => nodes.some(is)
  const isSet = (value: JsonValue | undefined): boolean =>
    value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)
  const forms: readonly (readonly [boolean, string, string])[] = [
    [code.includes('::'), 'a cast with ::', 'CAST(value AS TYPE)'],
    [code.includes('"'), 'a name in double quotes, which Spark takes for a text', 'the name without quotes'],
    [/\bvarchar\b(?!\s*\()/i.test(code), 'VARCHAR without a length', 'STRING'],
    [
      /\btimestamptz\b|\btimestamp\s+with\s+time\s+zone\b/i.test(code),
      'TIMESTAMP WITH TIME ZONE',
      'TIMESTAMP',
    ],
    [
      /\b(hugeint|uhugeint|ubigint|uinteger|usmallint|utinyint)\b/i.test(code),
      'a type that only DuckDB has',
      'BIGINT',
    ],
    [has(({ qualify }) => isSet(qualify)), 'QUALIFY', 'a condition on a subquery'],
    [has(({ sample }) => isSet(sample)), 'a sample', 'all of the rows'],
    [
      has(({ type, distinct_on_targets: on }) => type === 'DISTINCT_MODIFIER' && isSet(on)),
      'DISTINCT ON',
      'GROUP BY',
    ],
    [
      has(
        ({ class: kind, exclude_list: without, replace_list: other }) =>
          kind === 'STAR' && (isSet(without) || isSet(other)),
      ),
      '* with EXCLUDE or REPLACE',
      'the columns by name',
    ],
    [
      has(({ ref_type: type }) => type === 'POSITIONAL' || type === 'ASOF'),
      'a join that only DuckDB has',
      'JOIN … ON',
    ],
    [
      has(({ type }) => type === 'PIVOT' || type === 'LAMBDA'),
      'PIVOT or a lambda',
      'CASE WHEN in an aggregate',
    ],
  ]
  return [
    ...judgeStability(nodes, code),
    ...forms.flatMap(([is, what, instead]) =>
      is ? [{ rule: 'dialect', problem: `Spark cannot run ${what}`, advice: `Write ${instead}.` }] : [],
    ),
    ...judgeMeaning(nodes),
  ]
}

/** Parts of a time that both engines count alike. */
const sharedParts = ['year', 'quarter', 'month', 'day', 'hour', 'minute']

/** What both engines run, and understand differently. */
function judgeMeaning(nodes: readonly Node[]): readonly Refusal[] {
  const found: Refusal[] = []
  const refuse = (problem: string, advice: string): void =>
    void found.push({ rule: 'dialect', problem, advice })
  if (nodes.some(({ class: kind, orders }) => kind === 'WINDOW' && hasOpenNulls(orders))) {
    refuse(
      'ORDER BY in a window says nothing of nulls, which come last in DuckDB and first in Spark',
      'Write NULLS FIRST or NULLS LAST.',
    )
  }
  for (const { function_name: name, children } of nodes) {
    const [first, second] = Array.isArray(children) ? children.map(constantOf) : []
    if (name === 'date_part' && !sharedParts.includes(String(first).toLowerCase())) {
      refuse(
        `date_part of ${String(first)} is not the same in DuckDB and Spark`,
        `These are: ${sharedParts.join(', ')}.`,
      )
    }
    if ((name === 'substring' || name === 'substr') && second === 0) {
      refuse(`${name}() from 0 is not the same in DuckDB and Spark`, 'Count from 1.')
    }
  }
  return found
}

/** Whether an ascending order does not say where nulls come; in a descending one both have them last. */
function hasOpenNulls(orders: JsonValue | undefined): boolean {
  if (!Array.isArray(orders)) return false
  return orders.some((order) => {
    const { type, null_order: nulls } = order as Node
    return type !== 'DESCENDING' && nulls === 'ORDER_DEFAULT'
  })
}

/** The value of a constant in the tree. */
function constantOf(node: JsonValue): unknown {
  const { value } = (node ?? {}) as { readonly value?: { readonly value?: unknown } }
  const constant = value?.value
  return typeof constant === 'string' ? constant : constant === undefined ? undefined : Number(constant)
}

/** What would make the rows others while the events stay the same. */
function judgeStability(nodes: readonly Node[], code: string): readonly Refusal[] {
  const clock = /\b(?:current_date|current_time|current_timestamp|localtime|localtimestamp)\b/i.exec(code)
  const unstable: Refusal[] = []
  if (clock !== null) {
    const problem = `${clock[0]} has another answer each time`
    unstable.push({
      rule: 'deterministic',
      problem,
      advice: 'A metric is a function of the events: use their own times.',
    })
  }
  if (nodes.some(({ type }) => type === 'LIMIT_MODIFIER' || type === 'LIMIT_PERCENT_MODIFIER')) {
    const problem = 'LIMIT keeps a number of rows, however many events there are'
    unstable.push({
      rule: 'deterministic',
      problem,
      advice: 'Rank the rows of a day by ROW_NUMBER(), and keep the first of them.',
    })
  }
  if (/;\s*$/.test(code))
    unstable.push({
      rule: 'sql',
      problem: 'The SQL ends in a semicolon',
      advice: 'Leave it out: it is part of other statements.',
    })
  return unstable
}
