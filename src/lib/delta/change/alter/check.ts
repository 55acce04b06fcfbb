/**
 * Adds and drops CHECK constraints. Delta PROTOCOL.md, "CHECK Constraints".
 *
 * All rows of the version in which a constraint appears satisfy it. Rows that other writers commit meanwhile are
 * checked too.
 */

import { LakeError } from '../../../base/errors.ts'
import { translateSparkSql } from '../../protocol/constraints.ts'
import { constraintPrefix } from '../../protocol/properties.ts'
import { isSameName } from '../../schema/names.ts'
import type { DeltaTable } from '../../table.ts'
import type { WriteOutcome } from '../write.ts'
import { type AlterOptions, alterTable } from './alter.ts'

/**
 * @param expression Spark SQL, of which what means the same in DuckDB is allowed. A row for which it is null
 * violates it.
 * @throws LakeError `CONSTRAINT_VIOLATED` where a row of the table does, `PROTOCOL_UNSUPPORTED` for an expression
 * that we cannot check, `SQL_INVALID` for one that the table's columns do not fit, `CONFIG_INVALID` for a name that
 * is taken, and as `alterTable` does.
 */
export async function addConstraint(
  table: DeltaTable,
  name: string,
  expression: string,
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  const { signal } = options
  const key = keyOf(name)
  return alterTable(table, options, async (snapshot) => {
    const { configuration } = snapshot.metadata
    const there = existing(configuration, key)
    if (there !== undefined && configuration[there] === expression) return undefined
    if (there !== undefined) {
      throw new LakeError('CONFIG_INVALID', `${table.uri}: constraint ${name} already exists`, {
        details: { uri: table.uri, name, expression: configuration[there], fault: 'constraint-exists' },
      })
    }
    await table.duckdb.use(async (session) => {
      const what = `CHECK ${name} (${expression})`
      const sql = await translateSparkSql(session, expression, { what, signal })
      const scan = await table.scan(session, snapshot, { signal })
      const violating = await session.rows(`select 1 from (${scan}) where (${sql}) is not true limit 1`, {
        signal,
      })
      if (violating.length === 0) return
      throw new LakeError('CONSTRAINT_VIOLATED', `${table.uri}: a row of the table violates ${what}`, {
        details: { uri: table.uri, constraint: name, expression, fault: 'rows-violate-new-constraint' },
      })
    })
    return {
      properties: { ...configuration, [key]: expression },
      reads: { kind: 'table' },
      operation: { name: 'ADD CONSTRAINT', parameters: { name, expr: expression } },
    }
  })
}

/** @throws LakeError `CONFIG_INVALID` naming the constraints there are, and as `alterTable` does. */
export async function dropConstraint(
  table: DeltaTable,
  name: string,
  { ifExists = false, ...options }: AlterOptions & { readonly ifExists?: boolean } = {},
): Promise<WriteOutcome> {
  return alterTable(table, options, ({ metadata: { configuration } }) => {
    const key = existing(configuration, keyOf(name))
    if (key === undefined) {
      if (ifExists) return undefined
      const names = Object.keys(configuration).flatMap((each) =>
        each.startsWith(constraintPrefix) ? [each.slice(constraintPrefix.length)] : [],
      )
      throw new LakeError(
        'CONFIG_INVALID',
        `${table.uri}: there is no constraint ${name}; there are ${names.length === 0 ? 'none' : names.join(', ')}`,
        { details: { uri: table.uri, name, names } },
      )
    }
    const { [key]: expr = '', ...properties } = configuration
    return { properties, operation: { name: 'DROP CONSTRAINT', parameters: { name, expr } } }
  })
}

function keyOf(name: string): string {
  if (name !== '') return `${constraintPrefix}${name.toLowerCase()}`
  throw new LakeError('CONFIG_INVALID', 'Constraint: expected a name, got none')
}

function existing(configuration: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.keys(configuration).find((each) => isSameName(each, key))
}
