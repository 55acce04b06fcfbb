/** The types of a query's columns as a tree, apart from the driver's own classes. */
import {
  DuckDBArrayType,
  DuckDBDecimalType,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
} from '@duckdb/node-api'
import type { DuckDbSession } from './duckdb.ts'

export type ColumnType =
  /** By DuckDB's name: `BIGINT`, `TIMESTAMP WITH TIME ZONE`. */
  | { readonly kind: 'scalar'; readonly name: string }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'list'; readonly element: ColumnType }
  | { readonly kind: 'map'; readonly key: ColumnType; readonly value: ColumnType }
  | { readonly kind: 'struct'; readonly fields: readonly TypedColumn[] }

export interface TypedColumn {
  readonly name: string
  readonly type: ColumnType
}

/** The engine takes seconds to plan a query of so many columns, and the square of that for more: for 50,000 many minutes. */
export const mostColumns = 10_000

/** What a query would return; it is planned and not run. @throws LakeError `SQL_INVALID`. */
export async function columnTypes(session: DuckDbSession, select: string): Promise<readonly TypedColumn[]> {
  // The description goes through the session, for its errors; the types are the driver's own.
  await session.describe(select)
  const result = await session.connection.run(`select * from (${select}\n) limit 0`)
  return result.columnNames().map((name, index) => ({ name, type: columnType(result.columnType(index)) }))
}

export function columnType(type: DuckDBType): ColumnType {
  if (type instanceof DuckDBDecimalType) return { kind: 'decimal', precision: type.width, scale: type.scale }
  if (type instanceof DuckDBListType || type instanceof DuckDBArrayType) {
    return { kind: 'list', element: columnType(type.valueType) }
  }
  if (type instanceof DuckDBMapType) {
    return { kind: 'map', key: columnType(type.keyType), value: columnType(type.valueType) }
  }
  if (type instanceof DuckDBStructType) {
    const fields = type.entryNames.map((name) => ({ name, type: columnType(type.typeForEntry(name)) }))
    return { kind: 'struct', fields }
  }
  return { kind: 'scalar', name: String(type) }
}
