/** Streams rows of ClickHouse. The names of the columns come first, also if there is no row. */

import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type JsonValue, parseJson } from '../../lib/base/json.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { floatReading } from './clickhouse-floats.ts'
import type { RowChunk } from './rows.ts'

const settings = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_denormals: 1,
}

/** True of a statement that answers with rows: what is not one of these is run for its effect. */
export function returnsRows(sql: string): boolean {
  const bare = sql.replace(/^(\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/|\()+/, '')
  return /^(select|with|from|show|describe|desc|explain|exists|check|values)\b/i.test(bare)
}

export async function* clickhouseRows(
  clickhouse: Pick<ClickHouse, 'raw'>,
  sql: string,
  { signal }: IoOptions,
): AsyncIterable<RowChunk> {
  const bytes = clickhouse.raw(sql, { format: 'JSONCompactEachRowWithNamesAndTypes', settings, signal })
  let columns: readonly string[] | undefined
  let readings: readonly ReturnType<typeof floatReading>[] | undefined
  for await (const lines of linesOf(bytes)) {
    const rows = lines.map((line) => rowOf(line))
    columns ??= rows.shift()?.map(String) ?? []
    // The two first lines may come apart.
    readings ??= rows.shift()?.map((type) => floatReading(String(type)))
    yield { columns, rows: rows.map((row) => row.map((value, at) => readings?.[at]?.(value) ?? value)) }
  }
}

function rowOf(line: string): readonly JsonValue[] {
  const row = parseJson(line, 'answer of ClickHouse')
  if (Array.isArray(row)) return row
  throw new LakeError('CLICKHOUSE_FAILED', `Answer of ClickHouse: expected a row, got ${line.slice(0, 200)}`)
}

async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncIterable<readonly string[]> {
  let rest = Buffer.alloc(0)
  for await (const piece of bytes) {
    const all = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece])
    const end = all.lastIndexOf(0x0a) + 1
    rest = all.subarray(end)
    if (end > 0)
      yield all
        .subarray(0, end - 1)
        .toString()
        .split('\n')
  }
  if (rest.length > 0) yield [rest.toString()]
}
