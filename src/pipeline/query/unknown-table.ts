/** A table that a statement names and DuckDB does not know: DuckDB offers its own catalogue, the lake has others. */
import { isLakeError, LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Platform } from '../platform/compose.ts'
import { lakeTables } from './lake-tables.ts'

/** The error to throw in place of `error`: the same, unless it is about a table that is not there. */
export async function tableUnknown(
  error: unknown,
  sql: string,
  platform: Platform,
  { signal }: IoOptions = {},
): Promise<unknown> {
  const message = isLakeError(error, 'SQL_INVALID') ? error.message : ''
  const missing =
    /(?<what>(?:Table|Schema) with name "?(?<table>.*?)"? does not exist(?:!| because schema .* does not exist\.))/.exec(
      message,
    )
  if (missing === null) return error
  const { what = '', table = '' } = missing.groups ?? {}
  const inClickHouse = /\b(?:realtime|serving)"?\s*\.\s*"?\w+/i.exec(sql)?.[0]
  const details =
    inClickHouse === undefined
      ? { fault: 'table-unknown', table, known: await namesInSql(platform, { signal }) }
      : { fault: 'table-in-clickhouse', table: inClickHouse }
  return new LakeError('SQL_INVALID', what, { cause: error, details })
}

async function namesInSql(platform: Platform, options: IoOptions): Promise<readonly string[]> {
  return (await lakeTables(platform, options)).map((table) => table.replaceAll('/', '.'))
}
