/**
 * Rows of ClickHouse by position, as they come: names may be doubled, and any text. The first chunk names the columns,
 * also if there is no row. Floats are numbers, NaN and the infinities among them.
 */
import { LakeError } from '../base/errors.ts'
import { type JsonValue, parseJson } from '../base/json.ts'
import type { ClickHouse, StatementOptions } from './clickhouse.ts'
import { floatReading } from './float-values.ts'

export interface TupleChunk {
  readonly columns: readonly string[]
  /** Values by the position of their column. */
  readonly rows: readonly (readonly JsonValue[])[]
}

const jsonSettings = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_denormals: 1,
}

export async function* clickhouseTuples(
  clickhouse: Pick<ClickHouse, 'raw'>,
  sql: string,
  { settings, ...options }: StatementOptions = {},
): AsyncIterable<TupleChunk> {
  const bytes = clickhouse.raw(sql, {
    ...options,
    format: 'JSONCompactEachRowWithNamesAndTypes',
    settings: { ...jsonSettings, ...settings },
  })
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
