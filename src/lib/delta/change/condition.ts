/**
 * The rows that a write applies to: a condition in SQL, the files that may hold such rows, and the rows found.
 *
 * The condition is evaluated twice, to find the files and to rewrite them. So it must give the same result each time.
 */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { settleTime } from '../../duckdb/current-time.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { nodesOf, parseExpression } from '../../duckdb/expression.ts'
import { volatileFunctions } from '../../duckdb/functions.ts'
import type { AddFile } from '../log/actions.ts'
import type { ReadSet } from '../log/conflict.ts'
import { type Predicate, parsePredicate } from '../rows/predicate.ts'
import { pruneFiles } from '../rows/pruning.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { DeltaTable } from '../table.ts'

/** Columns that a scan adds for the place of a row, named so that no table has them. */
export const rowPlace = { file: '__lake_file', row: '__lake_row' } as const

export interface Condition {
  /** SQL, in brackets, over the columns of the schema. */
  readonly sql: string
  readonly predicate: Predicate
}

/**
 * @throws LakeError `SQL_INVALID` where the text is not one expression, has a subquery, or gives another value
 * each time it is evaluated, as `random()` does.
 */
export async function parseCondition(
  session: DuckDbSession,
  { schema, partitionColumns }: Snapshot,
  given: string,
  { signal }: IoOptions = {},
): Promise<Condition> {
  await requireRepeatable(session, given, { what: 'Condition', signal })
  const columns = schema.fields.map(({ name }) => name)
  const sql = await settleTime(session, given, { columns, signal })
  const predicate = await parsePredicate(session, sql, { schema, partitionColumns, signal })
  return { sql: `(\n${sql}\n)`, predicate }
}

/** @param what names the expression in errors. @throws LakeError as `parseCondition` does. */
export async function requireRepeatable(
  session: DuckDbSession,
  sql: string,
  { what, signal }: IoOptions & { readonly what: string },
): Promise<void> {
  const nodes = [...nodesOf(await parseExpression(session, sql, { what, signal }))]
  if (nodes.some((node) => node['class'] === 'SUBQUERY')) {
    throw new LakeError('SQL_INVALID', `${what} ${sql}: a subquery is not supported`, {
      details: { fault: 'subquery' },
    })
  }
  const names = nodes.flatMap((node) =>
    node['class'] === 'FUNCTION' ? String(node['function_name']).toLowerCase() : [],
  )
  if (names.length === 0) return
  const volatile = await volatileFunctions(session, { signal })
  const found = names.find((name) => volatile.has(name))
  if (found === undefined) return
  throw new LakeError('SQL_INVALID', `${what} ${sql}: ${found}() gives another value each time`, {
    details: { fault: 'volatile-function', function: found },
  })
}

/** The files that were looked into, and of those added since the ones that may hold such rows. */
export function readSetOf(
  session: DuckDbSession,
  snapshot: Snapshot,
  condition: Condition,
  files: readonly AddFile[],
): ReadSet {
  return {
    kind: 'rows',
    files,
    mayHold: async (added) => (await pruneFiles(session, snapshot, added, condition.predicate)).files,
  }
}

export interface Matches {
  /** All files in which such rows were looked for. */
  readonly searched: readonly AddFile[]
  /** Files of which every row matches. */
  readonly whole: readonly AddFile[]
  /** Files of which some rows match, and some do not. */
  readonly partly: readonly AddFile[]
  readonly matchedRows: number
}

/** Looks for rows that satisfy the condition. A row for which it is null does not. */
export async function findMatches(
  session: DuckDbSession,
  table: DeltaTable,
  snapshot: Snapshot,
  condition: Condition,
  { signal }: IoOptions = {},
): Promise<Matches> {
  const { files: searched } = await pruneFiles(session, snapshot, snapshot.files, condition.predicate, {
    signal,
  })
  const scan = await table.scan(session, snapshot, { files: searched, withRowPlace: rowPlace, signal })
  const found = await session.rows(
    `select ${rowPlace.file} as file, count(*) as total, count(*) filter (where ${condition.sql}) as matched from (${scan}) group by all having matched > 0 order by file`,
    { signal },
  )
  const whole: AddFile[] = []
  const partly: AddFile[] = []
  let matchedRows = 0
  for (const { file: index, total, matched } of found) {
    const file = searched[Number(index)]
    if (file === undefined) throw new LakeError('BUG', `${table.uri}: no file ${String(index)} was scanned`)
    matchedRows += Number(matched)
    ;(matched === total ? whole : partly).push(file)
  }
  return { searched, whole, partly, matchedRows }
}
