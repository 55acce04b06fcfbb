/**
 * What every row of a table must satisfy: NOT NULL, CHECK constraints and column invariants. Delta PROTOCOL.md, "CHECK
 * Constraints" and "Column Invariants".
 *
 * The expressions are Spark SQL. Those that mean the same in DuckDB are enforced. If an expression does not, the write
 * is refused, never let through. Unlike in standard SQL, a CHECK that gives null is violated.
 */

import { isLakeError, LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { type JsonValue, parseJson } from '../../base/json.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { nodesOf, parseExpression, printExpressions, type SyntaxNode } from '../../duckdb/expression.ts'
import { identifier, text } from '../../duckdb/sql-text.ts'
import { type DataType, decodeSchema, type Field } from '../schema/schema.ts'
import type { Metadata } from './metadata.ts'
import { constraintPrefix } from './properties.ts'

export interface Constraint {
  /** For people: `CHECK adult (age >= 18)`, `NOT NULL id`. */
  readonly name: string
  /** DuckDB's SQL over the columns of the schema; true for each row that may be written. */
  readonly sql: string
}

const marker = 'LAKE_CONSTRAINT'

/** @throws LakeError `PROTOCOL_UNSUPPORTED` naming an expression that DuckDB may read otherwise than Spark. */
export async function constraintsOf(
  session: DuckDbSession,
  metadata: Metadata,
  { signal }: IoOptions = {},
): Promise<readonly Constraint[]> {
  const { fields } = decodeSchema(metadata.schemaString)
  const found: Constraint[] = fields.flatMap((each) => notNull(each))
  for (const [key, expression] of Object.entries(metadata.configuration)) {
    if (!key.startsWith(constraintPrefix)) continue
    const name = `CHECK ${key.slice(constraintPrefix.length)} (${expression})`
    found.push({ name, sql: await translateSparkSql(session, expression, { what: name, signal }) })
  }
  for (const { name: column, metadata: ofColumn } of fields) {
    const expression = invariantOf(ofColumn['delta.invariants'])
    if (expression === undefined) continue
    const name = `invariant of ${column} (${expression})`
    found.push({ name, sql: await translateSparkSql(session, expression, { what: name, signal }) })
  }
  return found
}

/** Only DuckDB has infinite timestamps and dates. */
export function finiteness(fields: readonly Field[]): readonly Constraint[] {
  return fields
    .filter(({ type }) => type === 'date' || type === 'timestamp' || type === 'timestamp_ntz')
    .map(({ name }) => ({
      name: `finite ${name}`,
      sql: `${identifier(name)} is null or isfinite(${identifier(name)})`,
    }))
}

/** The SELECT with each of its rows judged as it passes: the first that violates a constraint ends it. */
export function enforced(select: string, constraints: readonly Constraint[]): string {
  if (constraints.length === 0) return select
  const cases = constraints.map(
    ({ sql }, index) => `when (${sql}) is not true then error(${text(`${marker} ${index} `)})`,
  )
  return `select * from (${select}\n) where case ${cases.join(' ')} else true end`
}

/** What DuckDB says before and after it names a value. */
const valueFault = /^(?:Invalid Input|Conversion|Out of Range) Error: (?<fault>.*)$/s
const ownColumn = / when casting from source column __lake_\w+/

/**
 * Runs `work` over an `enforced` SELECT.
 *
 * @throws LakeError `CONSTRAINT_VIOLATED` naming the constraint, `SQL_INVALID` naming a value that does not fit.
 */
export async function reportViolations<T>(
  table: string,
  constraints: readonly Constraint[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const index = isLakeError(error) ? new RegExp(`${marker} (\\d+) `).exec(error.message)?.[1] : undefined
    const violated = index === undefined ? undefined : constraints[Number(index)]
    if (violated === undefined) throw unfit(table, error)
    throw new LakeError('CONSTRAINT_VIOLATED', `${table}: a row violates ${violated.name}`, {
      details: { table, constraint: violated.name, expression: violated.sql },
    })
  }
}

function unfit(table: string, error: unknown): unknown {
  const { fault } =
    (isLakeError(error, 'SQL_INVALID') ? valueFault.exec(error.message)?.groups : undefined) ?? {}
  if (fault === undefined) return error
  return new LakeError('SQL_INVALID', `${table}: ${fault.replace(ownColumn, '')}`, {
    details: { table, fault: 'value-does-not-fit' },

    cause: error,
  })
}

function notNull(field: Field): readonly Constraint[] {
  return isNeverNull(field).map((sql) => ({ name: `NOT NULL in ${field.name}`, sql }))
}

/** DuckDB's SQL over the column, true where nothing in it is null that must not be. */
export function isNeverNull({ name, type, nullable }: Field): readonly string[] {
  const column = identifier(name)
  return [...(nullable ? [] : [`${column} is not null`]), ...nonNullInside(column, type)]
}

/** Conditions that hold where nothing is null within `value` that must not be. */
function nonNullInside(value: string, type: DataType): readonly string[] {
  if (typeof type === 'string') return []
  switch (type.type) {
    case 'struct':
      return type.fields.flatMap((inner) => {
        const of = `${value}.${identifier(inner.name)}`
        const conditions = [
          ...(inner.nullable ? [] : [`${of} is not null`]),
          ...nonNullInside(of, inner.type),
        ]
        return conditions.map((condition) => `(${value} is null or ${condition})`)
      })
    case 'array':
      return nonNullElements(value, type.elementType, type.containsNull)
    case 'map':
      return [
        ...nonNullElements(`map_keys(${value})`, type.keyType, true),
        ...nonNullElements(`map_values(${value})`, type.valueType, type.valueContainsNull),
      ]
  }
}

function nonNullElements(list: string, element: DataType, mayBeNull: boolean): readonly string[] {
  const conditions = [...(mayBeNull ? [] : ['e is not null']), ...nonNullInside('e', element)]
  return conditions.map(
    (condition) => `coalesce(len(list_filter(${list}, lambda e: (${condition}) is not true)), 0) = 0`,
  )
}

/** `{"expression":{"expression":"x > 3"}}`, as Spark writes it. */
function invariantOf(value: JsonValue | undefined): string | undefined {
  if (typeof value !== 'string') return undefined
  const body = parseJson(value, 'delta.invariants') as {
    readonly expression?: { readonly expression?: unknown } | null
  } | null
  const expression = body?.expression?.expression
  if (typeof expression === 'string') return expression
  throw new LakeError('LOG_CORRUPT', `delta.invariants: expected an expression, got ${value}`)
}

/** Nodes and functions that Spark and DuckDB evaluate alike. */
const sharedTypes = new Set([
  'CONJUNCTION_AND',
  'CONJUNCTION_OR',
  'OPERATOR_NOT',
  'OPERATOR_IS_NULL',
  'OPERATOR_IS_NOT_NULL',
  'OPERATOR_COALESCE',
  'COMPARE_EQUAL',
  'COMPARE_NOTEQUAL',
  'COMPARE_LESSTHAN',
  'COMPARE_LESSTHANOREQUALTO',
  'COMPARE_GREATERTHAN',
  'COMPARE_GREATERTHANOREQUALTO',
  'COMPARE_BETWEEN',
  'COMPARE_IN',
  'COMPARE_NOT_IN',
  'COLUMN_REF',
  'VALUE_CONSTANT',
])
const sharedFunctions = new Set([
  '+',
  '-',
  '*',
  'length',
  'char_length',
  'upper',
  'lower',
  'abs',
  '~~',
  'year',
  'month',
  'day',
])
const sharedCasts = new Set(['DATE', 'BOOLEAN'])

/**
 * An expression of Spark SQL as DuckDB's.
 *
 * @throws LakeError `PROTOCOL_UNSUPPORTED` naming what the two may read differently.
 */
export async function translateSparkSql(
  session: DuckDbSession,
  expression: string,
  { what, signal }: IoOptions & { readonly what: string },
): Promise<string> {
  const refuse = (part: string, cause?: unknown): LakeError =>
    new LakeError('PROTOCOL_UNSUPPORTED', `Cannot write: ${what}: ${part} is not supported`, { cause })
  let tree: SyntaxNode
  try {
    tree = await parseExpression(session, requote(expression, refuse), { what, signal })
  } catch (error) {
    if (isLakeError(error, 'SQL_INVALID')) throw refuse('this expression', error)
    throw error
  }
  for (const node of nodesOf(tree)) {
    const kind = node['class']
    if (typeof kind !== 'string') continue
    const castTo = kind === 'CAST' ? String((node['cast_type'] as SyntaxNode | undefined)?.['id']) : undefined
    const isShared =
      castTo !== undefined
        ? sharedCasts.has(castTo)
        : kind === 'FUNCTION'
          ? sharedFunctions.has(String(node['function_name']))
          : sharedTypes.has(String(node['type']))
    if (!isShared) throw refuse(String(node['function_name'] ?? castTo ?? node['type']))
  }
  const [sql = ''] = await printExpressions(session, [tree], { signal })
  return sql
}

/** Turns Spark's quoting into DuckDB's, to look at the expression only. @throws LakeError `PROTOCOL_UNSUPPORTED` where it differs. */
export function requoteSparkSql(expression: string): string {
  return requote(expression, (part) => new LakeError('PROTOCOL_UNSUPPORTED', `${expression}: ${part}`))
}

/** Spark quotes names with backticks and texts with either quote; a backslash escapes in its texts. */
function requote(expression: string, refuse: (part: string) => LakeError): string {
  let endOfText = -1
  return expression.replaceAll(
    /`(?<name>(?:[^`]|``)*)`|'(?<single>(?:[^'\\]|\\.)*)'|"(?<double>(?:[^"\\]|\\.)*)"/g,
    (part: string, ...rest) => {
      const { name, single, double } = rest.at(-1) as Readonly<Record<string, string | undefined>>
      if (name !== undefined) return identifier(name.replaceAll('``', '`'))
      const value = single ?? double ?? ''
      const offset = Number(rest.at(-3))
      // Two texts side by side are one text for Spark; for DuckDB they are a text with a quote in it.
      if (value.includes('\\') || offset === endOfText) throw refuse(`the quoting at ${part}`)
      endOfText = offset + part.length
      return text(value)
    },
  )
}
