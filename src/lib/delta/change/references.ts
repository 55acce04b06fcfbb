/**
 * The parts of a table that name a column. Such a column must not be renamed, dropped or given another type.
 */

import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { parseJson } from '../../base/json.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { columnNames, nodesOf, parseExpression } from '../../duckdb/expression.ts'
import { requoteSparkSql } from '../protocol/constraints.ts'
import { constraintPrefix, tableProperties } from '../protocol/properties.ts'
import { isSameName } from '../schema/names.ts'
import type { StructType } from '../schema/schema.ts'
import { parsePath, pathText } from '../schema/schema-path.ts'
import { fieldsOf } from '../schema/walk.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'

export type Use = 'partition' | 'constraint' | 'generated' | 'statistics'

/** Something that names columns. */
interface Reference {
  readonly use: Use
  /** For people: `CHECK adult (age >= 18)`. */
  readonly by: string
  /** The columns named; `undefined` where the text can only be searched for the name. */
  readonly columns: readonly (readonly string[])[] | undefined
  readonly text: string
}

/**
 * @param doing For people: `rename`.
 * @param ignoring Uses that the change does not touch.
 * @throws LakeError `SCHEMA_MISMATCH` naming what uses the column, or one inside of it.
 */
export async function requireUnused(
  session: DuckDbSession,
  snapshot: Snapshot,
  path: readonly string[],
  {
    doing,
    ignoring = [],
    signal,
  }: IoOptions & { readonly doing: string; readonly ignoring?: readonly Use[] },
): Promise<void> {
  const users = (await referencesOf(session, snapshot, { signal }))
    .filter(({ use }) => !ignoring.includes(use))
    .filter((reference) => names(reference, path))
  if (users.length === 0) return
  const column = pathText(path)
  const by = users.map((reference) => reference.by)
  throw new LakeError('SCHEMA_MISMATCH', `Cannot ${doing} column ${column}: it is used by ${by.join(', ')}`, {
    details: { column, usedBy: by, fault: 'column-in-use' },
  })
}

function names({ columns, text }: Reference, path: readonly string[]): boolean {
  const [first = ''] = path
  if (columns === undefined) return text.toLowerCase().includes(first.toLowerCase())
  // `s.a` names `s`, and `s` names `s.a`.
  return columns.some((column) =>
    column.slice(0, path.length).every((part, index) => isSameName(part, path[index] ?? part)),
  )
}

/** A constraint, however it is written, names at least the columns that are found here. */
async function referencesOf(
  session: DuckDbSession,
  { metadata, schema, partitionColumns }: Snapshot,
  { signal }: IoOptions,
): Promise<readonly Reference[]> {
  const found: Reference[] = partitionColumns.map((name) => ({
    use: 'partition',
    by: `the partitioning by ${name}`,
    columns: [[name]],
    text: name,
  }))
  const expressions: { use: Use; by: string; text: string }[] = []
  for (const [key, text] of Object.entries(metadata.configuration)) {
    if (key.startsWith(constraintPrefix)) {
      expressions.push({
        use: 'constraint',
        by: `CHECK ${key.slice(constraintPrefix.length)} (${text})`,
        text,
      })
    } else if (key === tableProperties.dataSkippingStatsColumns.name) {
      const columns = text.split(',').map((part) => parsePath(part.trim()))
      found.push({ use: 'statistics', by: `${key} (${text})`, columns, text })
    }
  }
  for (const { name, metadata: ofField } of fieldsOf(schema)) {
    const generation = ofField['delta.generationExpression']
    if (typeof generation === 'string') {
      expressions.push({
        use: 'generated',
        by: `the generated column ${name} (${generation})`,
        text: generation,
      })
      found.push({
        use: 'generated',
        by: `its own values, which are generated`,
        columns: [[name]],
        text: name,
      })
    }
    const invariant = ofField['delta.invariants']
    if (typeof invariant === 'string') {
      found.push({
        use: 'constraint',
        by: `the invariant of ${name}`,
        columns: undefined,
        text: JSON.stringify(parseJson(invariant, 'delta.invariants')),
      })
    }
  }
  for (const expression of expressions) {
    found.push({ ...expression, columns: await columnsIn(session, expression.text, { signal }) })
  }
  return found
}

/** `undefined` for an expression that we cannot read. */
async function columnsIn(
  session: DuckDbSession,
  expression: string,
  { signal }: IoOptions,
): Promise<readonly (readonly string[])[] | undefined> {
  try {
    const tree = await parseExpression(session, requoteSparkSql(expression), { signal })
    return [...nodesOf(tree)].map(columnNames).filter((column) => column !== undefined)
  } catch {
    signal?.throwIfAborted()
    return undefined
  }
}

/** @throws LakeError `SCHEMA_MISMATCH` naming a constraint, and the column that it names and the schema lacks. */
export async function requireConstraintsFit(
  session: DuckDbSession,
  snapshot: Snapshot,
  schema: StructType,
  { signal }: IoOptions = {},
): Promise<void> {
  for (const { use, by, columns = [] } of await referencesOf(session, snapshot, { signal })) {
    if (use === 'partition' || use === 'generated') continue
    const lacking = columns.find(([first = '']) => !schema.fields.some(({ name }) => isSameName(name, first)))
    if (lacking === undefined) continue
    throw new LakeError(
      'SCHEMA_MISMATCH',
      `The rows have no column ${pathText(lacking)}, which is used by ${by}`,
      {
        details: { column: pathText(lacking), usedBy: by, fault: 'column-in-use' },
      },
    )
  }
}
