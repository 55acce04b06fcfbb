/**
 * Partition values: text in the log, typed in the table. Delta PROTOCOL.md, "Partition Value Serialization".
 *
 * The empty text is null, whatever the type.
 */

import type { AddFile } from '../log/actions.ts'
import { nameInFiles } from '../schema/column-mapping.ts'
import { isSameName } from '../schema/names.ts'
import { type DataType, duckDbType, type Field } from '../schema/schema.ts'

/** Some writers spell the name of a partition column in another case than the schema does. */
export function partitionValueOf(
  field: Field,
): (file: Pick<AddFile, 'partitionValues'> | undefined) => string | null {
  const key = nameInFiles(field)
  return (file) => {
    const values = file?.partitionValues ?? {}
    if (Object.hasOwn(values, key)) return values[key] ?? null
    const other = Object.keys(values).find((each) => isSameName(each, key))
    return other === undefined ? null : (values[other] ?? null)
  }
}

/** SQL that turns the text in column `name` into a value of `type`; it fails where the text is none. */
export function partitionValueSql(name: string, type: DataType): string {
  const value = `nullif(${name}, '')`
  switch (type) {
    case 'string':
      return value
    case 'binary':
      // Each character is taken as it is; DuckDB's own cast would read backslashes as escapes.
      return `encode(${value})`
    case 'timestamp':
    case 'timestamp_ntz':
    case 'date':
      // Years beyond 9999 are written with a sign.
      return `cast(ltrim(${value}, '+') as ${duckDbType(type)})`
    default:
      return `cast(${value} as ${duckDbType(type)})`
  }
}

/** SQL that turns `value`, of `type`, into the text that the log has for it. */
export function partitionTextSql(value: string, type: DataType): string {
  switch (type) {
    case 'string':
      return `nullif(${value}, '')`
    case 'binary':
      return `nullif(decode(${value}), '')`
    case 'timestamp':
      return `strftime(${value} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')`
    case 'timestamp_ntz':
      return `strftime(${value}, '%Y-%m-%d %H:%M:%S.%f')`
    case 'float':
    case 'double':
      return `case when isnan(${value}) then 'NaN' when isinf(${value}) then if(${value} > 0, 'Infinity', '-Infinity') else cast(${value} as varchar) end`
    default:
      return `cast(${value} as varchar)`
  }
}
