/**
 * Partition values: text in the log, typed in the table. Delta PROTOCOL.md, "Partition Value Serialization".
 *
 * The empty text is null, whatever the type.
 */
import { type DataType, duckDbType } from './schema.ts'

/** SQL that turns the text in column `name` into a value of `type`; it fails where the text is none. */
export function partitionValueSql(name: string, type: DataType): string {
  const value = `nullif(${name}, '')`
  switch (type) {
    case 'string':
      return value
    case 'binary':
      // Each character stands for itself; DuckDB's own cast would read backslashes as escapes.
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
