/**
 * SQL expressions as DuckDB's own parser reads them: checked, taken apart, and printed again.
 *
 * The parser runs nothing: an expression is judged before any of it is executed.
 */
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson, type JsonValue, parseJson } from '../base/json.ts'
import type { DuckDbSession } from './duckdb.ts'
import { text } from './sql-text.ts'

/** A node of DuckDB's syntax tree (`json_serialize_sql`). */
export type SyntaxNode = Readonly<Record<string, JsonValue>>

/**
 * @param what names the expression in errors: `Condition`, `CHECK adult`.
 * @throws LakeError `SQL_INVALID` when the text is not one expression and nothing besides.
 */
export async function parseExpression(
  session: DuckDbSession,
  expression: string,
  { what = 'Condition', signal }: IoOptions & { readonly what?: string } = {},
): Promise<SyntaxNode> {
  // In brackets, so that it cannot bring clauses of its own; bare, so that it cannot close the brackets.
  const row = await session.row(
    `select json_serialize_sql(${text(`select (\n${expression}\n)`)}) as bracketed, json_serialize_sql(${text(`select ${expression}\n`)}) as bare`,
    { signal },
  )
  let found: SyntaxNode | undefined
  for (const ast of [row['bare'], row['bracketed']]) {
    const tree = nodeOf(parseJson(String(ast), 'syntax tree'))
    found = onlyExpression(tree)
    if (found !== undefined) continue
    const words = tree?.['error_message']
    throw new LakeError(
      'SQL_INVALID',
      `${what} ${expression}: expected one SQL expression${typeof words === 'string' ? `: ${words}` : ''}`,
      { details: { fault: 'not-an-expression' } },
    )
  }
  if (found === undefined) throw new LakeError('BUG', `${what} ${expression}: no syntax tree`)
  return found
}

/** The SQL of each node, as DuckDB prints it. */
export async function printExpressions(
  session: DuckDbSession,
  nodes: readonly SyntaxNode[],
  { signal }: IoOptions = {},
): Promise<readonly string[]> {
  const known = nodes.map(plainConstant)
  const columns = nodes.flatMap((node, index) =>
    known[index] === undefined
      ? [`json_deserialize_sql(${text(formatJson(selectOf(printable(node))))}) as c${index}`]
      : [],
  )
  const row = columns.length === 0 ? {} : await session.row(`select ${columns.join(', ')}`, { signal })
  return known.map((sql, index) => sql ?? String(row[`c${index}`]).replace(/^SELECT /, ''))
}

/** A text or a small number, which most conditions compare with: they need not be asked for. */
function plainConstant(node: SyntaxNode): string | undefined {
  const constant = node['class'] === 'CONSTANT' ? nodeOf(node['value']) : undefined
  const value = constant?.['value']
  switch (nodeOf(constant?.['type'])?.['id']) {
    case 'INTEGER':
      return Number.isSafeInteger(value) ? String(value) : undefined
    case 'VARCHAR':
      return typeof value === 'string' ? text(value) : undefined
    default:
      return undefined
  }
}

/** Every node of the tree, the root first. Those inside a subquery are left out. */
export function* nodesOf(root: SyntaxNode): Iterable<SyntaxNode> {
  yield root
  if (root['class'] === 'SUBQUERY') return
  for (const value of Object.values(root)) {
    for (const item of Array.isArray(value) ? (value as readonly JsonValue[]) : [value]) {
      const child = nodeOf(item)
      if (child !== undefined) yield* nodesOf(child)
    }
  }
}

/** The parts of a column reference (`s.a` → `['s', 'a']`), or `undefined` for any other node. */
export function columnNames(node: SyntaxNode): readonly string[] | undefined {
  if (node['class'] !== 'COLUMN_REF') return undefined
  const names = node['column_names']
  return Array.isArray(names) ? (names as readonly JsonValue[]).map(String) : undefined
}

export function childrenOf(node: SyntaxNode, name = 'children'): readonly SyntaxNode[] {
  const value = node[name]
  const items = Array.isArray(value) ? (value as readonly JsonValue[]) : [value ?? null]
  return items.map((item) => nodeOf(item)).filter((child) => child !== undefined)
}

export function nodeOf(value: JsonValue | undefined): SyntaxNode | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as SyntaxNode)
    : undefined
}

/** A double that is a whole number loses its point on the way through JSON, and is then refused: it goes as text. */
function printable(node: SyntaxNode): SyntaxNode {
  const constant = node['class'] === 'CONSTANT' ? nodeOf(node['value']) : undefined
  const type = nodeOf(constant?.['type'])
  if (constant?.['is_null'] === false && (type?.['id'] === 'DOUBLE' || type?.['id'] === 'FLOAT')) {
    const value = {
      type: { id: 'VARCHAR', type_info: null },
      is_null: false,
      value: String(constant['value']),
    }
    const child = { class: 'CONSTANT', type: 'VALUE_CONSTANT', alias: '', query_location: 0, value }
    return { class: 'CAST', type: 'OPERATOR_CAST', alias: '', child, cast_type: type, try_cast: false }
  }
  return Object.fromEntries(
    Object.entries(node).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((item) => printableValue(item)) : printableValue(value),
    ]),
  )
}

function printableValue(value: JsonValue): JsonValue {
  const node = nodeOf(value)
  return node === undefined ? value : printable(node)
}

function onlyExpression(tree: SyntaxNode | undefined): SyntaxNode | undefined {
  const [statement, ...further] = tree === undefined ? [] : childrenOf(tree, 'statements')
  if (tree?.['error'] !== false || statement === undefined || further.length > 0) return undefined
  const select = nodeOf(statement['node'])
  if (select === undefined || select['type'] !== 'SELECT_NODE') return undefined
  const [expression, ...others] = childrenOf(select, 'select_list')
  const isBare =
    expression?.['alias'] === '' &&
    expression['class'] !== 'STAR' &&
    others.length === 0 &&
    nodeOf(select['from_table'])?.['type'] === 'EMPTY' &&
    ['where_clause', 'having', 'qualify', 'sample'].every((clause) => select[clause] === null) &&
    isEmpty(select['modifiers']) &&
    isEmpty(select['group_expressions']) &&
    isEmpty(nodeOf(select['cte_map'])?.['map'])
  return isBare ? expression : undefined
}

function isEmpty(value: JsonValue | undefined): boolean {
  return Array.isArray(value) && value.length === 0
}

function selectOf(expression: SyntaxNode): SyntaxNode {
  return {
    error: false,
    statements: [
      {
        node: {
          type: 'SELECT_NODE',
          modifiers: [],
          cte_map: { map: [] },
          select_list: [expression],
          from_table: { type: 'EMPTY', alias: '', sample: null },
          where_clause: null,
          group_expressions: [],
          group_sets: [],
          aggregate_handling: 'STANDARD_HANDLING',
          having: null,
          sample: null,
          qualify: null,
        },
        named_param_map: [],
      },
    ],
  }
}
