/** A part of a table's rows as a SELECT: some columns, a condition, so many rows. */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { parseJson } from '../../lib/base/json.ts'
import type { Snapshot } from '../../lib/delta/snapshot.ts'
import type { DeltaTable } from '../../lib/delta/table.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { identifier, text } from '../../lib/duckdb/sql-text.ts'

export interface RowSelection {
  /** In this order; all of the schema, in its order, without it. */
  readonly columns?: readonly string[] | undefined
  /** One expression of DuckDB's SQL over the columns of the table. */
  readonly where?: string | undefined
  readonly limit?: number | undefined
}

/** @throws LakeError `COLUMN_MISSING`, or `SQL_INVALID` when the condition is not one expression. */
export async function selectRows(
  session: DuckDbSession,
  table: DeltaTable,
  snapshot: Snapshot,
  { columns, where, limit, signal }: RowSelection & IoOptions,
): Promise<string> {
  const known = snapshot.schema.fields.map(({ name }) => name)
  const wanted = (columns ?? known).map((name) => {
    const found = known.find((each) => each === name) ?? known.find((each) => sameName(each, name))
    if (found !== undefined) return found
    throw new LakeError('COLUMN_MISSING', `${table.uri}: no column ${name}; it has ${known.join(', ')}`, {
      details: { uri: table.uri, column: name },
    })
  })
  if (where !== undefined) await requireExpression(session, where, { signal })
  const scan = await table.scan(session, snapshot, { signal })
  const parts = [`select ${wanted.map(identifier).join(', ')} from (${scan})`]
  // On lines of its own, so that a comment at its end ends there.
  if (where !== undefined) parts.push(`where (\n${where}\n)`)
  if (limit !== undefined) parts.push(`limit ${limit}`)
  return parts.join(' ')
}

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Asks DuckDB's parser, which runs nothing, whether the text is one expression and nothing besides. */
async function requireExpression(session: DuckDbSession, where: string, options: IoOptions): Promise<void> {
  const row = await session.row(`select json_serialize_sql(${text(`select (\n${where}\n)`)}) as ast`, options)
  const bare = await session.row(`select json_serialize_sql(${text(`select ${where}\n`)}) as ast`, options)
  for (const { ast } of [row, bare]) {
    const tree = parseJson(String(ast), 'syntax tree')
    if (isOneExpression(tree)) continue
    const words = wordsOf(tree)
    throw new LakeError(
      'SQL_INVALID',
      `Condition ${where}: expected one SQL expression${words === undefined ? '' : `: ${words}`}`,
      { hint: "Give a condition on the table's columns, such as \"event_type = 'click'\"." },
    )
  }
}

function isOneExpression(tree: unknown): boolean {
  const statements = at(tree, 'statements')
  if (at(tree, 'error') !== false || !Array.isArray(statements) || statements.length !== 1) return false
  const node = at(statements[0], 'node')
  const list = at(node, 'select_list')
  return (
    at(node, 'type') === 'SELECT_NODE' &&
    Array.isArray(list) &&
    list.length === 1 &&
    at(list[0], 'alias') === '' &&
    at(at(node, 'from_table'), 'type') === 'EMPTY' &&
    [at(node, 'where_clause'), at(node, 'having'), at(node, 'qualify'), at(node, 'sample')].every(
      (clause) => clause === null,
    ) &&
    isEmpty(at(node, 'modifiers')) &&
    isEmpty(at(node, 'group_expressions')) &&
    isEmpty(at(at(node, 'cte_map'), 'map'))
  )
}

const isEmpty = (list: unknown): boolean => Array.isArray(list) && list.length === 0

function wordsOf(tree: unknown): string | undefined {
  const words = at(tree, 'error_message')
  return typeof words === 'string' ? words : undefined
}

function at(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
