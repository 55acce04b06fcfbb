/**
 * Conditions that ask for the time, made to ask once: `day = current_date` says the same in each query that it is
 * part of, also beyond midnight.
 */
import type { IoOptions } from '../base/io.ts'
import type { DuckDbSession } from './duckdb.ts'
import { columnNames, nodesOf, parseExpression, type SyntaxNode } from './expression.ts'
import { text } from './sql-text.ts'

/** DuckDB calls some of them consistent, which they are within a query alone. */
export const timeFunctions: ReadonlySet<string> = new Set([
  'current_date',
  'current_localtime',
  'current_localtimestamp',
  'current_time',
  'current_timestamp',
  'get_current_time',
  'get_current_timestamp',
  'localtime',
  'localtimestamp',
  'now',
  'today',
  'transaction_timestamp',
])

/** What `parseExpression` puts before the text, where places in it are counted from. */
const before = 'select (\n'.length

export interface SettleOptions extends IoOptions {
  /** Names that stand for columns, whatever else they could mean. */
  readonly columns: readonly string[]
}

/**
 * The expression with constants in the place of what asks for the time; the rest of its text stays as it is.
 *
 * @throws LakeError `SQL_INVALID` when the text is not one expression.
 */
export async function settleTime(
  session: DuckDbSession,
  expression: string,
  { columns, signal }: SettleOptions,
): Promise<string> {
  if (!mayAskForTime.test(expression)) return expression
  const tree = await parseExpression(session, expression, { signal })
  const bytes = Buffer.from(expression)
  const calls = [...nodesOf(tree)]
    .flatMap((node) => callOf(node, bytes, columns))
    .toSorted((a, b) => a.from - b.from)
  if (calls.length === 0) return expression
  const values = calls.map(({ sql }, index) => `(${sql})::varchar as v${index}, typeof(${sql}) as t${index}`)
  const row = await session.row(`select ${values.join(', ')}`, { signal })
  let settled = ''
  let at = 0
  for (const [index, { from, to }] of calls.entries()) {
    const constant = `cast(${text(String(row[`v${index}`]))} as ${String(row[`t${index}`])})`
    settled += bytes.subarray(at, from).toString() + constant
    at = to
  }
  return settled + bytes.subarray(at).toString()
}

const mayAskForTime = new RegExp([...timeFunctions].join('|'), 'i')

interface Call {
  readonly sql: string
  /** Bytes. */
  readonly from: number
  readonly to: number
}

function callOf(node: SyntaxNode, expression: Buffer, columns: readonly string[]): readonly Call[] {
  const from = Number(node['query_location']) - before
  if (!(from >= 0 && from < expression.length)) return []
  const rest = expression.subarray(from).toString()
  const names = columnNames(node)
  const isFunction = node['class'] === 'FUNCTION'
  const name = isFunction ? String(node['function_name']) : names?.length === 1 ? String(names[0]) : ''
  if (!timeFunctions.has(name.toLowerCase())) return []
  if (!isFunction && columns.some((column) => column.toLowerCase() === name.toLowerCase())) return []
  const [found] = (isFunction ? /^\w+\s*\(\s*\)/ : /^\w+/).exec(rest) ?? []
  // A quoted name, or a function of another schema, is left as it is.
  if (found === undefined || !found.toLowerCase().startsWith(name.toLowerCase())) return []
  return [{ sql: found, from, to: from + Buffer.byteLength(found) }]
}
