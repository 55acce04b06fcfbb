/** The clauses of a merge, checked against the columns of the table and of the source. */

import { LakeError } from '../../../base/errors.ts'
import type { IoOptions } from '../../../base/io.ts'
import type { DuckDbSession } from '../../../duckdb/duckdb.ts'
import { identifier } from '../../../duckdb/sql-text.ts'
import { sameNameIn } from '../../schema/names.ts'
import type { StructType } from '../../schema/schema.ts'
import { type Assignments, type ResolvedAssignments, resolveAssignments } from '../assign.ts'
import { requireRepeatable } from '../condition.ts'
import { aliases } from './key-equality.ts'

/** Of several clauses of one kind, the first whose condition holds applies to a row. None may hold. */
interface Conditional {
  /** SQL that must hold besides. */
  readonly and?: string
}

export interface UpdateClause extends Conditional {
  readonly kind: 'update'
  /** `all`: each column from the source's column of that name. */
  readonly set: 'all' | Assignments
}

export interface DeleteClause extends Conditional {
  readonly kind: 'delete'
}

export interface InsertClause extends Conditional {
  readonly kind: 'insert'
  /** `all`: each column from the source's column of that name. Columns that are not named are null. */
  readonly values: 'all' | Assignments
}

export interface UpdateBySourceClause extends Conditional {
  readonly kind: 'update'
  readonly set: Assignments
}

export interface MergeClauses {
  /** For pairs of rows that match. Expressions see both, `t` and `s`. */
  readonly matched?: readonly (UpdateClause | DeleteClause)[]
  /** For rows of the source that match none. Expressions see `s`. */
  readonly notMatched?: readonly InsertClause[]
  /** For rows of the table that match none. Expressions see `t`. */
  readonly notMatchedBySource?: readonly (UpdateBySourceClause | DeleteClause)[]
}

/** All clauses, by a key of their own. */
export interface ResolvedClauses {
  readonly matched: readonly ResolvedClause[]
  readonly notMatched: readonly ResolvedClause[]
  readonly notMatchedBySource: readonly ResolvedClause[]
}

export interface ResolvedClause {
  readonly key: number
  readonly kind: 'update' | 'delete' | 'insert'
  /** SQL, in brackets. */
  readonly condition: string
  readonly set: ResolvedAssignments
}

export interface ResolveOptions extends IoOptions {
  /** What becomes of a column that `all` takes and the source lacks: an error, or it keeps its value. */
  readonly missing?: 'error' | 'keep'
}

/**
 * @throws LakeError `COLUMN_MISSING`; `SCHEMA_MISMATCH` where the source lacks a column that `all` takes;
 * `SQL_INVALID` for an expression that cannot be used.
 */
export async function resolveClauses(
  session: DuckDbSession,
  schema: StructType,
  sourceColumns: readonly string[],
  { matched = [], notMatched = [], notMatchedBySource = [] }: MergeClauses,
  { missing = 'error', signal }: ResolveOptions = {},
): Promise<ResolvedClauses> {
  let keys = 0
  const resolve = async (
    clause: UpdateClause | DeleteClause | InsertClause | UpdateBySourceClause,
  ): Promise<ResolvedClause> => {
    const { kind, and = 'true' } = clause
    await requireRepeatable(session, and, { what: 'Condition', signal })
    const values = kind === 'delete' ? {} : kind === 'insert' ? clause.values : clause.set
    const set =
      values === 'all'
        ? allColumns(schema, sourceColumns, missing)
        : await resolveAssignments(session, schema, values, { signal })
    keys += 1
    return { key: keys - 1, kind, condition: `(\n${and}\n)`, set }
  }
  const resolveAll = async (
    clauses: readonly Parameters<typeof resolve>[0][],
  ): Promise<readonly ResolvedClause[]> => {
    const resolved: ResolvedClause[] = []
    for (const clause of clauses) resolved.push(await resolve(clause))
    return resolved
  }
  return {
    matched: await resolveAll(matched),
    notMatched: await resolveAll(notMatched),
    notMatchedBySource: await resolveAll(notMatchedBySource),
  }
}

/** SQL for the key of the first clause whose condition holds, null if none holds. */
export function firstThatHolds(clauses: readonly ResolvedClause[]): string {
  const cases = clauses.map(({ key, condition }) => `when ${condition} then ${key}`)
  return cases.length === 0 ? 'null::integer' : `case ${cases.join(' ')} end`
}

/** Of the clauses that change rows what each sets, by its key. */
export function setsOf(clauses: readonly ResolvedClause[]): ReadonlyMap<number, ResolvedAssignments> {
  return new Map(clauses.filter(({ kind }) => kind !== 'delete').map(({ key, set }) => [key, set]))
}

/**
 * The columns of the source by which a table grows that takes all that is assigned to it: each where a clause takes
 * `all`, and those that a clause names and the table lacks.
 */
export function evolvingColumns(
  { fields }: StructType,
  sourceColumns: readonly string[],
  { matched = [], notMatched = [] }: MergeClauses,
): readonly string[] {
  const assigned = [...matched, ...notMatched].map((clause) =>
    clause.kind === 'delete' ? {} : clause.kind === 'insert' ? clause.values : clause.set,
  )
  if (assigned.includes('all')) return sourceColumns
  const names = new Set(assigned.flatMap((set) => Object.keys(set)).map((name) => name.toLowerCase()))
  for (const { name } of fields) names.delete(name.toLowerCase())
  return sourceColumns.filter((name) => names.has(name.toLowerCase()))
}

function allColumns(
  { fields }: StructType,
  sourceColumns: readonly string[],
  missing: 'error' | 'keep',
): ResolvedAssignments {
  const lacking: string[] = []
  const assignments = new Map<string, string>()
  for (const { name } of fields) {
    const found = sameNameIn(sourceColumns, name)
    if (found === undefined) lacking.push(name)
    else assignments.set(name, `${aliases.source}.${identifier(found)}`)
  }
  if (lacking.length === 0 || missing === 'keep') return assignments
  throw new LakeError('SCHEMA_MISMATCH', `Merge: the source has no column ${lacking.join(', ')}`, {
    details: { missing: lacking, fault: 'source-lacks-columns' },
  })
}
