/**
 * Which columns of its input each column of a SELECT is computed from, as DuckDB's own parser reads it.
 *
 * Told are SELECTs over one relation, nested or not. Conditions and grouping are not among what a column is computed
 * from. A column for which it cannot be told is left out: nothing is guessed.
 */
import type { IoOptions } from '../../lib/base/io.ts'
import type { JsonValue } from '../../lib/base/json.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { nodesOf, parseStatement } from '../promotion/sql-rules.ts'

export interface Relation {
  readonly name: string
  readonly columns: readonly string[]
}

/** Column → columns of the relation. */
export type ColumnOrigins = ReadonlyMap<string, readonly string[]>

type Node = Readonly<Record<string, JsonValue>>

/** Empty where nothing can be told. */
export async function columnOrigins(
  session: DuckDbSession,
  sql: string,
  input: Relation,
  { signal }: IoOptions = {},
): Promise<ColumnOrigins> {
  const statement = await parseStatement(session, sql, { signal })
  if (typeof statement === 'string') return new Map()
  return originsIn(nodeAt(statement, 'node'), input) ?? new Map()
}

function originsIn(select: Node | undefined, input: Relation): Map<string, readonly string[]> | undefined {
  if (select?.['type'] !== 'SELECT_NODE' || hasCtes(select)) return undefined
  const from = nodeAt(select, 'from_table')
  const source = from && originsOfRelation(from, input)
  const list = select['select_list']
  if (from === undefined || source === undefined || !Array.isArray(list)) return undefined
  // A relation that has another name is not known by its own.
  const names = [from['alias'] || from['table_name']]
  const found = new Map<string, readonly string[]>()
  for (const item of list as readonly Node[]) {
    if (item['class'] === 'STAR') {
      // Where it leaves out or replaces columns, none of them can be told.
      if (!isPlainStar(item)) return undefined
      for (const [column, origins] of source) found.set(column, origins)
      continue
    }
    const column = aliasOf(item)
    const origins = originsOfExpression(item, source, names)
    if (column === undefined) continue
    if (origins === undefined || origins.length === 0) found.delete(column)
    else found.set(column, origins)
  }
  return found
}

function originsOfRelation(from: Node, input: Relation): Map<string, readonly string[]> | undefined {
  if (from['type'] === 'BASE_TABLE') {
    if (from['table_name'] !== input.name) return undefined
    return new Map(input.columns.map((column) => [column, [column]]))
  }
  if (from['type'] !== 'SUBQUERY') return undefined
  return originsIn(nodeAt(nodeAt(from, 'subquery'), 'node'), input)
}

function originsOfExpression(
  item: Node,
  source: ReadonlyMap<string, readonly string[]>,
  names: readonly (JsonValue | undefined)[],
): readonly string[] | undefined {
  const found = new Set<string>()
  for (const node of nodesOf(item)) {
    if (node['class'] === 'SUBQUERY' || node['class'] === 'LAMBDA' || node['class'] === 'STAR')
      return undefined
    if (node['class'] !== 'COLUMN_REF') continue
    const path = node['column_names']
    if (!Array.isArray(path)) return undefined
    const [first, second] = path
    const isQualified = path.length === 2 && first !== '' && names.includes(first)
    const column = path.length === 1 ? first : isQualified ? second : undefined
    const origins = typeof column === 'string' ? source.get(column) : undefined
    if (origins === undefined) return undefined
    for (const each of origins) found.add(each)
  }
  return [...found]
}

function aliasOf(item: Node): string | undefined {
  if (typeof item['alias'] === 'string' && item['alias'] !== '') return item['alias']
  const path = item['class'] === 'COLUMN_REF' ? item['column_names'] : undefined
  const last = Array.isArray(path) ? path.at(-1) : undefined
  return typeof last === 'string' ? last : undefined
}

const isEmpty = (value: JsonValue | undefined): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  value === false ||
  (typeof value === 'object' && Object.keys(value).length === 0)

const isPlainStar = (item: Node): boolean =>
  [
    'exclude_list',
    'replace_list',
    'qualified_exclude_list',
    'rename_list',
    'columns',
    'expr',
    'relation_name',
  ].every((key) => isEmpty(item[key]))

function hasCtes(select: Node): boolean {
  return !isEmpty(nodeAt(select, 'cte_map')?.['map'])
}

function nodeAt(node: JsonValue | undefined, key: string): Node | undefined {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return undefined
  const value = (node as Node)[key]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : undefined
}
