/**
 * Bounds, or a list of values, for the rows of the table that the source of a merge can match.
 *
 * Values are compared as the merge condition compares them: the column of the table with a value of the source's type.
 */

import type { IoOptions } from '../../../base/io.ts'
import { columnTypes } from '../../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../../duckdb/duckdb.ts'
import {
  childrenOf,
  columnNames,
  nodeOf,
  nodesOf,
  parseExpression,
  printExpressions,
  type SyntaxNode,
} from '../../../duckdb/expression.ts'
import { identifier, text } from '../../../duckdb/sql-text.ts'
import { type Predicate, parsePredicate } from '../../rows/predicate.ts'
import { isSameName } from '../../schema/names.ts'
import type { StructType } from '../../schema/schema.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'

/** What a merge's conditions call the two sides. */
export const aliases = { target: 't', source: 's' } as const

/** `t.id = s.id`, which must hold for each pair that matches. */
export interface KeyEquality {
  /** The column, and the fields within it. */
  readonly target: readonly string[]
  /** SQL over `s`. */
  readonly source: string
  readonly nullIsEqual: boolean
}

/** The equalities that stand in `on` by themselves or joined by AND. */
export async function keyEqualities(
  session: DuckDbSession,
  { fields }: StructType,
  on: string,
  { signal }: IoOptions = {},
): Promise<readonly KeyEquality[]> {
  const found: { target: readonly string[]; node: SyntaxNode; nullIsEqual: boolean }[] = []
  for (const node of conjuncts(await parseExpression(session, on, { signal }))) {
    const nullIsEqual = node['type'] === 'COMPARE_NOT_DISTINCT_FROM'
    if (!nullIsEqual && node['type'] !== 'COMPARE_EQUAL') continue
    const [left, right] = [nodeOf(node['left']), nodeOf(node['right'])]
    if (left === undefined || right === undefined) continue
    for (const [column, other] of [
      [left, right],
      [right, left],
    ] as const) {
      const [alias, ...target] = columnNames(column) ?? []
      if (!isSameName(alias ?? '', aliases.target) || !isOfSource(other)) continue
      if (!fields.some(({ name }) => isSameName(name, target[0] ?? ''))) continue
      found.push({ target, node: other, nullIsEqual })
      break
    }
  }
  const texts = await printExpressions(
    session,
    found.map(({ node }) => node),
    { signal },
  )
  return found.map(({ target, nullIsEqual }, index) => ({
    target,
    source: texts[index] ?? 'null',
    nullIsEqual,
  }))
}

/**
 * What holds of each row of the table that a row of `source` may match.
 *
 * @param source The name of a table of the session.
 */
export async function reachableRows(
  session: DuckDbSession,
  { schema, partitionColumns }: Snapshot,
  {
    on,
    source,
    keys,
  }: { readonly on: string; readonly source: string; readonly keys: readonly KeyEquality[] },
  { signal }: IoOptions = {},
): Promise<Predicate> {
  const context = { schema, partitionColumns, signal }
  const of = [await parsePredicate(session, on, { ...context, alias: aliases.target })]
  for (const key of keys) {
    const bounds = await boundsOf(session, key, source, { signal })
    if (bounds.kind === 'noRow') of.push(none)
    if (bounds.kind === 'rows') of.push(await parsePredicate(session, bounds.condition, context))
  }
  return { kind: 'and', of }
}

/** True of no row. */
const none: Predicate = { kind: 'or', of: [] }

/** Of more values than these, only the least and the greatest are used. */
const maxValues = 64

type KeyBounds =
  /** The rows that may match meet the condition, SQL over the table's columns. */
  | { readonly kind: 'rows'; readonly condition: string }
  /** The source has no value that a row could match. */
  | { readonly kind: 'noRow' }
  /** The type's order says nothing about the rows. */
  | { readonly kind: 'unknown' }

async function boundsOf(
  session: DuckDbSession,
  { target, source: expression, nullIsEqual }: KeyEquality,
  source: string,
  { signal }: IoOptions,
): Promise<KeyBounds> {
  const column = target.map(identifier).join('.')
  const from = `from temp.${source} as ${aliases.source}`
  const [typed] = await columnTypes(session, `select ${expression} as v ${from}`)
  const type = typed?.type
  const name =
    type?.kind === 'decimal'
      ? `DECIMAL(${type.precision},${type.scale})`
      : type?.kind === 'scalar' && ordered.has(type.name)
        ? type.name
        : undefined
  if (name === undefined) return { kind: 'unknown' }
  const values = `(select ${expression} as v ${from})`
  const { low, high, count, nulls } = await session.row(
    `select min(v)::varchar as low, max(v)::varchar as high, count(distinct v) as count, count(*) - count(v) as nulls from ${values}`,
    { signal },
  )
  const orNull = nullIsEqual && Number(nulls) > 0 ? [`${column} is null`] : []
  const anyOf = (...conditions: readonly string[]): KeyBounds =>
    conditions.length === 0 ? { kind: 'noRow' } : { kind: 'rows', condition: conditions.join(' or ') }
  if (low === null || high === null) return anyOf(...orNull)
  const literal = (value: unknown): string => `cast(${text(String(value))} as ${name})`
  if (Number(count) > maxValues) {
    const range = `(${column} >= ${literal(low)} and ${column} <= ${literal(high)})`
    return anyOf(range, ...orNull)
  }
  const distinct = await session.rows(`select distinct v::varchar as v from ${values} where v is not null`, {
    signal,
  })
  return anyOf(`${column} in (${distinct.map(({ v }) => literal(v)).join(', ')})`, ...orNull)
}

/** Types that a comparison with any other orders as they order themselves. */
const ordered = new Set([
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'HUGEINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'FLOAT',
  'DOUBLE',
  'VARCHAR',
  'DATE',
  'TIMESTAMP',
  'TIMESTAMP WITH TIME ZONE',
  'BOOLEAN',
])

function conjuncts(node: SyntaxNode): readonly SyntaxNode[] {
  return node['type'] === 'CONJUNCTION_AND' ? childrenOf(node).flatMap(conjuncts) : [node]
}

function isOfSource(root: SyntaxNode): boolean {
  return [...nodesOf(root)]
    .map(columnNames)
    .filter((names) => names !== undefined)
    .every((names) => names.length > 1 && isSameName(names[0] ?? '', aliases.source))
}
