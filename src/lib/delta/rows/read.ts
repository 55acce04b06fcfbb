/**
 * Reads the rows of a version as a stream. The caller sets the pace, and one chunk is in memory at a time.
 *
 * Files that the condition rules out are not read. Each read has a session of its own, which is closed at the end,
 * also if the caller stops early.
 */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ColumnChunk } from '../../duckdb/duckdb.ts'
import type { FlatColumn } from '../../duckdb/flat-columns.ts'
import type { RowOf } from '../schema/row-of.ts'
import { duckDbType, type StructType } from '../schema/schema.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { ReadableTable } from './readable-table.ts'
import { type RowSelection, selectRows } from './select.ts'

export interface ReadRowsOptions extends RowSelection, IoOptions {
  /** The newest version without it. */
  readonly snapshot?: Snapshot
}

/**
 * Rows of a declared schema, chunk by chunk: `for await (const rows of readRows(table, schema))`. Columns that the
 * table has and the declaration has not are left out.
 *
 * @throws LakeError `SCHEMA_MISMATCH` naming what of the declaration the table has not, and as `readColumns` does.
 */
export async function* readRows<Schema extends StructType>(
  table: ReadableTable,
  schema: Schema,
  options: Omit<ReadRowsOptions, 'columns'> = {},
): AsyncIterable<readonly RowOf<Schema>[]> {
  const snapshot = options.snapshot ?? (await table.snapshot({ signal: options.signal }))
  requireDeclared(table, snapshot, schema)
  const names = schema.fields.map(({ name }) => name)
  for await (const { rowCount, columns } of readColumns(table, { ...options, snapshot, columns: names })) {
    const rows: Record<string, unknown>[] = Array.from({ length: rowCount }, () => ({}))
    for (const name of names) {
      const values = columns[name] ?? []
      rows.forEach((row, index) => {
        row[name] = values[index] ?? null
      })
    }
    // The declaration was compared with the table's own, by which the engine made the values.
    yield rows as readonly unknown[] as readonly RowOf<Schema>[]
  }
}

/**
 * Values column by column: whole numbers of 64 bits are bigint, decimals, dates and times text, binary Uint8Array.
 *
 * @throws LakeError `COLUMN_MISSING`, `SQL_INVALID` for a condition that is not one expression, and as `scan` does.
 */
export async function* readColumns(
  table: ReadableTable,
  { snapshot, columns, where, limit, signal }: ReadRowsOptions = {},
): AsyncIterable<ColumnChunk> {
  using session = await table.duckdb.connect()
  const read = snapshot ?? (await table.snapshot({ signal }))
  const select = await selectRows(session, table, read, { columns, where, limit, signal })
  yield* session.columnChunks(select, { signal })
}

/** The same as the engine lays the columns out, in the order of the select. @throws as `readColumns` does. */
export async function* readFlat(
  table: ReadableTable,
  { snapshot, columns, where, limit, signal }: ReadRowsOptions & { readonly snapshot: Snapshot },
): AsyncIterable<{ readonly rowCount: number; readonly columns: readonly FlatColumn[] }> {
  using session = await table.duckdb.connect()
  const select = await selectRows(session, table, snapshot, { columns, where, limit, signal })
  yield* session.flatChunks(select, { signal })
}

function requireDeclared({ uri }: ReadableTable, { schema, version }: Snapshot, declared: StructType): void {
  const faults = declared.fields.flatMap(({ name, type, nullable }) => {
    const found = schema.fields.find((each) => each.name === name)
    if (found === undefined) return [`${name} is not there`]
    if (duckDbType(found.type) !== duckDbType(type)) {
      return [`${name} is ${duckDbType(found.type)}, declared ${duckDbType(type)}`]
    }
    return found.nullable && !nullable ? [`${name} may be null, declared that it may not`] : []
  })
  if (faults.length === 0) return
  throw new LakeError('SCHEMA_MISMATCH', `${uri}, version ${version}: ${faults.join('; ')}`, {
    details: { uri, version },
  })
}
