import { describe, expect, it } from 'vitest'
import { openEmbeddedClickHouse } from '../../lib/clickhouse-server/embedded.ts'
import { temporaryHome } from '../../lib/clickhouse-server/home.fixture.ts'
import { clickhouseRows } from './clickhouse-rows.ts'
import { formatRows, type RowChunk } from './rows.ts'

describe('clickhouseRows(clickhouse, sql, options)', () => {
  it('gives the floats that are no numbers the names that DuckDB’s rows have, wherever they stand', async () => {
    await using home = await temporaryHome()
    await using clickhouse = await openEmbeddedClickHouse({ home: home.path, deadlineMs: 60_000 })
    const { signal } = new AbortController()
    const sql = `select nan n, [-inf, NULL, 0.5] l, tuple('nan', inf) t, map('nan', toFloat32(nan)) m,
      cast((nan, 'inf'), 'Tuple(a Float64, \`b c\` String)') s, 'nan' x, toInt64(9007199254740993) big`

    const pieces: string[] = []
    for await (const piece of formatRows(clickhouseRows(clickhouse, sql, { signal }), 'ndjson'))
      pieces.push(piece)

    expect(pieces.join('')).toBe(
      '{"n":"NaN","l":["-Infinity",null,0.5],"t":["nan","Infinity"],"m":{"nan":"NaN"},' +
        '"s":{"a":"NaN","b c":"inf"},"x":"nan","big":9007199254740993}\n',
    )
  })

  it('names the columns of an answer that comes line by line, and has no row', async () => {
    const lines = ['["a","a"]\n', '["Float64","String"]\n']
    async function* raw(): AsyncIterable<Uint8Array> {
      for (const line of lines) yield Buffer.from(line)
    }
    const chunks: RowChunk[] = []
    for await (const chunk of clickhouseRows({ raw }, '', {})) chunks.push(chunk)

    expect(chunks).toEqual([
      { columns: ['a', 'a'], rows: [] },
      { columns: ['a', 'a'], rows: [] },
    ])
  })
})
