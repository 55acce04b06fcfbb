/**
 * Columns of JavaScript values into a DuckDB table, in the engine's own vectors (a row-wise insert is some
 * ten times slower).
 */
import {
  BIGINT,
  BLOB,
  BOOLEAN,
  blobValue,
  DOUBLE,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  LIST,
  listValue,
  STRUCT,
  structValue,
  TIMESTAMPTZ,
  timestampTZValue,
  VARCHAR,
} from '@duckdb/node-api'
import { LakeError } from '../base/errors.ts'
import type { DuckDbSession } from './duckdb.ts'
import { identifier } from './sql-text.ts'

export interface NamedBytes {
  readonly key: string
  readonly value: Uint8Array | null
}

export type AppendColumn =
  | { readonly name: string; readonly kind: 'integer'; readonly values: readonly (number | null)[] }
  | { readonly name: string; readonly kind: 'bigint'; readonly values: readonly (bigint | null)[] }
  | { readonly name: string; readonly kind: 'double'; readonly values: readonly (number | null)[] }
  | { readonly name: string; readonly kind: 'boolean'; readonly values: readonly (boolean | null)[] }
  | { readonly name: string; readonly kind: 'varchar'; readonly values: readonly (string | null)[] }
  | { readonly name: string; readonly kind: 'blob'; readonly values: readonly (Uint8Array | null)[] }
  /** Milliseconds since the epoch; the column is TIMESTAMPTZ. */
  | { readonly name: string; readonly kind: 'timestampMs'; readonly values: readonly (number | null)[] }
  /** A list of (key, value) pairs a row; the column is STRUCT(key VARCHAR, value BLOB)[]. */
  | {
      readonly name: string
      readonly kind: 'namedBytes'
      readonly values: readonly (readonly NamedBytes[])[]
    }

const namedBytesType = LIST(STRUCT({ key: VARCHAR, value: BLOB }))

const types: Readonly<Record<AppendColumn['kind'], DuckDBType>> = {
  integer: INTEGER,
  bigint: BIGINT,
  double: DOUBLE,
  boolean: BOOLEAN,
  varchar: VARCHAR,
  blob: BLOB,
  timestampMs: TIMESTAMPTZ,
  namedBytes: namedBytesType,
}

/** As many rows as a vector of the engine holds. */
const rowsPerChunk = 2048

/** Makes the temporary table `name` anew and fills it. All columns have as many values. */
export async function createTemporaryTable(
  session: DuckDbSession,
  name: string,
  columns: readonly AppendColumn[],
): Promise<void> {
  const declared = columns.map((column) => `${identifier(column.name)} ${types[column.kind].toString()}`)
  await session.run(`create or replace temporary table ${identifier(name)} (${declared.join(', ')})`)
  const count = columns[0]?.values.length ?? 0
  if (columns.some((column) => column.values.length !== count)) {
    throw new LakeError('BUG', `Append to ${name}: columns of different lengths`)
  }
  const appender = await session.connection.createAppender(name, null, 'temp')
  try {
    const columnTypes = columns.map((column) => types[column.kind])
    for (let from = 0; from < count; from += rowsPerChunk) {
      const rows = Math.min(rowsPerChunk, count - from)
      const chunk = DuckDBDataChunk.create(columnTypes, rows)
      columns.forEach((column, index) => {
        chunk.setColumnValues(index, driverValues(column, from, from + rows))
      })
      appender.appendDataChunk(chunk)
    }
    appender.flushSync()
  } finally {
    appender.closeSync()
  }
}

function driverValues(column: AppendColumn, from: number, to: number): DuckDBValue[] {
  switch (column.kind) {
    case 'blob':
      return column.values.slice(from, to).map((value) => (value === null ? null : blobValue(value)))
    case 'timestampMs':
      return column.values
        .slice(from, to)
        .map((value) => (value === null ? null : timestampTZValue(BigInt(value) * 1000n)))
    case 'namedBytes':
      return column.values
        .slice(from, to)
        .map((pairs) =>
          listValue(
            pairs.map(({ key, value }) =>
              structValue({ key, value: value === null ? null : blobValue(value) }),
            ),
          ),
        )
    case 'integer':
    case 'bigint':
    case 'double':
    case 'boolean':
    case 'varchar':
      return column.values.slice(from, to)
  }
}
