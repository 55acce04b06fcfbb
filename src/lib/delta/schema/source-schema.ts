/** The schema of the rows that a query gives. */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { type ColumnType, columnTypes, type TypedColumn } from '../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { parseExpression } from '../../duckdb/expression.ts'
import { type DataType, field, type StructType, structOf } from './schema.ts'

/** What DuckDB has and Delta has not goes to the narrowest type that holds all its values. */
const scalars: Readonly<Record<string, DataType>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'byte',
  SMALLINT: 'short',
  INTEGER: 'integer',
  BIGINT: 'long',
  HUGEINT: 'decimal(38,0)',
  UTINYINT: 'short',
  USMALLINT: 'integer',
  UINTEGER: 'long',
  UBIGINT: 'decimal(20,0)',
  FLOAT: 'float',
  DOUBLE: 'double',
  VARCHAR: 'string',
  UUID: 'string',
  BLOB: 'binary',
  DATE: 'date',
  TIMESTAMP: 'timestamp_ntz',
  TIMESTAMP_S: 'timestamp_ntz',
  TIMESTAMP_MS: 'timestamp_ntz',
  TIMESTAMP_NS: 'timestamp_ntz',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
}

/** All columns nullable. @throws LakeError `SCHEMA_MISMATCH` naming a column whose type Delta does not have, or that is nested too deep. */
export function schemaOf(columns: readonly TypedColumn[]): StructType {
  return structOf(...columns.map(({ name, type }) => field(name, deltaType(type, name))))
}

/** The type that DuckDB's SQL names. @throws LakeError `SQL_INVALID` for no type, `SCHEMA_MISMATCH` as `schemaOf`. */
export async function typeOfSql(
  session: DuckDbSession,
  type: string,
  { signal }: IoOptions = {},
): Promise<DataType> {
  const cast = `cast(null as ${type})`
  await parseExpression(session, cast, { what: 'Type', signal })
  const [column] = await columnTypes(session, `select ${cast} as type`)
  if (column === undefined) throw new LakeError('BUG', `${cast} has no column`)
  return deltaType(column.type, type)
}

/** Readers of lists and maps that are nested deeper cost more than anyone waits for. */
const maxDepth = 16

function deltaType(type: ColumnType, where: string, depth = 0): DataType {
  if (depth > maxDepth) {
    const column = where.split('.', 1)[0] ?? where
    throw new LakeError(
      'SCHEMA_MISMATCH',
      `Column ${column}: lists and maps are nested more than ${maxDepth} deep`,
      { details: { column, fault: 'nested-too-deep' } },
    )
  }
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'list':
      return {
        type: 'array',
        elementType: deltaType(type.element, `${where}.element`, depth + 1),
        containsNull: true,
      }
    case 'map':
      return {
        type: 'map',
        keyType: deltaType(type.key, `${where}.key`, depth + 1),
        valueType: deltaType(type.value, `${where}.value`, depth + 1),
        valueContainsNull: true,
      }
    case 'struct':
      return structOf(
        ...type.fields.map(({ name, type: inner }) =>
          field(name, deltaType(inner, `${where}.${name}`, depth)),
        ),
      )
    case 'scalar': {
      const found = type.name.startsWith('ENUM') ? 'string' : scalars[type.name]
      if (found !== undefined) return found
      throw new LakeError('SCHEMA_MISMATCH', `Column ${where}: Delta has no type for ${type.name}`, {
        details: { column: where, type: type.name, fault: 'type-unknown-to-delta' },
      })
    }
  }
}
