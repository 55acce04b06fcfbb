/** Statistics of Parquet files from their footers: those that a writer of ours would have kept of the same rows. */
import { LakeError } from '../../../base/errors.ts'
import type { IoOptions } from '../../../base/io.ts'
import type { DuckDbSession } from '../../../duckdb/duckdb.ts'
import type { ColumnStatistics } from '../../../duckdb/parquet.ts'
import { identifier, list, text } from '../../../duckdb/sql-text.ts'
import type { Row } from '../../../duckdb/values.ts'
import { type DataType, duckDbType, type Field, type StructType } from '../../schema/schema.ts'

export interface FooterStatistics {
  readonly rows: number
  readonly columns: readonly ColumnStatistics[]
}

let readings = 0

/**
 * Of local files, in their order. Columns within others have none, and neither have binary ones.
 *
 * @throws LakeError `SOURCE_FAILED` for a file that is no whole Parquet file.
 */
export async function footerStatistics(
  session: DuckDbSession,
  stored: StructType,
  paths: readonly string[],
  { signal }: IoOptions = {},
): Promise<readonly FooterStatistics[]> {
  if (paths.length === 0) return []
  readings += 1
  const [table, files] = [`footers_${readings}`, list(paths.map(text))]
  const counted = await session.rows(`select file_name, num_rows from parquet_file_metadata(${files})`, {
    signal,
  })
  const rows = new Map(counted.map((row) => [String(row['file_name']), Number(row['num_rows'])]))
  const fields = stored.fields.filter(({ type }) => hasBounds(type))
  const nan = await filesWithNan(session, fields, files, { signal })
  await session.run(
    `create temporary table ${table} as
     select file_name, path_in_schema, num_values, stats_null_count, stats_min_value, stats_max_value
     from parquet_metadata(${files})`,
    { signal },
  )
  try {
    const columns = new Map<string, ColumnStatistics[]>(paths.map((path) => [path, []]))
    for (const field of fields) {
      for (const row of await session.rows(statisticsSql(table, field), { signal })) {
        const path = String(row['file_name'])
        columns.get(path)?.push(columnOf(field, row, nan.has(`${path}\0${field.name}`)))
      }
    }
    return paths.map((path) => ({ rows: rowsOf(rows, path), columns: columns.get(path) ?? [] }))
  } finally {
    await session.run(`drop table if exists ${table}`)
  }
}

function rowsOf(rows: ReadonlyMap<string, number>, path: string): number {
  const found = rows.get(path)
  if (found === undefined)
    throw new LakeError('SOURCE_FAILED', `Cannot read ${path}: it has no Parquet footer`)
  return found
}

const hasBounds = (type: DataType): boolean =>
  typeof type === 'string' && type !== 'binary' && type !== 'void' && type !== 'variant'

/**
 * A bound holds for the file if each row group has one, or nothing but nulls. DuckDB prints bytes that are no text as
 * `\x..`: no bound is better than one that is another text.
 */
function statisticsSql(table: string, { name, type }: Field): string {
  const sqlType = duckDbType(type)
  const bound = (which: 'min' | 'max'): string => {
    const value = `stats_${which}_value`
    const isText = type === 'string' ? ` and not coalesce(contains(${value}, '\\x'), false)` : ''
    const isKnown = `bool_and((${value} is not null or stats_null_count = num_values)${isText})`
    return `case when ${isKnown} then cast(${which}(cast(${value} as ${sqlType})) as varchar) end as ${which}_value`
  }
  return `select file_name, ${bound('min')}, ${bound('max')},
      case when bool_and(stats_null_count is not null) then sum(stats_null_count) end as null_count
    from ${table} where path_in_schema = ${text(name)} group by file_name`
}

function columnOf({ name }: Field, row: Row, hasNan: boolean): ColumnStatistics {
  const { min_value: min, max_value: max, null_count: nulls } = row
  return {
    path: [name],
    ...(min !== null && min !== undefined && { min: String(min) }),
    ...(max !== null && max !== undefined && { max: String(max) }),
    ...(nulls !== null && nulls !== undefined && { nullCount: BigInt(String(nulls)) }),
    hasNan,
  }
}

/** Footers say nothing of NaN, which lies outside of their bounds: those columns alone are read. */
async function filesWithNan(
  session: DuckDbSession,
  fields: readonly Field[],
  files: string,
  { signal }: IoOptions,
): Promise<ReadonlySet<string>> {
  const floating = fields.filter(({ type }) => type === 'float' || type === 'double')
  const found = new Set<string>()
  for (const { name } of floating) {
    const rows = await session.rows(
      `select filename from read_parquet(${files}, filename = true, hive_partitioning = false)
       group by filename having bool_or(isnan(${identifier(name)}))`,
      { signal },
    )
    for (const row of rows) found.add(`${String(row['filename'])}\0${name}`)
  }
  return found
}
