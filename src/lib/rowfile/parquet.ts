/** What a Parquet file says of its columns, and which of them the engine would read as something else. */
import type { IoOptions } from '../base/io.ts'
import { mostColumns } from '../duckdb/column-type.ts'
import type { DuckDbSession } from '../duckdb/duckdb.ts'
import { text } from '../duckdb/sql-text.ts'
import type { Row } from '../duckdb/values.ts'
import { FileFault, quoted } from './fault.ts'

interface Node {
  readonly row: Row
  readonly children: readonly Node[]
}

/** DuckDB keeps no more digits, and reads wider decimals as doubles of other bytes. */
const maxDecimalDigits = 38n

/**
 * @param path As `read_parquet` takes it.
 * @throws FileFault naming a column that the engine would change without a word: a decimal of more than 38 digits,
 * nanoseconds with a zone, names that are the same but for case. Also where there are more columns than it can plan.
 */
export async function requireExactParquet(
  session: DuckDbSession,
  path: string,
  { signal }: IoOptions = {},
): Promise<void> {
  const rows = await session.rows(
    `select name, logical_type, precision, num_children from parquet_schema(${text(path)})`,
    { signal },
  )
  // The first of them is the root.
  if (rows.length - 1 > mostColumns) {
    throw new FileFault(`it has ${rows.length - 1} columns, and ${mostColumns} are the most`)
  }
  let next = 0
  const read = (): Node => {
    const row = rows[next] ?? {}
    next += 1
    const children = Number(row['num_children'] ?? 0)
    return { row, children: Array.from({ length: children }, read) }
  }
  requireExact(read(), '')
}

function requireExact({ row, children }: Node, at: string): void {
  const fault = faultOf(row)
  if (fault !== undefined) throw new FileFault(`column ${at}: ${fault}`)
  const seen = new Map<string, string>()
  for (const child of children) {
    const name = String(child.row['name'])
    const path = at === '' ? name : `${at}.${name}`
    const same = seen.get(name.toLowerCase())
    if (name === '') throw new FileFault(`a column ${at === '' ? '' : `in ${at} `}has no name`)
    if (same !== undefined)
      throw new FileFault(`the columns ${quoted(same)} and ${quoted(path)} are one but for case`)
    seen.set(name.toLowerCase(), path)
    requireExact(child, path)
  }
}

function faultOf(row: Row): string | undefined {
  const precision = row['precision']
  const logical = String(row['logical_type'] ?? '')
  if (typeof precision === 'bigint' && precision > maxDecimalDigits) {
    return `a decimal of ${precision} digits, and 38 are the most that can be read`
  }
  if (logical.includes('isAdjustedToUTC=1') && logical.includes('NanoSeconds()')) {
    return 'a timestamp of nanoseconds with a zone, of which microseconds alone can be read; write it in microseconds'
  }
  return undefined
}
