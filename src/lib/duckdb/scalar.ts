/** Functions of SQL that are computed here. */
import { BLOB, blobValue, DuckDBScalarFunction } from '@duckdb/node-api'
import { type ColumnType, columnType } from './column-type.ts'
import type { DuckDbSession } from './duckdb.ts'
import { text } from './sql-text.ts'
import { plainValue, type Value } from './values.ts'

/**
 * Makes `name(x)` a function of one argument of DuckDB's type `parameter`, for all sessions of the engine; null for
 * null. Where there is one of the name nothing happens. An error of `compute` is the error of the query.
 */
export async function defineBinaryFunction(
  session: DuckDbSession,
  name: string,
  parameter: string,
  compute: (value: Value, type: ColumnType) => Uint8Array,
): Promise<void> {
  const known = await session.rows(
    `select 1 from duckdb_functions() where function_name = ${text(name)} limit 1`,
  )
  if (known.length > 0) return
  const type = (await session.connection.run(`select null::${parameter} as x`)).columnType(0)
  const plainType = columnType(type)
  const definition = DuckDBScalarFunction.create({
    name,
    returnType: BLOB,
    parameterTypes: [type],
    specialHandling: true,
    mainFunction: (_, input, output) => {
      const values = input.getColumnVector(0)
      for (let row = 0; row < input.rowCount; row++) {
        const value = plainValue(values.getItem(row), type, plainValue)
        output.setItem(row, value === null ? null : blobValue(compute(value, plainType)))
      }
      output.flush()
    },
  })
  session.connection.registerScalarFunction(definition)
}
