/** The schema that rows from a query bring with them. */
import { LakeError } from '../base/errors.ts'
import type { ColumnType, TypedColumn } from '../duckdb/column-type.ts'
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

/** All columns nullable. @throws LakeError `SCHEMA_MISMATCH` naming a column whose type Delta has not. */
export function schemaOf(columns: readonly TypedColumn[]): StructType {
  return structOf(...columns.map(({ name, type }) => field(name, deltaType(type, name))))
}

function deltaType(type: ColumnType, where: string): DataType {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'list':
      return { type: 'array', elementType: deltaType(type.element, `${where}.element`), containsNull: true }
    case 'map':
      return {
        type: 'map',
        keyType: deltaType(type.key, `${where}.key`),
        valueType: deltaType(type.value, `${where}.value`),
        valueContainsNull: true,
      }
    case 'struct':
      return structOf(
        ...type.fields.map(({ name, type: inner }) => field(name, deltaType(inner, `${where}.${name}`))),
      )
    case 'scalar': {
      const found = type.name.startsWith('ENUM') ? 'string' : scalars[type.name]
      if (found !== undefined) return found
      throw new LakeError('SCHEMA_MISMATCH', `Column ${where}: Delta has no type for ${type.name}`, {
        details: { column: where, type: type.name },
        hint: 'Cast the column to a type of Delta, such as VARCHAR.',
      })
    }
  }
}
