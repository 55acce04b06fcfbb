/**
 * The values that an update, a merge or an insert gives to columns: SQL by column, cast without loss.
 *
 * An expression is evaluated only for the rows that its clause applies to: it may fail for all others.
 */

import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { someOf } from '../../base/some-of.ts'
import { columnTypes } from '../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier } from '../../duckdb/sql-text.ts'
import { castSql } from '../rows/columns/lossless-cast.ts'
import { findNamed, isSameName } from '../schema/names.ts'
import type { Field, StructType } from '../schema/schema.ts'
import { requireRepeatable } from './condition.ts'

/** Column → SQL expression for its new value. */
export type Assignments = Readonly<Record<string, string>>

/** The same by the names of the schema. */
export type ResolvedAssignments = ReadonlyMap<string, string>

/**
 * @throws LakeError `COLUMN_MISSING`; `SQL_INVALID` for a field within a column, for a column that is set twice, and
 * for an expression that is none, has a subquery, or gives another value each time.
 */
export async function resolveAssignments(
  session: DuckDbSession,
  schema: StructType,
  set: Assignments,
  { signal }: IoOptions = {},
): Promise<ResolvedAssignments> {
  const resolved = new Map<string, string>()
  for (const [column, sql] of Object.entries(set)) {
    const { name } = columnNamed(schema, column)
    if (resolved.has(name)) throw new LakeError('SQL_INVALID', `Column ${name} is set twice`)
    await requireRepeatable(session, sql, { what: `Value of ${name}`, signal })
    resolved.set(name, `(\n${sql}\n)`)
  }
  return resolved
}

/** By its name, ignoring case where no name is the same. @throws LakeError `COLUMN_MISSING` or `SQL_INVALID`. */
export function columnNamed({ fields }: StructType, column: string): Field {
  const found = findNamed(fields, column)
  if (found !== undefined) return found
  const outer = fields.find(({ name }) => isSameName(name, column.split('.')[0] ?? ''))
  if (outer !== undefined && column.includes('.')) {
    throw new LakeError('SQL_INVALID', `${column}: a field within a column cannot be set on its own`, {
      details: { fault: 'field-within-column', column: outer.name },
    })
  }
  const known = someOf(fields.map(({ name }) => name))
  throw new LakeError('COLUMN_MISSING', `No column ${column}; there are ${known}`, { details: { column } })
}

export interface AssignedRows extends IoOptions {
  /** What follows FROM, with all that its rows must satisfy. */
  readonly from: string
  /** SQL for the key in `clauses` of the clause that applies to a row; null where none does. */
  readonly clause: string
  readonly clauses: ReadonlyMap<number, ResolvedAssignments>
  /** SQL for a column that the row's clause does not set, of a type that goes into the schema's without loss. */
  readonly otherwise: (field: Field) => string
}

/** A SELECT with the columns of the schema, each of its type. @throws LakeError `SQL_INVALID`. */
export async function assignedRows(
  session: DuckDbSession,
  { fields }: StructType,
  { from, clause, clauses, otherwise, signal }: AssignedRows,
): Promise<string> {
  signal?.throwIfAborted()
  const values: string[] = [`${clause} as __lake_clause`]
  const columns = fields.map((field, index) => {
    values.push(`${otherwise(field)} as __lake_old_${index}`)
    const setters = [...clauses].flatMap(([key, set]) => {
      const sql = set.get(field.name)
      if (sql === undefined) return []
      const name = `__lake_new_${key}_${index}`
      values.push(`case when ${clause} = ${key} then ${sql} end as ${name}`)
      return [{ key, name }]
    })
    return { field, index, setters }
  })
  const inner = `select ${values.join(', ')} from ${from}`
  const types = new Map((await columnTypes(session, inner)).map((column) => [column.name, column]))
  const outer = columns.map(({ field, index, setters }) => {
    const old = castSql(field, types.get(`__lake_old_${index}`))
    const cases = setters.map(({ key, name }) => `when ${key} then ${castSql(field, types.get(name))}`)
    const value = cases.length === 0 ? old : `case __lake_clause ${cases.join(' ')} else ${old} end`
    return `${value} as ${identifier(field.name)}`
  })
  return `select ${outer.join(', ')} from (${inner})`
}
